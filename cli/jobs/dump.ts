/** Dumps a disk. */

import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import type { Seal, SealedAudit } from "../archive/seal.ts";
import { formatTimeStamp, laterStamp, timeStampOf } from "../archive/time_stamp.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { openForReading } from "../disks/open.ts";
import { UsageError } from "../errors.ts";
import type { OutputFile } from "../files/outputs.ts";
import { DigestReader, DumpReader } from "../pipeline/archive_reader.ts";
import { assertFits, dumpChanged, type DumpCounts, dumpFull } from "../pipeline/dump.ts";
import { audit, disbelief } from "./audit.ts";
import { type ArchiveInput, pathOf } from "./archive_input.ts";
import { changedBlocksOf } from "./changed_blocks.ts";
import {
  type DiskPathOptions,
  type DiskSource,
  isProvider,
  openSource,
  type ProvidedDisk,
} from "./disk_source.ts";
import { assertUnchanged, DiskWatch, readUnchanged, usesOf } from "./disk_watch.ts";
import { STREAM } from "./input_file.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";
import { refuseUnreadable, refuseUnsigned } from "./proof.ts";
import { begin, type Ready, resume } from "./resume.ts";
import { type SealedOutput, Sealing, type WrittenFile } from "./sealing.ts";
import { assertRoot } from "./seals.ts";
import { warningOfTimeZone } from "./time_zone.ts";

/** Bytes of a block if the request and the previous dump do not say. */
export const DEFAULT_BLOCK_BYTES = 1024 * 1024;

const SERIES_ID_BYTES = 16;

/**
 * The length in characters to which the description of changes is cut. A seal accepts texts of up to 4096.
 */
const MAX_CHANGES_CHARS = 2048;

/**
 * A disk, and the files that are made of it. `-` is standard output, for one of the outputs. The suffixes
 * `.gz` and `.zst` compress an output.
 */
export interface AnyDumpRequest extends DiskPathOptions {
  /** The disk. */
  disk: DiskSource;
  /** Path of the new dump. */
  dumpout: string;
  /** Path of the new digest. */
  digestout: string;
  /**
   * Bytes of a block, a multiple of 512 up to 16 MiB; by default those of the previous dump, or else 1 MiB.
   */
  blocksize?: number;
  /**
   * Compression level of the outputs: gzip 1 to 9, zstd 1 to 19. Outputs that are not compressed ignore it.
   */
  level?: number;
  /** Accept that the disk changes while it is read. The result and the seal describe the changes. */
  allowChanges?: boolean;
  /** Descriptions of the place of the disk that the seal records, besides its path and format. */
  origin?: { server?: string; vm?: string; snapshot?: string; changeId?: string };
}

/** A dump of the whole disk. */
export interface FullDumpRequest extends AnyDumpRequest {
  /** The whole disk is read, and no previous dump is needed. */
  mode: "full";
  /** Continue a dump that was interrupted, and keep the unfinished outputs if this job is interrupted. */
  resume?: boolean;
}

/** A dump, and the rdiff that leads from it back to the previous dump. */
export interface ChangedDumpRequest extends AnyDumpRequest {
  /** `diff` reads the whole disk, `incr` the blocks of which a bitmap says that they may have changed. */
  mode: "diff" | "incr";
  /** The previous dump. */
  dumpin: ArchiveInput;
  /** The previous digest. */
  digestin: ArchiveInput;
  /** Path of the new rdiff. */
  rdiffout: string;
  /** Path of the bitmap, `-` for standard input. Mode `incr` needs it or `changedSince`. */
  bmpin?: string;
  /**
   * The change id of the previous dump, instead of a bitmap: the server of the disk lists the changes since
   * then. `seal` is the id that the seal of the previous dump records.
   */
  changedSince?: string;
  /**
   * Percentage (0 to 100) of the blocks that the bitmap calls unchanged which is read and compared. By
   * default a small sample of them is.
   */
  audit?: number;
  /**
   * Seed of the sample: the one that an earlier job reported draws the same sample. By default it is random.
   */
  auditSeed?: string;
  /**
   * If the bitmap turns out to be wrong, or the server's list of changes cannot be used, stop with an error
   * (the default), or continue as with mode `diff`.
   */
  onMismatch?: "stop" | "diff";
}

/** A request for a dump. */
export type DumpRequest = FullDumpRequest | ChangedDumpRequest;

