/**
 * Compares a sample of the blocks of a disk with a digest. Two callers need it: an incremental dump, before
 * it begins, samples the blocks that the bitmap calls unchanged, so that another mode can still be chosen;
 * and a dump that is resumed samples the blocks that the interrupted run has written.
 */

import type { Bitmap } from "../archive/bitmap.ts";
import type { Core } from "../core.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import type { DigestReader } from "./archive_reader.ts";
import { Batch, batchBytesOf, ringBytesOf } from "./batch.ts";
import { convey } from "./conveyor.ts";
import { readDisk } from "./disk_reader.ts";
import type { JournalDigests } from "./partial.ts";
import { Checkpoint, crewOf, ringOf, type RunOptions } from "./run.ts";

/**
 * The two sides of the comparison. The disk and the digest have blocks of the same size, and `sample` has one
 * bit for each block.
 */
export interface Audit {
  disk: ReadableDisk;
  /** The expected MD5s. They are read to the end. */
  digestIn: Pick<DigestReader | JournalDigests, "header" | "take" | "finish">;
  /** A set bit selects a block. */
  sample: Bitmap;
}

/** The outcome of an audit. */
export interface AuditResult {
  sampledBlocks: number;
  /** The number of sampled blocks whose MD5 is not the one of the digest. */
  differingBlocks: number;
  /** The first of these blocks; absent if there is none. */
  firstDifferingBlock?: number;
}

/**
 * Reads the blocks of the sample from the disk and compares their MD5s with the digest.
 *
 * @throws {FormatError} if the digest is damaged or incomplete
 */
export async function auditSample(
  owner: Core,
  { disk, digestIn, sample }: Audit,
  options: RunOptions = {},
): Promise<AuditResult> {
  await using core = owner.scope();
  const { blockCount, blockBytes } = digestIn.header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const result: AuditResult = { sampledBlocks: 0, differingBlocks: 0 };
  const mostBytes = batchBytesOf(disk);
  const ring = ringOf(
    crew,
    Batch.bytesFor(blockBytes, mostBytes),
    () => new SampledBatch(core, blockBytes, mostBytes),
    { ringBytes: ringBytesOf(disk) },
  );
  /** The number of blocks whose digests were read. */
  let reached = 0;
  const passTo = async (block: number, { scratchPtr, capacity }: SampledBatch) => {
    while (reached < block) {
      const count = Math.min(capacity, block - reached);
      await digestIn.take(scratchPtr, count);
      reached += count;
      // A journal, or a digest that is in memory, is read without waiting for anything, so this loop lets the
      // event loop run.
      await checkpoint.passBatch({ end: reached }, digestIn.header);
    }
  };
  const next = async (gathered: SampledBatch) => {
    gathered.clear();
    while (gathered.room > 0) {
      const start = sample.next(reached, blockCount, true);
      await passTo(start, gathered);
      if (start === blockCount) break;
      const end = Math.min(sample.next(start, blockCount, false), start + gathered.room);
      await digestIn.take(gathered.add({ start, end }), end - start);
      reached = end;
    }
    return gathered.count > 0;
  };
  const compare = async (gathered: SampledBatch) => {
    const { batch, recordedPtr, differsPtr } = gathered;
    await batch.hash(crew);
    gathered.differing = core.diffDigests(batch.digestsPtr, recordedPtr, batch.count, differsPtr);
  };
  const count = ({ count, differing, firstDiffering }: SampledBatch) => {
    result.sampledBlocks += count;
    if (differing === 0) return;
    result.differingBlocks += differing;
    result.firstDifferingBlock ??= firstDiffering;
  };
  await convey(ring, next, [
    { together: disk.overlaps, each: (gathered) => gathered.read(disk) },
    { together: true, each: compare },
    { each: count },
    { each: ({ end }) => checkpoint.passBatch({ end }, digestIn.header) },
  ]);
  await digestIn.finish();
  return result;
}

/**
 * Blocks of the sample, which lie apart on the disk, placed next to each other in one batch, so that the core
 * hashes as many at a time as it can.
 */
class SampledBatch {
  readonly batch: Batch;
  /** The address of the digests of these blocks. */
  readonly recordedPtr: number;
  /** The address of memory for digests of blocks that are not in the sample. */
  readonly scratchPtr: number;
  /** The address of one byte for each block: 1 if its MD5 is not the one of the digest. */
  readonly differsPtr: number;
  differing = 0;
  #runs: { start: number; end: number }[] = [];
  readonly #core: Core;

  constructor(core: Core, blockBytes: number, mostBytes: number) {
    this.#core = core;
    this.batch = new Batch(core, blockBytes, mostBytes);
    this.recordedPtr = core.alloc(this.capacity * core.DIGEST_SIZE);
    this.scratchPtr = core.alloc(this.capacity * core.DIGEST_SIZE);
    this.differsPtr = core.alloc(this.capacity);
  }

  get capacity(): number {
    return this.batch.capacity;
  }

  get count(): number {
    return this.batch.count;
  }

  /** The number of blocks that still fit. */
  get room(): number {
    return this.capacity - this.count;
  }

  /** The first block of the disk after the blocks of the batch. */
  get end(): number {
    return this.#runs.at(-1)!.end;
  }

  clear(): void {
    this.#runs = [];
    this.batch.start(0, this.capacity);
    this.batch.count = 0;
  }

  /** Adds a run of blocks of the disk. Returns the address for their digests. */
  add(run: { start: number; end: number }): number {
    const digestsPtr = this.recordedPtr + this.count * this.#core.DIGEST_SIZE;
    this.#runs.push(run);
    this.batch.count += run.end - run.start;
    return digestsPtr;
  }

  async read(disk: ReadableDisk): Promise<void> {
    let place = 0;
    for (const { start, end } of this.#runs) {
      // The batch computes the slot of a block from its first block. This value makes block `start` use the
      // slot at `place`.
      this.batch.first = start - place;
      await readDisk(disk, this.batch, { start, end });
      place += end - start;
    }
  }

  /** The first block of the disk that differs. */
  get firstDiffering(): number {
    let place = this.#core.bytes(this.differsPtr, this.count).indexOf(1);
    for (const { start, end } of this.#runs) {
      if (place < end - start) return start + place;
      place -= end - start;
    }
    throw new RangeError("No block differs");
  }
}
