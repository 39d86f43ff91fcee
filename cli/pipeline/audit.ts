/**
 * A sample of a disk against a digest: of the blocks that a bitmap calls unchanged, before the dump, so that its mode can
 * still be chosen; of those that an interrupted dump has, before it is gone on with.
 */

import type { Bitmap } from "../archive/bitmap.ts";
import type { Core } from "../core.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import type { DigestReader } from "./archive_reader.ts";
import { Batch } from "./batch.ts";
import { convey } from "./conveyor.ts";
import { readDisk } from "./disk_reader.ts";
import type { JournalDigests } from "./partial.ts";
import { Checkpoint, crewOf, ringOf, type RunOptions } from "./run.ts";

/** What is compared. Disk and digest have blocks of the same size, as many as `sample` has bits. */
export interface Audit {
  disk: ReadableDisk;
  /** What the blocks were; read to its end. */
  digestIn: Pick<DigestReader | JournalDigests, "header" | "take" | "finish">;
  /** The blocks to look at. */
  sample: Bitmap;
}

/** What the sample showed. */
export interface AuditResult {
  sampledBlocks: number;
  /** Blocks that are not what the digest says. */
  differingBlocks: number;
  /** The first of them. */
  firstDifferingBlock?: number;
}

/**
 * Reads the blocks of the sample and compares their MD5 with the digest.
 *
 * @throws {FormatError} if the digest is damaged or not whole
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
  const ring = ringOf(crew, Batch.bytesFor(blockBytes), () => new SampledBatch(core, blockBytes));
  /** The digest was read up to this block. */
  let reached = 0;
  const passTo = async (block: number, { scratchPtr, capacity }: SampledBatch) => {
    while (reached < block) {
      const count = Math.min(capacity, block - reached);
      await digestIn.take(scratchPtr, count);
      reached += count;
      // Of a journal, or a digest that is in memory already, nothing is waited for.
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

/** Blocks of the sample, which lie apart on the disk, side by side: as many as it takes to keep the core at work. */
class SampledBatch {
  readonly batch: Batch;
  /** What the digest has for them. */
  readonly recordedPtr: number;
  /** Room for digests of other blocks. */
  readonly scratchPtr: number;
  /** One byte a block: 1 where it is not what the digest says. */
  readonly differsPtr: number;
  differing = 0;
  #runs: { start: number; end: number }[] = [];
  readonly #core: Core;

  constructor(core: Core, blockBytes: number) {
    this.#core = core;
    this.batch = new Batch(core, blockBytes);
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

  /** How many more blocks fit. */
  get room(): number {
    return this.capacity - this.count;
  }

  /** First block of the disk behind those that were gathered. */
  get end(): number {
    return this.#runs.at(-1)!.end;
  }

  clear(): void {
    this.#runs = [];
    this.batch.start(0, this.capacity);
    this.batch.count = 0;
  }

  /** Takes in a run of the disk; returns where its digests belong. */
  add(run: { start: number; end: number }): number {
    const digestsPtr = this.recordedPtr + this.count * this.#core.DIGEST_SIZE;
    this.#runs.push(run);
    this.batch.count += run.end - run.start;
    return digestsPtr;
  }

  async read(disk: ReadableDisk): Promise<void> {
    let place = 0;
    for (const { start, end } of this.#runs) {
      // Block `start` has the slot of `place`, whatever run it would be for the batch.
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