/** The dump that was made. */
export interface DumpResult extends DumpCounts {
  /** Path and format of the disk, and the id that its server gives to the state that was dumped. */
  disk: { path: string; format: string; changeId?: string };
  /** The header of the dump. */
  header: DumpHeader;
  /** The mode that the request asked for, the mode that was used, and the reason if that is another one. */
  mode: { asked: string; done: string; reason?: string };
  /** The result of the sample of the blocks that the bitmap calls unchanged. Absent without a bitmap. */
  audit?: SealedAudit;
  /** Sentences about changes of the disk while it was read; none unless the request allows them. */
  changes: readonly string[];
  /** Length of each output in bytes, compressed or not. */
  storedBytes: { dump: number; digest: number; rdiff?: number };
  /** Paths of the seals that were written or extended, one in each folder of outputs. */
  seals: readonly string[];
  /**
   * Path of the previous dump if no seal names it. Then nothing proves the metadata that the rdiff has from
   * it.
   */
  unsealed: readonly string[];
}

/** The disk that is read, with its state before that. */
interface Source {
  disk: ReadableDisk & Partial<ProvidedDisk>;
  watch: DiskWatch;
}

/**
 * Dumps a disk. The outputs get their names together, when all of them are complete.
 *
 * @throws {UsageError} if parts of the request contradict each other, or an output exists already
 * @throws {FormatError} if a VMDK or a previous file is damaged
 * @throws {MismatchError} if the previous files do not fit the disk, or the bitmap is wrong
 * @throws {Error} if the disk changes while it is read, or a file cannot be read or written
 *
 * @example
 * ```ts
 * import { dump } from "./dump.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * const disk = at("disk.raw");
 * Deno.writeFileSync(disk, new Uint8Array(4 * 512));
 * const monday = { dumpout: at("1.dump"), digestout: at("1.digest") };
 * await dump({ mode: "full", disk, blocksize: 512, ...monday });
 *
 * Deno.writeFileSync(disk, new Uint8Array(4 * 512).fill(1, 512, 1024)); // block 1 changes
 * const previous = { dumpin: monday.dumpout, digestin: monday.digestout };
 * const tuesday = { dumpout: at("2.dump"), digestout: at("2.digest"), rdiffout: at("1.rdiff") };
 * const { blocks, changedBlocks } = await dump({ mode: "diff", disk, ...previous, ...tuesday });
 * assertEquals({ blocks, changedBlocks }, { blocks: 4, changedBlocks: 1 });
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function dump(request: DumpRequest, options: JobOptions = {}): Promise<DumpResult> {
  const { disk: source } = request;
  return await Job.run(options, {
    inputs: [
      ...typeof source === "string" ? [source] : isProvider(source) ? source.inputs ?? [] : [],
      ...request.mode === "full" ? [] : [request.dumpin, request.digestin],
      ...request.mode === "full" || request.bmpin === undefined ? [] : [request.bmpin],
    ],
    outputs: [request.dumpout, request.digestout, ...request.mode === "full" ? [] : [request.rdiffout]],
    keepsPartial: request.mode === "full" && request.resume,
  }, async (job) => {
    // Finding out which blocks are allocated takes time, and a bitmap names fewer blocks than are allocated.
    const { disk, close } = await openSource(job, source, { ...request, mapped: request.mode !== "incr" });
    const watch = watchOver(disk, request);
    job.addInputs(disk.files);
    // A disk of a provider may have lock folders that the provider has made itself.
    if (typeof source === "string") { for (const line of usesOf(disk)) job.warn(line); }
    const warning = warningOfTimeZone(new Date());
    if (warning !== undefined) job.warn(warning);
    refuseOtherChangeId(disk, request);
    job.expectBytes(disk.capacityBytes);
    const result = request.mode === "full"
      ? await full(job, { disk, watch }, request)
      : await changed(job, { disk, watch }, request);
    job.commit();
    // The archives have their names before the provider ends: an error of the provider does not remove them.
    await close();
    return result;
  });
}

/** @throws {UsageError} if the request has another change id than the server */
function refuseOtherChangeId({ path, changeId }: Partial<ProvidedDisk>, { origin }: DumpRequest): void {
  const given = origin?.changeId;
  if (changeId === undefined || given === undefined || given === changeId) return;
  throw new UsageError(
    `Cannot use --changeid "${given}": the server calls the state of "${path}" "${changeId}"`,
  );
}

/**
 * Records the state of the disk before it is read. Only VMDKs have a content id, for which they are opened
 * again.
 */
