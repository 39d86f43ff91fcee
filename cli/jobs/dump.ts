/** Backs up a disk. */

import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import type { Seal, SealedAudit } from "../archive/seal.ts";
import { formatTimeStamp, laterStamp, timeStampOf } from "../archive/time_stamp.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { openForReading } from "../disks/open.ts";
import { UsageError } from "../errors.ts";
import type { OutputFile } from "../files/outputs.ts";
import { DigestReader, DumpReader } from "../pipeline/archive_reader.ts";
import { assertFits, dumpChanged, dumpFull, type DumpResult as DumpCounts } from "../pipeline/dump.ts";
import { audit, disbelief } from "./audit.ts";
import { type DiskPathOptions, type DiskSource, isProvider, openSource } from "./disk_source.ts";
import { assertUnchanged, DiskWatch, readUnchanged, usesOf } from "./disk_watch.ts";
import { STREAM } from "./input_file.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { refuseUnreadable, refuseUnsigned } from "./proof.ts";
import { begin, type Ready, resume } from "./resume.ts";
import { type SealedOutput, Sealing, type WrittenFile } from "./sealing.ts";
import { assertRoot } from "./seals.ts";
import { warningOfTimeZone } from "./time_zone.ts";

/** Bytes of a block where nothing else tells. */
export const DEFAULT_BLOCK_BYTES = 1024 * 1024;

const SERIES_ID_BYTES = 16;

/** The length to which the description of changes is cut; a seal accepts texts of up to 4096 characters. */
const MAX_CHANGES_CHARS = 2048;

/** What every dump is made of, and into which files. */
export interface AnyDumpRequest extends DiskPathOptions {
  /** The disk. */
  disk: DiskSource;
  /** Path of the new dump. */
  dumpout: string;
  /** Path of the new digest. */
  digestout: string;
  /** Bytes of a block; by default those of the previous dump, or else 1 MiB. */
  blocksize?: number;
  /** Compression, where the name of an output asks for one: gzip 1 to 9, zstd 1 to 19. */
  level?: number;
  /** Make a dump of a disk that changes while it is read, and mark it in the seal. */
  allowChanges?: boolean;
  /** What the seal says of the origin of the disk, besides its path and format. */
  origin?: { server?: string; vm?: string; snapshot?: string; changeId?: string };
}

/** A dump of the whole disk. */
export interface FullDumpRequest extends AnyDumpRequest {
  mode: "full";
  /** Go on with a dump that was interrupted, and keep what is there if this run is. */
  resume?: boolean;
}

/** A dump, and the rdiff that leads from it back to the previous one. */
export interface ChangedDumpRequest extends AnyDumpRequest {
  /** `diff` reads the whole disk, `incr` the blocks that a bitmap names. */
  mode: "diff" | "incr";
  /** Path of the previous dump. */
  dumpin: string;
  /** Path of the previous digest. */
  digestin: string;
  /** Path of the rdiff. */
  rdiffout: string;
  /** Path of the bitmap, with mode `incr`. */
  bmpin?: string;
  /** Percent of the blocks which the bitmap calls unchanged that are read and compared; 0 for none. */
  audit?: number;
  /** Draws the sample that an earlier run reported with this seed. */
  auditSeed?: string;
  /** What is done if the bitmap is wrong: stop with an error (default), or go on as with mode `diff`. */
  onMismatch?: "stop" | "diff";
}

/** What is dumped into which files. */
export type DumpRequest = FullDumpRequest | ChangedDumpRequest;

/** What was dumped. */
export interface DumpResult extends DumpCounts {
  /** The path and the format of the disk. */
  disk: { path: string; format: string };
  /** The header of the dump. */
  header: DumpHeader;
  /** What was asked for, what was done, and why another thing was. */
  mode: Seal["mode"];
  /** What the sample of the blocks that the bitmap calls unchanged told. */
  audit?: SealedAudit;
  /** The changes of the disk while it was read; none unless the request allows them. */
  changes: readonly string[];
  /** Bytes of each output. */
  storedBytes: { dump: number; digest: number; rdiff?: number };
  /** The paths of the seals. */
  seals: readonly string[];
  /** The previous dump, if no seal tells of it: the rdiff has its metadata. */
  unsealed: readonly string[];
}

/** The disk that is read, and its state before that. */
interface Source {
  disk: ReadableDisk;
  watch: DiskWatch;
}

/**
 * Dumps a disk. The outputs get their names together, when all of them are complete.
 *
 * @throws {UsageError} if the request cannot be meant
 * @throws {MismatchError} if the previous files do not fit the disk, or the bitmap is wrong
 * @throws {Error} if the disk changes while it is read, or a file cannot be read or written
 */
