/** `vmdkbkp dump`: back up a disk. */

import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import type { Seal, SealedAudit } from "../archive/seal.ts";
import { formatTimeStamp, laterStamp, timeStampOf } from "../archive/time_stamp.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { openForReading } from "../disks/open.ts";
import { UsageError } from "../errors.ts";
import type { OutputFile } from "../files/outputs.ts";
import { DigestReader, DumpReader } from "../pipeline/archive_reader.ts";
import { assertFits, dumpChanged, dumpFull, type DumpResult } from "../pipeline/dump.ts";
import { audit, AUDIT_OPTIONS, auditText, disbelief, parseAudit } from "./audit.ts";
import { blockBytesOf, DEFAULT_BLOCK_BYTES } from "./block_size.ts";
import type { LibraryDisks } from "./library.ts";
import { LIBRARY_OPTIONS, passwordStreams, refuseLibraryOptions, wantsLibrary } from "./library_options.ts";
import { formatSize } from "./progress.ts";
import { flagOf, type ValuesOf } from "./options.ts";
import { begin, type Ready, resume } from "./resume.ts";
import { STREAM } from "./input_file.ts";
import { assertUnchanged, DiskWatch, readUnchanged, usesOf } from "./disk_watch.ts";
import { LEVEL, newCommand, type Report, WITHOUT_SEAL } from "./common.ts";
import { refuseUnreadable, refuseUnsigned } from "./proof.ts";
import { SIGN, TRUSTED_KEY } from "./signing.ts";
import { Session } from "./session.ts";
import { type SealedOutput, Sealing, type WrittenFile } from "./sealing.ts";
import { assertRoot, unsealedText } from "./seals.ts";
import { contentText, secondsSince, speedText } from "./summary.ts";
import { warningOfTimeZone } from "./time_zone.ts";

const SERIES_ID_BYTES = 16;

/** The length to which the description of changes is cut; a seal accepts texts of up to 4096 characters. */
const MAX_CHANGES_CHARS = 2048;

/** Which files each mode needs; all others are refused. */
const FILES = ["dumpin", "digestin", "bmpin", "dumpout", "digestout", "rdiffout"] as const;
const NEEDED: Record<string, readonly (typeof FILES)[number][]> = {
  full: ["dumpout", "digestout"],
  diff: ["dumpin", "digestin", "dumpout", "digestout", "rdiffout"],
  incr: ["dumpin", "digestin", "bmpin", "dumpout", "digestout", "rdiffout"],
};

