/** `vmdkbkp backup`: make the next generation of a machine. */

import { UsageError } from "../../errors.ts";
import { type BackedUpDisk, backup, type BackupResult } from "../../jobs/repository/backup.ts";
import type { ValuesOf } from "../../options/option.ts";
import { BLOCK_SIZE } from "../block_size.ts";
import { newCommand } from "../common.ts";
import { Printer } from "../printer.ts";
import { formatSize } from "../progress.ts";
import { blocksText, secondsSince, speedText } from "../summary.ts";
import { REPOSITORY, SCHEMA } from "./options.ts";

export const command = newCommand("backup", {
  description: `Back up a machine: make the next generation of its disks in a repository.

The first backup reads and stores all of a disk. Later ones read the disk and compare it with the newest
generation (diff), or read the blocks alone that a list says may have changed (incr); what is stored is what
changed. A sample of the blocks that the list calls unchanged is read and compared; if one differs, all of the
disk is read.

All disks of a machine get the new generation together, or none does. A run that fails, is stopped or is
killed leaves the machine as it was: at once, or when the next command uses it.`,
  examples: `
vmdkbkp backup --repo backup --init disk.vmdk
vmdkbkp backup --repo backup --machine web --note "before the update" disk.vmdk data.vmdk
vmdkbkp backup --repo backup --changed changes.json disk.vmdk`,
  args: { "<disks...>": "the disks of the machine: VMDKs, raw images, block devices" },
  options: {
    repo: REPOSITORY,
    machine: {
      type: "text",
      value: "name",
      help: "the name of the machine (default: that of the first disk)",
    },
    init: { type: "flag", help: "make the repository if there is none" },
    note: { type: "text", value: "text", help: "a note for the generation; forget --keep-noted keeps it" },
    changed: {
      type: "input",
      value: "file",
      help:
        "which blocks may have changed since the newest generation, of a single disk: a bitmap, or extents in " +
        'JSON, [{"start": bytes, "length": bytes}]',
    },
    audit: {
      type: "percent",
      value: "share",
      requires: ["changed"],
      help:
        "how many of the blocks that are called unchanged are read and compared (default: a small sample)",
    },
    dryRun: { type: "flag", help: "only tell how each disk would be read" },
    format: {
      type: "choice",
      value: "format",
      choices: ["raw", "vmdk"],
      help: "take the disks as raw or vmdk, whatever their names",
    },
    allowChanges: { type: "flag", group: "more", help: "accept that a disk changes while it is read" },
    allowOutside: {
      type: "flag",
      group: "more",
      help: "let a VMDK name extents or parents outside its folder",
    },
    allowEncrypted: { type: "flag", group: "more", help: "back up the encrypted bytes of an encrypted VMDK" },
    blocksize: {
      ...BLOCK_SIZE,
      group: "more",
      help: "bytes of a block of disks that are new (default: 1 MiB)",
    },
  },
});

export async function run(options: ValuesOf<typeof command>, paths: string[]): Promise<number> {
  const { repo, machine, init, note, changed, audit, dryRun, blocksize, allowChanges } = options;
  if (changed !== undefined && paths.length > 1) {
    throw new UsageError("Cannot use --changed with several disks: the list is of one of them");
  }
  const { format, allowOutside, allowEncrypted } = options;
  const start = performance.now();
  using printer = new Printer(options);
  const result = await backup({
    ...{ repository: repo, machine, init, note, audit, dryRun, blocksize, allowChanges },
    disks: paths.map((disk) => ({ disk, changed, format, allowOutside, allowEncrypted })),
  }, await printer.jobOptions());
  const seconds = secondsSince(start);
  const { generation, id } = result;
  const capacityBytes = generation?.disks.reduce((sum, disk) => sum + disk.capacityBytes, 0) ?? 0;
  return printer.report({
    text: [
      generation === undefined
        ? `Would make generation ${id} of machine ${result.machine}`
        : `Made generation ${id} of machine ${result.machine}`,
      ...result.disks.map(diskText),
      ...(generation === undefined ? [] : [`  ${speedText(capacityBytes, seconds)}`]),
    ],
    json: { command: "backup", schema: SCHEMA, ...backupJson(result), dryRun: dryRun ?? false, seconds },
  });
}

function diskText({ key, mode, reason, written }: BackedUpDisk): string {
  const why = `  ${key}: ${mode}, ${reason}`;
  if (written === undefined) return why;
  const { blockCount, blockBytes, changedBlocks } = written.disk;
  return `${why}; ${
    blocksText(blockCount, blockBytes)
  }, ${written.blocksRead} read, ${changedBlocks} changed, ` +
    `${formatSize(storedBytesOf(written.disk))} of archives`;
}

function storedBytesOf({ digest, rdiff }: { digest: { bytes: number }; rdiff?: { bytes: number } }): number {
  return digest.bytes + (rdiff?.bytes ?? 0);
}

function backupJson(
  { repository, machine, id, parent, generation, disks }: BackupResult,
): Record<string, unknown> {
  return {
    repository,
    machine,
    generation: id,
    ...(parent === undefined ? {} : { parent }),
    ...(generation === undefined ? {} : {
      begun: generation.begun.toISOString(),
      ended: generation.ended.toISOString(),
    }),
    disks: disks.map(({ key, path, mode, reason, written }) => ({
      ...{ key, path, mode, reason },
      ...(written === undefined ? {} : {
        capacity: written.disk.capacityBytes,
        blockSize: written.disk.blockBytes,
        blocks: written.disk.blockCount,
        blocksRead: written.blocksRead,
        changedBlocks: written.disk.changedBlocks,
        zeroBlocks: written.disk.zeroBlocks,
        storedBytes: storedBytesOf(written.disk),
        root: written.disk.root,
        ...(written.audit === undefined ? {} : { audit: written.audit }),
        ...(written.changes.length === 0 ? {} : { changes: written.changes }),
      }),
    })),
  };
}
