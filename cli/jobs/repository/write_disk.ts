/** Writes the new generation of one disk: its image or the changes to it, its rdiff and its digest. */

import { join } from "@std/path/posix/join";
import { Bitmap } from "../../archive/bitmap.ts";
import { type DumpHeader, formatSeriesId } from "../../archive/header.ts";
import type { SealedAudit } from "../../archive/seal.ts";
import {
  formatTimeStamp,
  laterStamp,
  parseTimeStamp,
  type TimeStamp,
  timeStampOf,
} from "../../archive/time_stamp.ts";
import type { ReadableDisk } from "../../disks/disk.ts";
import { MismatchError } from "../../errors.ts";
import { createFile } from "../../files/stable_files.ts";
import { onFile } from "../../files/system_errors.ts";
import { DigestReader } from "../../pipeline/archive_reader.ts";
import { changeImage, fillImage, type ImageCounts } from "../../pipeline/image.ts";
import { walkDigest } from "../../pipeline/walk.ts";
import type { GenerationDisk, GenerationFile } from "../../repository/documents.ts";
import { filesOfDisk } from "../../repository/names.ts";
import { audit } from "../audit.ts";
import { type DiskWatch, readUnchanged } from "../disk_watch.ts";
import type { Job } from "../job.ts";
import type { KnownChanges } from "./changes.ts";
import { digestPath, extentPath, headerOf, type MachineState, parseSeriesId } from "./generations.ts";
import { createImageAt, openImageAt } from "./image.ts";
import type { DiskPlan } from "./plan.ts";

const SERIES_ID_BYTES = 16;

/** A disk, and how it is backed up. */
export interface DiskWork {
  key: string;
  disk: ReadableDisk;
  watch: DiskWatch;
  plan: DiskPlan;
  /** The disk in the newest generation. */
  previous?: GenerationDisk;
  /** The blocks that may have changed, and the path of their list. */
  changes?: KnownChanges;
  /** What the generation keeps of the one that it is a copy of. */
  origin?: DiskOrigin;
}

/** A disk in another repository, or in archives, that is copied. */
export interface DiskOrigin extends Pick<GenerationDisk, "blockBytes" | "series" | "stamp" | "source"> {
  /** The root that the copy must have, if it is known. */
  root?: string;
}

/** Where and how a generation is written. */
export interface GenerationWriting {
  state: MachineState;
  /** The folder of the generation until it is committed. */
  folder: string;
  now: Date;
  blockBytes: number;
  /** Percentage of the blocks called unchanged that is read and compared; by default a small sample. */
  audit?: number;
  allowChanges?: boolean;
}

/** The new generation of one disk. */
export interface DiskReport {
  /** The disk in the seal of the generation. */
  disk: GenerationDisk;
  /** Blocks that were read from the disk. */
  blocksRead: number;
  /** The result of the sample of the blocks that a list calls unchanged. Absent without a list. */
  audit?: SealedAudit;
  /** Sentences about changes of the disk while it was read; none unless they are accepted. */
  changes: readonly string[];
}

/** The new generation of one disk, and what is left to do when it is committed. */
export interface WrittenDisk extends DiskReport {
  /** Blocks of the image that became zero and are written as zeros, not as holes. */
  emptied?: Bitmap;
}

/** Writes the new generation of a disk. All its files are on stable storage when it returns. */
export async function writeDisk(job: Job, work: DiskWork, writing: GenerationWriting): Promise<WrittenDisk> {
  // Everything is closed before a run that failed is undone.
  await using scope = new AsyncDisposableStack();
  const outputs = new DiskOutputs(job, scope, writing.folder);
  const { previous, plan } = work;
  const written = previous === undefined || plan.mode === "full"
    ? await writeFull(job, work, { ...writing, scope, outputs })
    : await writeChanged(job, { ...work, previous }, { ...writing, scope, outputs });
  return written;
}

type Writing = GenerationWriting & { scope: AsyncDisposableStack; outputs: DiskOutputs };