export const command = newCommand("dump", {
  description: `Back up a disk to a dump and its digest.

  --mode full  reads the whole disk
  --mode diff  reads the whole disk, compares it with the previous dump
  --mode incr  reads the blocks that a bitmap names

diff and incr also write the rdiff that leads from the new dump back to the previous one.
incr reads a random sample of the blocks that the bitmap calls unchanged as well (--audit), and compares it
with the previous digest: a bitmap that is wrong stops it.
A disk that changes while it is read (size, time and content id of its files) gives no dump, unless
--allow-changes says so.
The seal (NAME.seal.json, beside the dump) tells what the files must be: check and restore go by it.
Archives whose name ends in .gz or .zst are compressed. "-" is standard input or output.

Disks of a server (--remote), and with --libdir those of this machine, are read through VMware's disk library.`,
  examples: `
vmdkbkp dump --mode full --local disk.vmdk --dumpout 0.dump.zst --digestout 0.digest
vmdkbkp dump --mode diff --local disk.vmdk --dumpin 0.dump.zst --digestin 0.digest \\
    --dumpout 1.dump.zst --digestout 1.digest --rdiffout 0.rdiff.zst
vmdkbkp dump --mode incr --local disk.vmdk --bmpin changed.bmp --dumpin 1.dump.zst --digestin 1.digest \\
    --dumpout 2.dump.zst --digestout 2.digest --rdiffout 1.rdiff.zst
vmdkbkp dump --mode full --server vc1.example --username backup --thumbprint 12:34:... \\
    --vm vm-16 --snapshot snapshot-47 --remote "[ds1] web/web.vmdk" --dumpout 0.dump --digestout 0.digest`,
  args: { "[disk]": "the disk, instead of --local" },
  options: {
    mode: { value: "mode", choices: ["full", "diff", "incr"], required: true, help: "what to read" },
    local: { value: "disk", help: "raw image, block device or VMDK" },
    format: { value: "format", choices: ["raw", "vmdk"], help: "take the disk as this, whatever its name" },
    blocksize: {
      value: "bytes",
      help: `bytes of a block (default: ${DEFAULT_BLOCK_BYTES}, or as in --dumpin)`,
    },
    dumpin: { value: "file", help: "previous dump" },
    digestin: { value: "file", help: "previous digest" },
    bmpin: { value: "file", help: "bitmap of the blocks that changed" },
    dumpout: { value: "file", help: "new dump" },
    digestout: { value: "file", help: "new digest" },
    rdiffout: { value: "file", help: "way back from the new dump to the previous one" },
    ...AUDIT_OPTIONS,
    resume: {
      help:
        "go on with a full dump that was interrupted, of a disk that nobody writes to (a snapshot); keep what is " +
        "there if this run is interrupted",
    },
    changeid: {
      value: "text",
      help: "change id of the snapshot: kept in the seal, for the next query of changes",
    },
    level: LEVEL,
    sign: SIGN,
    trustedKey: TRUSTED_KEY,
    withoutSeal: WITHOUT_SEAL,
    force: { help: "replace outputs that exist" },
    allowOutside: { help: "let a VMDK name extents outside its folder" },
    allowChanges: {
      help: "make a dump of a disk that changes while it is read, and mark it in the seal",
    },
    allowEncrypted: {
      help: "take the encrypted bytes of an encrypted VMDK as they are",
    },
    ...LIBRARY_OPTIONS,
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, args: string[]): Promise<number> {
  const diskPath = theDisk(options, args);
  for (const name of FILES) {
    const needed = NEEDED[options.mode].includes(name);
    if (needed && options[name] === undefined) {
      throw new UsageError(`Cannot dump with --mode ${options.mode}: --${name} is missing`);
    }
    if (!needed && options[name] !== undefined) {
      throw new UsageError(`Cannot dump with --mode ${options.mode}: --${name} has no use there`);
    }
  }
  for (const name of ["withoutSeal", "trustedKey"] as const) {
    if (options.mode === "full" && options[name] !== undefined) {
      throw new UsageError(`Cannot dump with --mode full: --${flagOf(name)} has no use there`);
    }
  }
  for (const name of ["audit", "auditSeed", "onMismatch"] as const) {
    if (options.mode !== "incr" && options[name] !== undefined) {
      throw new UsageError(`Cannot dump with --mode ${options.mode}: --${flagOf(name)} has no use there`);
    }
  }
  parseAudit(options.audit);
  if (options.resume && options.mode !== "full") {
    throw new UsageError(`Cannot dump with --mode ${options.mode}: --resume has no use there`);
  }
  const start = performance.now();
  await using disks = await libraryDisks({ ...options, local: diskPath });
  await using session = await Session.start(options, {
    inputs: definedPaths(
      diskPath,
      options.dumpin,
      options.digestin,
      options.bmpin,
      ...passwordStreams(options),
    ),
    outputs: [options.dumpout, options.digestout, options.rdiffout],
  });
  // A bitmap names fewer blocks than are allocated, and to ask which are takes time.
  const vddk = await disks?.open(session, { readOnly: true, mapped: options.mode !== "incr" });
  const disk = vddk ?? await openFile(session, diskPath!, options);
  const watch = watchOver(disk, diskPath, options);
  session.addInputs(disk.files);
  // The library makes lock folders of its own for the disks that it opens.
  if (vddk === undefined) { for (const line of usesOf(disk)) session.warn(line); }
  const warning = warningOfTimeZone(new Date());
  if (warning !== undefined) session.warn(warning);
  session.expectBytes(disk.capacityBytes);
  const dump = options.mode === "full"
    ? await full(session, { disk, watch }, options)
    : await changed(session, { disk, watch }, options);
  session.commit();
  // After the archives have their names: however the library ends, they are complete.
  await vddk?.close();
  const said = disks?.report();
  const { text, json } = report(dump, { disk, options, seconds: secondsSince(start) });
  return session.report({ text: [...text, ...said?.text ?? []], json: { ...json, ...said?.json } });
}

/** The disk behind the library that the options name, if they do. */
async function libraryDisks(options: Options): Promise<LibraryDisks | undefined> {
  if (!wantsLibrary(options)) return void refuseLibraryOptions(options);
  const { LibraryDisks } = await import("./library.ts");
  return new LibraryDisks(options).start();
}

async function openFile(session: Session, path: string, options: Options): Promise<ReadableDisk> {
  const disk = session.using(await openForReading(path, { ...options, ...session.diskHelp }));
  session.lockDisk(disk);
  return disk;
}

/** Records the state of the disk before it is read. Only VMDKs have a content id, for which they are opened again. */
function watchOver(disk: ReadableDisk, path: string | undefined, options: Options): DiskWatch {
  const isVmdk = disk.cid !== undefined && path !== undefined;
  return new DiskWatch(disk, isVmdk ? { reopen: () => openForReading(path, options) } : {});
}

/** The disk that is read, and its state before that. */
interface Source {
  disk: ReadableDisk;
  watch: DiskWatch;
}

/** Reads the disk with `work`. @throws {Error} if it changes in the meantime and `allowChanges` is not set */
function reading<T>(
  session: Session,
  { disk, watch }: Source,
  { work, allowChanges }: { work: () => Promise<T>; allowChanges?: boolean },
): Promise<{ result: T; changes: string[] }> {
  return readUnchanged(disk, watch, { work, allowChanges, warn: (line) => session.warn(line) });
}

/** What was asked for, what was done, and why another thing was. */
type Mode = Seal["mode"];

interface Done {
  header: DumpHeader;
  result: DumpResult;
  mode: Mode;
  audit?: SealedAudit;
  /** The changes of the disk while it was read. */
  changes: string[];
  storedBytes: Record<string, number>;
  seals: string[];
  /** The previous dump, if no seal tells of it: the rdiff has its metadata. */
  unsealed: string[];
}

async function full(session: Session, source: Source, options: Options): Promise<Done> {
  const { disk } = source;
  const path = options.dumpout!;
  if (options.resume && path === STREAM) {
    throw new UsageError('Cannot use --resume with --dumpout "-": it keeps nothing');
  }
  const file = path === STREAM
    ? undefined
    : await session.output(path, { resume: options.resume, journal: true });
  const digestOut = await session.sink(options.digestout!, options);
  const ready = await readyFor(session, { ...source, path, file }, options);
  const { header, journal, begun } = ready;
  const dumpOut = await session.sinkTo(path, file ?? Deno.stdout, { level: options.level, begun });
  const sealing = await Sealing.begin(session, header, sealedOutputs(options));
  const root = session.root();
  const job = { disk, header, dumpOut, digestOut, journal, root };
  await session.expectDisk(disk, { startBytes: (journal?.blocks ?? 0) * header.blockBytes });
  const work = () => dumpFull(session.core, job, session.run);
  const { result, changes } = await reading(session, source, {
    work: () => options.resume ? keptOnFailure(session, work) : work(),
    allowChanges: options.allowChanges,
  });
  const mode: Mode = { asked: "full", done: "full" };
  const counts = countsOf(result);
  await sealing.complete({
    root: await root.hex(),
    mode,
    source: sourceOf(disk, { ...options, changes }),
    written: { [options.dumpout!]: counts, [options.digestout!]: counts },
  });
  return {
    header,
    result,
    mode,
    changes,
    storedBytes: { dump: dumpOut.storedBytes, digest: digestOut.storedBytes },
    seals: sealing.paths,
    unsealed: [],
  };
}

/** The header of the dump, and what of it is there already. */
async function readyFor(
  session: Session,
  { disk, watch, path, file }: Source & { path: string; file?: OutputFile },
  options: Options,
): Promise<Ready> {
  const header = newHeader(disk, {
    blockBytes: blockBytesOf(options.blocksize) ?? DEFAULT_BLOCK_BYTES,
    seriesId: crypto.getRandomValues(new Uint8Array(SERIES_ID_BYTES)),
  });
  if (file === undefined) return { header };
  const unfinished = { session, disk, watch, path, file, header, place: [options.vm, options.snapshot] };
  return options.resume ? await resume(unfinished) : await begin(unfinished);
}

/** Says how to go on if the command is stopped or fails. */
async function keptOnFailure<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const line = "what was dumped so far is kept: run the same command again to go on";
  using _warning = session.warnUnlessDone(line);
  try {
    return await work();
  } catch (error) {
    if (!session.run.signal?.aborted) session.warn(line);
    throw error;
  }
}

async function changed(session: Session, source: Source, options: Options): Promise<Done> {
  const { core } = session;
  const { disk, watch } = source;
  const dumpIn = await DumpReader.open(core, await session.source(options.dumpin!));
  const digestIn = await DigestReader.open(core, await session.source(options.digestin!));
  const previous = dumpIn.header;
  const sealedBefore = [await session.sealed(dumpIn), await session.sealed(digestIn)];
  if (sealedBefore.includes(undefined)) {
    refuseUnreadable(session);
    refuseUnsigned(session, dumpIn.path);
  }
  session.warnOfSeals();
  const rootsBefore = await session.rootsOf([dumpIn.path, digestIn.path], {
    series: formatSeriesId(previous.seriesId),
    time: formatTimeStamp(previous.time),
  });
  const blockBytes = blockBytesOf(options.blocksize) ?? previous.blockBytes;
  if (blockBytes !== previous.blockBytes) {
    throw new UsageError(
      `Cannot use --blocksize ${blockBytes}: "${dumpIn.path}" has blocks of ${previous.blockBytes} bytes`,
    );
  }
  const { seriesId } = previous;
  const header = newHeader(disk, { blockBytes, seriesId });
  header.time = laterStamp(header.time, previous.time);
  const bmpin = options.bmpin;
  let changedBlocks = bmpin === undefined ? undefined : await session.files.bitmap(bmpin);
  const dumpOut = await session.sink(options.dumpout!, options);
  const digestOut = await session.sink(options.digestout!, options);
  const rdiffOut = await session.sink(options.rdiffout!, options);
  const sealing = await Sealing.begin(session, header, sealedOutputs(options));
  assertFits({ disk, header, dumpIn, digestIn, changedBlocks });
  const mode: Mode = { asked: options.mode, done: options.mode };
  let record: SealedAudit | undefined;
  if (changedBlocks !== undefined) {
    const claim = { changedBlocks, bmpin: bmpin!, digestin: options.digestin!, disk };
    record = await audit(session, claim, options);
    if (record.result === "differs") {
      if (options.onMismatch !== "diff") {
        // A disk that was written after the bitmap was made differs as well.
        await assertUnchanged(disk, watch);
        throw disbelief(claim, record);
      }
      mode.done = "diff";
      mode.reason = `the bitmap calls block ${record.firstDifferingBlock} unchanged, and it differs`;
      changedBlocks = undefined;
    }
  }
  const root = session.root();
  const previousRoot = session.root();
  const job = {
    ...{ disk, header, dumpIn, digestIn, changedBlocks },
    ...{ dumpOut, digestOut, rdiffOut, root, previousRoot },
  };
  await session.expectDisk(disk, {
    changed: changedBlocks === undefined ? undefined : { blocks: changedBlocks, blockBytes },
  });
  const { result, changes } = await reading(session, source, {
    work: () => dumpChanged(core, job, session.run),
    allowChanges: options.allowChanges,
  });
  const from = { time: formatTimeStamp(header.time), root: await root.hex() };
  const to = { time: formatTimeStamp(previous.time), root: await previousRoot.hex() };
  const own = rootsBefore.filter(({ root }) =>
    sealedBefore.some((sealed) => sealed?.generation.root === root)
  );
  assertRoot(dumpIn.path, own.length > 0 ? own : rootsBefore, to.root);
  // The digest has proved every block of the previous dump, unless it was made of that dump alone.
  const isProved = rootsBefore.some(({ root, isProved }) => isProved && root === to.root) ||
    sealedBefore.every((sealed) => sealed?.file.unproved === undefined);
  const counts = countsOf(result);
  await sealing.complete({
    root: from.root,
    mode,
    source: sourceOf(disk, { ...options, changes }),
    audit: record,
    written: {
      [options.dumpout!]: counts,
      [options.digestout!]: counts,
      [options.rdiffout!]: {
        dataRecords: result.changedBlocks! - result.changedFromZeroBlocks!,
        zeroRecords: result.changedFromZeroBlocks!,
        isProved,
        from,
        to,
      },
    },
  });
  const storedBytes = {
    dump: dumpOut.storedBytes,
    digest: digestOut.storedBytes,
    rdiff: rdiffOut.storedBytes,
  };
  const unsealed = sealedBefore[0] === undefined ? [dumpIn.path] : [];
  return { header, result, mode, audit: record, changes, storedBytes, seals: sealing.paths, unsealed };
}

/** What of the files is sealed. */
function sealedOutputs({ dumpout, digestout, rdiffout }: Options): SealedOutput[] {
  return [
    { role: "dump", path: dumpout! },
    { role: "digest", path: digestout! },
    ...(rdiffout === undefined ? [] : [{ role: "rdiff", path: rdiffout } as const]),
  ];
}

function countsOf({ blocks, zeroBlocks }: DumpResult): WrittenFile {
  return { dataRecords: blocks - zeroBlocks, zeroRecords: zeroBlocks, isProved: true };
}

/** What tells the disk apart from others. */
function sourceOf(
  disk: ReadableDisk,
  { server, vm, snapshot, changeid, changes }: Options & { changes: readonly string[] },
): Record<string, string> {
  const uuid = disk.metadata.get("uuid");
  return {
    disk: disk.path,
    format: disk.format,
    ...(disk.cid === undefined ? {} : { cid: disk.cid.toString(16).padStart(8, "0") }),
    ...(uuid === undefined ? {} : { uuid }),
    ...(server === undefined ? {} : { server }),
    ...(vm === undefined ? {} : { vm }),
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(changeid === undefined ? {} : { changeId: changeid }),
    ...(changes.length === 0 ? {} : { changed: changes.join(", ").slice(0, MAX_CHANGES_CHARS) }),
  };
}

function newHeader(
  disk: ReadableDisk,
  { blockBytes, seriesId }: { blockBytes: number; seriesId: Uint8Array },
): DumpHeader {
  return {
    blockCount: Math.ceil(disk.capacityBytes / blockBytes),
    blockBytes,
    seriesId,
    time: timeStampOf(new Date()),
    full: true,
    adapterType: disk.adapterType,
    metadata: disk.metadata,
    capacityBytes: disk.capacityBytes,
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

function report(
  { header, result, mode, audit, changes, storedBytes, seals, unsealed }: Done,
  { disk, options, seconds }: { disk: ReadableDisk; options: Options; seconds: number },
): Report {
  const { blocks, zeroBlocks, blocksRead, changedBlocks, resumedBlocks = 0 } = result;
  // In holes, or unchanged by a bitmap.
  const blocksSkipped = blocks - blocksRead - resumedBlocks;
  const text = [
    `Dumped ${disk.path} (${disk.format}, ${formatSize(disk.capacityBytes)}): ` +
    `${contentText(result, header.blockBytes)}; ${blocksRead} read, ${blocksSkipped} skipped` +
    (changedBlocks === undefined ? "" : `; ${changedBlocks} changed`),
    ...Object.entries(storedBytes).map(([kind, bytes]) =>
      `  ${kind.padEnd(6)} ${options[`${kind as "dump" | "digest" | "rdiff"}out`]}: ${formatSize(bytes)}`
    ),
    ...seals.map((path) => `  seal   ${path}`),
    ...(options.resume ? [resumeText(resumedBlocks)] : []),
    ...(audit === undefined ? [] : [auditText(audit)]),
    ...changes.map((change) => `  the disk changed while it was read: ${change}`),
    ...(mode.reason === undefined ? [] : [`  mode: ${mode.done} instead of ${mode.asked}: ${mode.reason}`]),
    ...unsealedText(unsealed),
    `  ${speedText(disk.capacityBytes, seconds)}`,
  ];
  const json = {
    command: "dump",
    mode: mode.done,
    ...(mode.reason === undefined ? {} : { modeAsked: mode.asked, modeReason: mode.reason }),
    disk: disk.path,
    format: disk.format,
    capacity: disk.capacityBytes,
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