function watchOver(
  disk: ReadableDisk & Partial<ProvidedDisk>,
  { disk: source, ...options }: DumpRequest,
): DiskWatch {
  const isVmdk = disk.cid !== undefined && typeof source === "string";
  return new DiskWatch(disk, {
    reopen: isVmdk ? () => openForReading(source, options) : undefined,
    changes: disk.changes === undefined ? undefined : () => disk.changes!(),
  });
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
    : await job.outputs.open(path, { resume: request.resume || undefined, journal: true });
  const digestOut = await job.outputs.sink(digestout, { level });
  const ready = await readyFor(job, { ...source, path, file }, request);
  const { header, journal, begun } = ready;
  const dumpOut = await job.outputs.sinkTo(path, file ?? Deno.stdout, { level, begun });
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
    disk: describe(disk),
    header,
    mode,
    changes,
    storedBytes: { dump: dumpOut.storedBytes, digest: digestOut.storedBytes },
    seals: sealing.paths,
    unsealed: [],
  };
}

/** Returns the header of the dump, and the part of the dump that an earlier job has made. */
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

/** Warns that the unfinished dump is kept if the job is stopped or fails. */
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
  const { dumpout, digestout, rdiffout, level } = request;
  const digestin = pathOf(request.digestin);
  const dumpIn = await DumpReader.open(core, await job.source(pathOf(request.dumpin)));
  const digestIn = await DigestReader.open(core, await job.source(digestin));
  const previous = dumpIn.header;
  const sealedBefore = [await job.seals.sealed(dumpIn), await job.seals.sealed(digestIn)];
  // The rdiff takes over the metadata of the previous dump, which digest and root do not cover.
  const provePrevious = [dumpIn, digestIn].map((reader, i) => {
    const sealed = sealedBefore[i];
    return sealed === undefined ? () => Promise.resolve() : job.proveWhileRead(reader, sealed);
  });
  if (sealedBefore.includes(undefined)) {
    refuseUnreadable(job);
    refuseUnsigned(job, dumpIn.path);
  }
  job.seals.warnOfSeals();
  const rootsBefore = await job.seals.rootsOf([dumpIn.path, digestIn.path], {
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
  const claimed = await changedBlocksOf(job, request, {
    disk,
    previous: { path: dumpIn.path, header: previous, sealed: sealedBefore[0] },
  });
  let changedBlocks = claimed !== undefined && "bitmap" in claimed ? claimed.bitmap : undefined;
  const dumpOut = await job.outputs.sink(dumpout, { level });
  const digestOut = await job.outputs.sink(digestout, { level });
  const rdiffOut = await job.outputs.sink(rdiffout, { level });
  const sealing = await Sealing.begin(job, header, sealedOutputs(request));
  assertFits({ disk, header, dumpIn, digestIn, changedBlocks });
  const mode: Seal["mode"] = { asked: request.mode, done: request.mode };
  let record: SealedAudit | undefined;
  if (claimed !== undefined && "reason" in claimed) {
    mode.done = "diff";
    mode.reason = claimed.reason;
  } else if (claimed !== undefined && changedBlocks !== undefined) {
    const claim = { changedBlocks, name: claimed.name, digestin, disk };
    record = await audit(job, claim, { percent: request.audit, seed: request.auditSeed });
    if (record.result === "differs") {
      if (request.onMismatch !== "diff") {
        // If the disk was written since the bitmap was made, that is the reason to report.
        await assertUnchanged(disk, watch);
        throw disbelief(claim, record);
      }
      mode.done = "diff";
      mode.reason =
        `${claimed.shortName} calls block ${record.firstDifferingBlock} unchanged, and it differs`;
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
  // The digest has proved every block of the previous dump, unless it was made of that dump when nothing
  // proved it.
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
    disk: describe(disk),
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

/** Returns the outputs that a seal records. */
function sealedOutputs(request: DumpRequest): SealedOutput[] {
  return [
    { role: "dump", path: request.dumpout },
    { role: "digest", path: request.digestout },
    ...(request.mode === "full" ? [] : [{ role: "rdiff", path: request.rdiffout } as const]),
  ];
}

function describe({ path, format, changeId }: Source["disk"]): DumpResult["disk"] {
  return { path, format, ...(changeId === undefined ? {} : { changeId }) };
}

function countsOf({ blocks, zeroBlocks }: DumpCounts): WrittenFile {
  return { dataRecords: blocks - zeroBlocks, zeroRecords: zeroBlocks, isProved: true };
}

/** Returns the properties that tell the disk apart from others, for the seal. */
function sourceOf(
  disk: ReadableDisk & Partial<ProvidedDisk>,
  { origin = {}, changes }: Pick<AnyDumpRequest, "origin"> & { changes: readonly string[] },
): Record<string, string> {
  const { server, vm, snapshot } = origin;
  const { changeId = origin.changeId } = disk;
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