async function writeFull(job: Job, work: DiskWork, writing: Writing): Promise<WrittenDisk> {
  const { key, disk, plan } = work;
  const { folder, scope, outputs, now } = writing;
  const { origin } = work;
  const blockBytes = origin?.blockBytes ?? writing.blockBytes;
  const { capacityBytes, adapterType, metadata } = disk;
  const header: DumpHeader = {
    ...{ blockBytes, capacityBytes, adapterType, metadata },
    blockCount: Math.ceil(capacityBytes / blockBytes),
    seriesId: origin === undefined
      ? crypto.getRandomValues(new Uint8Array(SERIES_ID_BYTES))
      : parseSeriesId(origin.series),
    time: stampOf(work, now),
    full: true,
  };
  const image = scope.use(createImageAt(join(folder, filesOfDisk(key).extent), capacityBytes));
  const digest = await outputs.open(filesOfDisk(key).digest);
  const root = job.root();
  await job.expectDisk(disk);
  const { result, changes } = await readUnchanged(disk, work.watch, {
    work: () => fillImage(job.core, { disk, header, image, digestOut: digest.sink, root }, job.run),
    allowChanges: writing.allowChanges,
    warn: (line) => job.warn(line),
  });
  image.sync();
  const digestFile = await digest.complete(digestRecords(result));
  const sealed = sealOf(work, {
    header,
    plan,
    counts: result,
    root: await root.hex(),
    digest: digestFile,
    changes,
  });
  return { disk: sealed, blocksRead: result.blocksRead, changes };
}

async function writeChanged(
  job: Job,
  work: DiskWork & { previous: GenerationDisk },
  writing: Writing,
): Promise<WrittenDisk> {
  const { key, disk, previous } = work;
  const { state, scope, outputs, now } = writing;
  const [{ id: parent }] = state.generations;
  const before = headerOf(previous);
  const header: DumpHeader = {
    ...before,
    adapterType: disk.adapterType,
    metadata: disk.metadata,
    time: laterStamp(stampOf(work, now), before.time),
  };
  const digestIn = digestPath(state, parent, key);
  await proveDigest(job, digestIn, previous);
  const { plan, record, changedBlocks } = await decide(job, work, { digestIn, percent: writing.audit });
  const files = scope.use(job.reading({ files: 3 }));
  const path = extentPath(state, parent, key);
  const image = scope.use(openImageAt(path, previous, { write: true }));
  scope.use(job.lock([path], { write: true }));
  const digest = await outputs.open(filesOfDisk(key).digest);
  const rdiff = await outputs.open(filesOfDisk(key).rdiff);
  const root = job.root();
  const emptied = new Bitmap(header.blockCount, job.run.pages);
  await job.expectDisk(disk, {
    changed: changedBlocks && { blocks: changedBlocks, blockBytes: header.blockBytes },
  });
  const { result, changes } = await readUnchanged(disk, work.watch, {
    work: async () =>
      await changeImage(files.core, {
        ...{ disk, header, previous: before, image, changedBlocks, emptied, root },
        digestIn: await DigestReader.open(files.core, await files.source(digestIn)),
        digestOut: digest.sink,
        rdiffOut: rdiff.sink,
        syncRdiff: () => rdiff.sync(),
      }, job.run),
    allowChanges: writing.allowChanges,
    warn: (line) => job.warn(line),
  });
  image.sync();
  const zeroRecords = result.changedFromZeroBlocks;
  const sealed = sealOf(work, {
    ...{ header, plan, counts: result, changes },
    root: await root.hex(),
    digest: await digest.complete(digestRecords(result)),
    rdiff: await rdiff.complete({ dataRecords: result.changedBlocks - zeroRecords, zeroRecords }),
  });
  return { disk: sealed, blocksRead: result.blocksRead, audit: record, changes, emptied };
}

function stampOf({ origin }: DiskWork, now: Date): TimeStamp {
  return origin === undefined ? timeStampOf(now) : parseTimeStamp(origin.stamp);
}

