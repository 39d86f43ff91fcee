/**
 * A sample of a disk against a digest: of the blocks that a bitmap calls unchanged, before the dump, so that its mode can
 * still be chosen; of those that an interrupted dump has, before it is gone on with.
 */

import type { Bitmap } from "../archive/bitmap.ts";
import type { Core } from "../core.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import type { DigestReader } from "./archive_reader.ts";
import { Batch, HALF_BATCH_BYTES } from "./batch.ts";
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
  core: Core,
  { disk, digestIn, sample }: Audit,
  options: RunOptions = {},
): Promise<AuditResult> {
  const { blockCount, blockBytes } = digestIn.header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const result: AuditResult = { sampledBlocks: 0, differingBlocks: 0 };
  const ring = ringOf(
    crew,
    Batch.bytesFor(blockBytes, HALF_BATCH_BYTES),
    () => new AuditedBatch(core, blockBytes),
  );
  let first = 0;
  const next = async ({ batch, recordedPtr }: AuditedBatch) => {
    do {
      if (!batch.start(first, blockCount)) return false;
      first = batch.end;
      await digestIn.take(recordedPtr, batch.count);
    } while (sample.next(batch.first, first, true) === first);
    return true;
  };
  const read = async ({ batch }: AuditedBatch) => {
    for (let start = batch.first, end: number;; start = end) {
      start = sample.next(start, batch.end, true);
      if (start === batch.end) return;
      end = sample.next(start, batch.end, false);
      await readDisk(disk, batch, { start, end });
    }
  };
  const compare = async (item: AuditedBatch) => {
    const { batch, recordedPtr, differsPtr } = item;
    await batch.hash(crew);
    item.differing = core.diffDigests(
      batch.digestsPtr,
      recordedPtr,
      batch.count,
      differsPtr,
      batch.tablePtr,
    );
  };
  const count = ({ batch, differing, differs }: AuditedBatch) => {
    for (let i = 0; i < batch.count; i++) if (batch.table[i] !== core.ABSENT) result.sampledBlocks++;
    if (differing === 0) return;
    result.differingBlocks += differing;
    result.firstDifferingBlock ??= batch.first + differs.subarray(0, batch.count).indexOf(1);
  };
  await convey(ring, next, [
    { together: disk.overlaps, each: read },
    { together: true, each: compare },
    { each: count },
    { each: ({ batch }) => checkpoint.passBatch(batch, digestIn.header) },
  ]);
  await digestIn.finish();
  return result;
}

/** A batch of which only the blocks of the sample are there, and what the digest has for it. */
class AuditedBatch {
  readonly batch: Batch;
  readonly recordedPtr: number;
  /** One byte a block: 1 where it is not what the digest says. */
  readonly differsPtr: number;
  readonly differs: Uint8Array;
  differing = 0;

  constructor(core: Core, blockBytes: number) {
    this.batch = new Batch(core, blockBytes, HALF_BATCH_BYTES);
    this.recordedPtr = core.alloc(this.batch.capacity * core.DIGEST_SIZE);
    this.differsPtr = core.alloc(this.batch.capacity);
    this.differs = core.bytes(this.differsPtr, this.batch.capacity);
  }
}