export async function dump(request: DumpRequest, options: JobOptions = {}): Promise<DumpResult> {
  const { disk: source } = request;
  await using job = await Job.start(options, {
    inputs: [
      ...typeof source === "string" ? [source] : isProvider(source) ? source.inputs ?? [] : [],
      ...request.mode === "full" ? [] : [request.dumpin, request.digestin],
      ...request.mode === "full" || request.bmpin === undefined ? [] : [request.bmpin],
    ],
    outputs: [request.dumpout, request.digestout, ...request.mode === "full" ? [] : [request.rdiffout]],
    keepsPartial: request.mode === "full" && request.resume,
  });
  // A bitmap names fewer blocks than are allocated, and to ask which are takes time.
  const { disk, close } = await openSource(job, source, { ...request, mapped: request.mode !== "incr" });
  const watch = watchOver(disk, request);
  job.addInputs(disk.files);
  // A provider may make lock folders of its own for the disks that it opens.
  if (typeof source === "string") { for (const line of usesOf(disk)) job.warn(line); }
  const warning = warningOfTimeZone(new Date());
  if (warning !== undefined) job.warn(warning);
  job.expectBytes(disk.capacityBytes);
  const result = request.mode === "full"
    ? await full(job, { disk, watch }, request)
    : await changed(job, { disk, watch }, request);
  job.commit();
  // After the archives have their names: however the provider ends, they are complete.
  await close();
  return result;
}

/** Records the state of the disk before it is read. Only VMDKs have a content id, for which they are opened again. */
function watchOver(disk: ReadableDisk, { disk: source, ...options }: DumpRequest): DiskWatch {
  const isVmdk = disk.cid !== undefined && typeof source === "string";
  return new DiskWatch(disk, isVmdk ? { reopen: () => openForReading(source, options) } : {});
}

/** Reads the disk with `work`. @throws {Error} if it changes in the meantime and `allowChanges` is not set */
function reading<T>(
  job: Job,
  { disk, watch }: Source,
  { work, allowChanges }: { work: () => Promise<T>; allowChanges?: boolean },
): Promise<{ result: T; changes: string[] }> {
  return readUnchanged(disk, watch, { work, allowChanges, warn: (line) => job.warn(line) });
}

async function full(job: Job, source: Source, request: FullDumpRequest): Promise<DumpResult> {
  const { disk } = source;
  const { dumpout: path, digestout, level } = request;
  if (request.resume && path === STREAM) {
    throw new UsageError('Cannot use --resume with --dumpout "-": it keeps nothing');
  }
  const file = path === STREAM
    ? undefined
    : await job.output(path, { resume: request.resume || undefined, journal: true });
  const digestOut = await job.sink(digestout, { level });
  const ready = await readyFor(job, { ...source, path, file }, request);
  const { header, journal, begun } = ready;
  const dumpOut = await job.sinkTo(path, file ?? Deno.stdout, { level, begun });
  const sealing = await Sealing.begin(job, header, sealedOutputs(request));
  const root = job.root();
  await job.expectDisk(disk, { startBytes: (journal?.blocks ?? 0) * header.blockBytes });
  const work = () => dumpFull(job.core, { disk, header, dumpOut, digestOut, journal, root }, job.run);
  const { result, changes } = await reading(job, source, {
    work: () => request.resume ? keptOnFailure(job, work) : work(),
    allowChanges: request.allowChanges,
  });
  const mode: Seal["mode"] = { asked: "full", done: "full" };
  const counts = countsOf(result);
  await sealing.complete({
    root: await root.hex(),
    mode,
    source: sourceOf(disk, { ...request, changes }),
    written: { [path]: counts, [digestout]: counts },
  });
  return {
    ...result,
    disk: { path: disk.path, format: disk.format },
    header,
    mode,
    changes,
    storedBytes: { dump: dumpOut.storedBytes, digest: digestOut.storedBytes },
    seals: sealing.paths,
    unsealed: [],
  };
}

/** The header of the dump, and what of it is there already. */
async function readyFor(
  job: Job,
  { disk, watch, path, file }: Source & { path: string; file?: OutputFile },
  { blocksize = DEFAULT_BLOCK_BYTES, origin, resume: resumes }: FullDumpRequest,
): Promise<Ready> {
  const seriesId = crypto.getRandomValues(new Uint8Array(SERIES_ID_BYTES));
  const header = newHeader(disk, { blockBytes: blocksize, seriesId });
  if (file === undefined) return { header };
  const unfinished = { job, disk, watch, path, file, header, place: [origin?.vm, origin?.snapshot] };
  return resumes ? await resume(unfinished) : await begin(unfinished);
}

/** Says how to go on if the job is stopped or fails. */
async function keptOnFailure<T>(job: Job, work: () => Promise<T>): Promise<T> {
  const line = "what was dumped so far is kept: run the same command again to go on";
  using _warning = job.warnUnlessDone(line);
  try {
    return await work();
  } catch (error) {
    if (!job.signal?.aborted) job.warn(line);
    throw error;
  }
}

