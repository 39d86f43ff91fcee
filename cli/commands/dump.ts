/** `vmdkbkp dump`: back up a disk. */

import { formatSeriesId } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { UsageError } from "../errors.ts";
import { DEFAULT_BLOCK_BYTES, dump, type DumpRequest, type DumpResult } from "../jobs/dump.ts";
import { AUDIT_OPTIONS, auditText } from "./audit.ts";
import { BLOCK_SIZE } from "./block_size.ts";
import { LEVEL, newCommand, type Report, WITHOUT_SEAL } from "./common.ts";
import { READING_OPTIONS } from "./server/library_options.ts";
import type { ValuesOf } from "../options/option.ts";
import { Printer } from "./printer.ts";
import { formatSize } from "./progress.ts";
import { remoteDisk } from "./server/remote_disk.ts";
import { unsealedText } from "./seal_texts.ts";
import { SIGN, TRUSTED_KEY } from "./signing.ts";
import { contentText, secondsSince, speedText } from "./summary.ts";

/** What is used where there is a previous dump. */
const AFTER_ANOTHER = { name: "mode", is: ["diff", "incr"] } as const;

export const command = newCommand("dump", {
  description: `Back up a disk to a dump and its digest.

  --mode full  reads the whole disk
  --mode diff  reads the whole disk, compares it with the previous dump
  --mode incr  reads the blocks that a bitmap names, or that a server lists (--changed-since)

diff and incr also write the rdiff that leads from the new dump back to the previous one.
incr reads a random sample of the blocks that the bitmap calls unchanged as well (--audit), and compares it
with the previous digest: a bitmap that is wrong stops it.
A disk that changes while it is read (size, time and content id of its files) gives no dump, unless
--allow-changes says so.
The seal (NAME.seal.json, beside the dump) tells what the files must be: check and restore go by it.
Archives whose name ends in .gz or .zst are compressed. "-" is standard input or output.

Disks of a server (--remote) are read through VMware's disk library, or without it (--transport nfc), those of
a running machine through a snapshot. With --libdir disks of this machine are read through the library, too.`,
  examples: `
vmdkbkp dump --mode full --local disk.vmdk --dumpout 0.dump.zst --digestout 0.digest
vmdkbkp dump --mode diff --local disk.vmdk --dumpin 0.dump.zst --digestin 0.digest \\
    --dumpout 1.dump.zst --digestout 1.digest --rdiffout 0.rdiff.zst
vmdkbkp dump --mode incr --local disk.vmdk --bmpin changed.bmp --dumpin 1.dump.zst --digestin 1.digest \\
    --dumpout 2.dump.zst --digestout 2.digest --rdiffout 1.rdiff.zst
vmdkbkp dump --mode full --server vc1.example --username backup --thumbprint 12:34:... \\
    --vm vm-16 --snapshot snapshot-47 --remote "[ds1] web/web.vmdk" --dumpout 0.dump --digestout 0.digest
vmdkbkp dump --mode incr --server esxi.example --username backup --thumbprint 12:34:... --transport nfc \\
    --vm web --snapshot nightly --remote "[ds1] web/web.vmdk" --changed-since seal \\
    --dumpin 0.dump --digestin 0.digest --dumpout 1.dump --digestout 1.digest --rdiffout 0.rdiff`,
  args: { "[disk]": "the disk, instead of --local" },
  options: {
    mode: {
      type: "choice",
      value: "mode",
      choices: ["full", "diff", "incr"],
      required: true,
      help: "what to read",
    },
    local: { type: "file", value: "disk", help: "raw image, block device or VMDK" },
    dumpout: { type: "output", value: "file", required: true, help: "new dump" },
    digestout: { type: "output", value: "file", required: true, help: "new digest" },
    dumpin: {
      type: "input",
      value: "file",
      when: { ...AFTER_ANOTHER, required: true },
      help: "previous dump",
    },
    digestin: {
      type: "input",
      value: "file",
      when: { ...AFTER_ANOTHER, required: true },
      help: "previous digest",
    },
    rdiffout: {
      type: "output",
      value: "file",
      when: { ...AFTER_ANOTHER, required: true },
      help: "way back from the new dump to the previous one",
    },
    bmpin: {
      type: "input",
      value: "file",
      when: { name: "mode", is: ["incr"] },
      excludes: { changedSince: "both tell what has changed" },
      help: "bitmap of the blocks that changed",
    },
    changedSince: {
      type: "text",
      value: "id",
      when: { name: "mode", is: ["incr"] },
      requires: ["remote", "snapshot"],
      help: "ask the server what has changed since this change id, or since that of --dumpin (seal)",
    },
    force: { type: "flag", help: "replace outputs that exist" },
    ...AUDIT_OPTIONS,
    format: {
      type: "choice",
      group: "more",
      value: "format",
      choices: ["raw", "vmdk"],
      help: "take the disk as this, whatever its name",
    },
    blocksize: {
      ...BLOCK_SIZE,
      group: "more",
      help: `bytes of a block (default: ${DEFAULT_BLOCK_BYTES}, or as in --dumpin)`,
    },
    resume: {
      type: "flag",
      group: "more",
      when: { name: "mode", is: ["full"] },
      help:
        "go on with a full dump that was interrupted, of a disk that nobody writes to (a snapshot); keep what is " +
        "there if this run is interrupted",
    },
    changeid: {
      type: "text",
      group: "more",
      value: "text",
      help: "change id of the snapshot: kept in the seal, for the next query of changes",
    },
    level: LEVEL,
    sign: SIGN,
    trustedKey: { ...TRUSTED_KEY, when: AFTER_ANOTHER },
    withoutSeal: { ...WITHOUT_SEAL, when: AFTER_ANOTHER },
    allowOutside: { type: "flag", group: "more", help: "let a VMDK name extents outside its folder" },
    allowChanges: {
      type: "flag",
      group: "more",
      help: "make a dump of a disk that changes while it is read, and mark it in the seal",
    },
    allowEncrypted: {
      type: "flag",
      group: "more",
      help: "take the encrypted bytes of an encrypted VMDK as they are",
    },
    ...READING_OPTIONS,
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, args: string[]): Promise<number> {
  const path = theDisk(options, args);
  const start = performance.now();
  using printer = new Printer(options, {
    outputs: [options.dumpout, options.digestout, options.rdiffout],
  });
  await using remote = await remoteDisk({ ...options, local: path });
  const result = await dump(requestOf(options, remote ?? path!), await printer.jobOptions());
  const said = remote?.report();
  const { text, json } = report(result, { options, seconds: secondsSince(start) });
  return printer.report({ text: [...text, ...said?.text ?? []], json: { ...json, ...said?.json } });
}

function requestOf(options: Options, disk: DumpRequest["disk"]): DumpRequest {
  const { mode, format, allowOutside, allowEncrypted, allowChanges, server, vm, snapshot } = options;
  const common = {
    disk,
    ...{ format, allowOutside, allowEncrypted, allowChanges },
    dumpout: options.dumpout,
    digestout: options.digestout,
    blocksize: options.blocksize,
    level: options.level,
    origin: {
      server: server,
      vm: vm,
      snapshot: snapshot,
      changeId: options.changeid,
    },
  };
  if (mode === "full") return { ...common, mode, resume: options.resume };
  return {
    ...common,
    mode,
    dumpin: options.dumpin!,
    digestin: options.digestin!,
    rdiffout: options.rdiffout!,
    bmpin: options.bmpin,
    changedSince: options.changedSince,
    audit: options.audit,
    auditSeed: options.auditSeed,
    onMismatch: options.onMismatch,
  };
}

/** The disk that is named as a file; undefined for one of a server. */
function theDisk({ local, remote }: Options, args: string[]): string | undefined {
  const disks = definedPaths(local, remote, ...args);
  if (disks.length === 0) throw new UsageError("Cannot dump: no disk is named (--local, --remote)");
  if (disks.length > 1) {
    throw new UsageError(`Cannot dump: more than one disk is named ("${disks.join('", "')}")`);
  }
  return remote === undefined ? disks[0] : undefined;
}

function definedPaths(...paths: (string | undefined)[]): string[] {
  return paths.filter((path) => path !== undefined);
}

function report(result: DumpResult, { options, seconds }: { options: Options; seconds: number }): Report {
  const { disk, header, mode, audit, changes, storedBytes, seals, unsealed } = result;
  const { capacityBytes } = header;
  const { blocks, zeroBlocks, blocksRead, changedBlocks, resumedBlocks = 0 } = result;
  // In holes, or unchanged by a bitmap.
  const blocksSkipped = blocks - blocksRead - resumedBlocks;
  const text = [
    `Dumped ${disk.path} (${disk.format}, ${formatSize(capacityBytes)}): ` +
    `${contentText(result, header.blockBytes)}; ${blocksRead} read, ${blocksSkipped} skipped` +
    (changedBlocks === undefined ? "" : `; ${changedBlocks} changed`),
    ...Object.entries(storedBytes).map(([kind, bytes]) =>
      `  ${kind.padEnd(6)} ${options[`${kind as "dump" | "digest" | "rdiff"}out`]}: ${formatSize(bytes)}`
    ),
    ...seals.map((path) => `  seal   ${path}`),
    ...(disk.changeId === undefined ? [] : [`  change id ${disk.changeId}`]),
    ...(options.resume ? [resumeText(resumedBlocks)] : []),
    ...(audit === undefined ? [] : [auditText(audit)]),
    ...changes.map((change) => `  the disk changed while it was read: ${change}`),
    ...(mode.reason === undefined ? [] : [`  mode: ${mode.done} instead of ${mode.asked}: ${mode.reason}`]),
    ...unsealedText(unsealed),
    `  ${speedText(capacityBytes, seconds)}`,
  ];
  const json = {
    command: "dump",
    mode: mode.done,
    ...(mode.reason === undefined ? {} : { modeAsked: mode.asked, modeReason: mode.reason }),
    disk: disk.path,
    format: disk.format,
    ...(disk.changeId === undefined ? {} : { changeId: disk.changeId }),
    capacity: capacityBytes,
    blockSize: header.blockBytes,
    blocks,
    blocksRead,
    blocksSkipped,
    dataBlocks: blocks - zeroBlocks,
    zeroBlocks,
    ...(changedBlocks === undefined ? {} : { changedBlocks }),
    ...(options.resume ? { resumedBlocks } : {}),
    ...(audit === undefined ? {} : { audit }),
    ...(changes.length === 0 ? {} : { sourceChanged: changes }),
    series: formatSeriesId(header.seriesId),
    time: formatTimeStamp(header.time),
    storedBytes,
    seals,
    unsealed,
    seconds,
  };
  return { text, json };
}

function resumeText(resumedBlocks: number): string {
  return resumedBlocks === 0
    ? "  resumed: nothing of use was left, the dump was begun anew"
    : `  resumed: ${resumedBlocks} blocks were there and are intact`;
}