/** Audits the list of changes. If it is wrong, all of the disk is read. */
async function decide(
  job: Job,
  { disk, plan, changes }: DiskWork,
  { digestIn, percent }: { digestIn: string; percent?: number },
): Promise<{ plan: DiskPlan; record?: SealedAudit; changedBlocks?: Bitmap }> {
  if (changes === undefined || plan.mode !== "incr") return { plan };
  const claim = { changedBlocks: changes.blocks, name: `list "${changes.path}"`, digestin: digestIn, disk };
  const record = await audit(job, claim, { percent });
  if (record.result !== "differs") return { plan, record, changedBlocks: changes.blocks };
  const reason = `"${changes.path}" calls block ${record.firstDifferingBlock} unchanged, and it differs`;
  job.warn(
    `the list of changes is wrong: ${reason}; all of disk "${disk.path}" is read, and earlier backups with such ` +
      `lists may have missed changes, which this one contains`,
  );
  return { plan: { mode: "diff", reason }, record };
}

/** @throws {MismatchError} if a digest is not the one of the seal */
async function proveDigest(job: Job, path: string, disk: GenerationDisk): Promise<void> {
  await using files = job.reading();
  const root = job.root();
  const digest = await DigestReader.open(files.core, await files.source(path));
  await walkDigest(files.core, { digest, root }, job.run);
  if (await root.hex() === disk.root) return;
  throw new MismatchError(
    `Cannot use digest "${path}": it does not have the root that generation.json beside it records; run check to ` +
      `see which generations are whole`,
  );
}

function digestRecords(
  { blocks, zeroBlocks }: ImageCounts,
): Pick<GenerationFile, "dataRecords" | "zeroRecords"> {
  return { dataRecords: blocks - zeroBlocks, zeroRecords: zeroBlocks };
}

function sealOf(
  { key, disk, origin }: DiskWork,
  { header, plan, counts, root, digest, rdiff, changes }: {
    header: DumpHeader;
    plan: DiskPlan;
    counts: ImageCounts;
    root: string;
    digest: GenerationFile;
    rdiff?: GenerationFile;
    changes: readonly string[];
  },
): GenerationDisk {
  const { capacityBytes, blockBytes, blockCount, adapterType, metadata, seriesId, time } = header;
  const uuid = metadata.get("uuid");
  return {
    ...{ key, capacityBytes, blockBytes, blockCount, adapterType },
    metadata: Object.fromEntries(metadata),
    series: formatSeriesId(seriesId),
    stamp: formatTimeStamp(time),
    root,
    ...plan,
    changedBlocks: counts.changedBlocks,
    zeroBlocks: counts.zeroBlocks,
    source: origin?.source ?? {
      disk: disk.path,
      format: disk.format,
      ...(disk.cid === undefined ? {} : { cid: disk.cid.toString(16).padStart(8, "0") }),
      ...(uuid === undefined ? {} : { uuid }),
      ...(changes.length === 0 ? {} : { changed: changes.join(", ").slice(0, 2048) }),
    },
    digest,
    ...(rdiff === undefined ? {} : { rdiff }),
  };
}

/** Opens the archives of a generation in its folder. */
class DiskOutputs {
  readonly #job: Job;
  readonly #scope: AsyncDisposableStack;
  readonly #folder: string;

  constructor(job: Job, scope: AsyncDisposableStack, folder: string) {
    this.#job = job;
    this.#scope = scope;
    this.#folder = folder;
  }

  /** Makes an archive. `complete` returns when it is on stable storage. */
  async open(name: string) {
    const path = join(this.#folder, name);
    const file = this.#scope.use(createFile(path));
    const sink = await this.#job.outputs.sinkTo(path, file, {});
    const sync = () => onFile("sync", path, () => file.syncDataSync());
    const complete = async (
      records: Pick<GenerationFile, "dataRecords" | "zeroRecords">,
    ): Promise<GenerationFile> => {
      onFile("sync", path, () => file.syncSync());
      return { ...(await this.#job.outputs.stored(path))!, ...records };
    };
    return { sink, sync, complete };
  }
}