async function changed(job: Job, source: Source, request: ChangedDumpRequest): Promise<DumpResult> {
  const { core } = job;
  const { disk, watch } = source;
  const { dumpin, digestin, bmpin, dumpout, digestout, rdiffout, level } = request;
  const dumpIn = await DumpReader.open(core, await job.source(dumpin));
  const digestIn = await DigestReader.open(core, await job.source(digestin));
  const previous = dumpIn.header;
  const sealedBefore = [await job.sealed(dumpIn), await job.sealed(digestIn)];
  // The rdiff takes over the metadata of the previous dump, which digest and root do not cover.
  const provePrevious = [dumpIn, digestIn].map((reader, i) => {
    const sealed = sealedBefore[i];
    return sealed === undefined ? () => Promise.resolve() : job.proveWhileRead(reader, sealed);
  });
  if (sealedBefore.includes(undefined)) {
    refuseUnreadable(job);
    refuseUnsigned(job, dumpIn.path);
  }
  job.warnOfSeals();
  const rootsBefore = await job.rootsOf([dumpIn.path, digestIn.path], {
    series: formatSeriesId(previous.seriesId),
    time: formatTimeStamp(previous.time),
  });
  const { blocksize: blockBytes = previous.blockBytes } = request;
  if (blockBytes !== previous.blockBytes) {
    throw new UsageError(
      `Cannot use --blocksize ${blockBytes}: "${dumpIn.path}" has blocks of ${previous.blockBytes} bytes`,
    );
  }
  const { seriesId } = previous;
  const header = newHeader(disk, { blockBytes, seriesId });
  header.time = laterStamp(header.time, previous.time);
  let changedBlocks = bmpin === undefined ? undefined : await job.files.bitmap(bmpin);
  const dumpOut = await job.sink(dumpout, { level });
  const digestOut = await job.sink(digestout, { level });
  const rdiffOut = await job.sink(rdiffout, { level });
  const sealing = await Sealing.begin(job, header, sealedOutputs(request));
  assertFits({ disk, header, dumpIn, digestIn, changedBlocks });
  const mode: Seal["mode"] = { asked: request.mode, done: request.mode };
  let record: SealedAudit | undefined;
  if (changedBlocks !== undefined) {
    const claim = { changedBlocks, bmpin: bmpin!, digestin, disk };
    record = await audit(job, claim, { percent: request.audit, seed: request.auditSeed });
    if (record.result === "differs") {
      if (request.onMismatch !== "diff") {
        // A disk that was written after the bitmap was made differs as well.
        await assertUnchanged(disk, watch);
        throw disbelief(claim, record);
      }
      mode.done = "diff";
      mode.reason = `the bitmap calls block ${record.firstDifferingBlock} unchanged, and it differs`;
      changedBlocks = undefined;
    }
  }
  const root = job.root();
  const previousRoot = job.root();
  const parts = {
    ...{ disk, header, dumpIn, digestIn, changedBlocks },
    ...{ dumpOut, digestOut, rdiffOut, root, previousRoot },
  };
  await job.expectDisk(disk, {
    changed: changedBlocks === undefined ? undefined : { blocks: changedBlocks, blockBytes },
  });
  const { result, changes } = await reading(job, source, {
    work: () => dumpChanged(core, parts, job.run),
    allowChanges: request.allowChanges,
  });
  for (const prove of provePrevious) await prove();
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
    source: sourceOf(disk, { ...request, changes }),
    audit: record,
    written: {
      [dumpout]: counts,
      [digestout]: counts,
      [rdiffout]: {
        dataRecords: result.changedBlocks! - result.changedFromZeroBlocks!,
        zeroRecords: result.changedFromZeroBlocks!,
        isProved,
        from,
        to,
      },
    },
  });
  return {
    ...result,
    disk: { path: disk.path, format: disk.format },
    header,
    mode,
    audit: record,
    changes,
    storedBytes: {
      dump: dumpOut.storedBytes,
      digest: digestOut.storedBytes,
      rdiff: rdiffOut.storedBytes,
    },
    seals: sealing.paths,
    unsealed: sealedBefore[0] === undefined ? [dumpIn.path] : [],
  };
}

/** The files that are sealed. */
function sealedOutputs(request: DumpRequest): SealedOutput[] {
  return [
    { role: "dump", path: request.dumpout },
    { role: "digest", path: request.digestout },
    ...(request.mode === "full" ? [] : [{ role: "rdiff", path: request.rdiffout } as const]),
  ];
}

function countsOf({ blocks, zeroBlocks }: DumpCounts): WrittenFile {
  return { dataRecords: blocks - zeroBlocks, zeroRecords: zeroBlocks, isProved: true };
}

/** What tells the disk apart from others. */
function sourceOf(
  disk: ReadableDisk,
  { origin = {}, changes }: Pick<AnyDumpRequest, "origin"> & { changes: readonly string[] },
): Record<string, string> {
  const { server, vm, snapshot, changeId } = origin;
  const uuid = disk.metadata.get("uuid");
  return {
    disk: disk.path,
    format: disk.format,
    ...(disk.cid === undefined ? {} : { cid: disk.cid.toString(16).padStart(8, "0") }),
    ...(uuid === undefined ? {} : { uuid }),
    ...(server === undefined ? {} : { server }),
    ...(vm === undefined ? {} : { vm }),
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(changeId === undefined ? {} : { changeId }),
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
