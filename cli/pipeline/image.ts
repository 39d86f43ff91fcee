/**
 * Writes the newest generation of a disk to its image in a repository: the first one, or what changed since
 * the generation that the image holds.
 *
 * The image is changed in place. A block is overwritten when its old content is on stable storage in the
 * rdiff, so that the rdiff of a run that was killed undoes it (`undo_image.ts`).
 */

import type { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink, PassingHash } from "../archive/bytes.ts";
import type { DumpHeader } from "../archive/header.ts";
import type { Core } from "../core.ts";
import type { ReadableDisk, WritableDisk } from "../disks/disk.ts";
import { MismatchError } from "../errors.ts";
import type { DigestReader } from "./archive_reader.ts";
import { Batch, HALF_BATCH_BYTES } from "./batch.ts";
import { convey } from "./conveyor.ts";
import { readDisk } from "./disk_reader.ts";
import { DigestWriter } from "./digest_writer.ts";
import { beginningOfDisk, type ReadableImage } from "./disk_as_dump.ts";
import { DumpWriter } from "./dump_writer.ts";
import { Checkpoint, crewOf, ringOf, type RunOptions } from "./run.ts";
import { settleAll } from "../settle_all.ts";

/** The methods of an image that are used to write it. */
export type WritableImage = Pick<WritableDisk, "path" | "capacityBytes" | "write">;

/** The blocks of a new generation. */
export interface ImageCounts {
  /** Blocks of the disk. */
  blocks: number;
  /** Blocks whose bytes are all zero. */
  zeroBlocks: number;
  /** Blocks that were read from the disk: those of holes are not, nor those that are not in the list of changes. */
  blocksRead: number;
  /** Blocks that differ from the generation before; all data blocks of the first one. */
  changedBlocks: number;
  /** Changed blocks that were zero before. */
  changedFromZeroBlocks: number;
}

/** The inputs and outputs of the first generation. */
export interface NewImage {
  disk: ReadableDisk;
  header: DumpHeader;
  /** Reads as zeros. */
  image: WritableImage;
  digestOut: ByteSink;
  /** Is updated with the MD5s of all blocks. */
  root?: PassingHash;
}

/** Writes a disk to an image that is all zeros, and its digest. Zero blocks are not written. */
export async function fillImage(
  owner: Core,
  { disk, header, image, digestOut, root }: NewImage,
  options: RunOptions = {},
): Promise<ImageCounts> {
  await using core = owner.scope();
  const { blockCount, blockBytes, capacityBytes } = header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const digest = new DigestWriter(core, digestOut, header, { root });
  const result = { blocks: blockCount, zeroBlocks: 0, blocksRead: 0 };
  const ring = ringOf(crew, Batch.bytesFor(blockBytes), () => new Batch(core, blockBytes));
  let first = 0;
  const next = (batch: Batch) => {
    if (!batch.start(first, blockCount)) return false;
    first = batch.end;
    return true;
  };
  const read = async (batch: Batch) => {
    const blocksRead = await readDisk(disk, batch, { start: batch.first, end: batch.end });
    result.blocksRead += blocksRead;
  };
  const write = async (batch: Batch) => {
    result.zeroBlocks += batch.countZeros();
    await writeRuns(image, batch, { capacityBytes, isWritten: (i) => batch.table[i] > core.ABSENT });
    await digest.write(batch);
  };
  await convey(ring, next, [
    { together: disk.overlaps, each: read },
    { together: true, each: (batch) => batch.hash(crew) },
    { each: write },
    { each: (batch) => checkpoint.passBatch(batch, header) },
  ]);
  await digest.finish();
  return { ...result, changedBlocks: blockCount - result.zeroBlocks, changedFromZeroBlocks: 0 };
}

/** The inputs and outputs of a further generation. */
export interface ImageChange {
  disk: ReadableDisk;
  /** The new generation. */
  header: DumpHeader;
  /** The generation that the image holds, and its digest. */
  previous: DumpHeader;
  digestIn: DigestReader;
  image: ReadableImage & WritableImage;
  /** The blocks that may have changed. Without it, every block may have. */
  changedBlocks?: Bitmap;
  digestOut: ByteSink;
  /** The rdiff from the new generation to the one before. */
  rdiffOut: ByteSink;
  /** Returns when all that was written to the rdiff is on stable storage. */
  syncRdiff: () => void;
  /** Gets the bits of the blocks that became zero. They are written as zeros, so that undoing needs no free space. */
  emptied: Bitmap;
  /** Is updated with the MD5s of all blocks. */
  root?: PassingHash;
}

/** MD5s of unchanged blocks that are copied at a time from one digest to the other. */
const GAP_BLOCKS = 16 * 1024;

/** The core memory for the pairs of batches, as for a differential dump. */
const PAIRS_BYTES = 48 * 1024 * 1024;

/**
 * Writes the blocks of a disk that changed to the image, what they replace to the rdiff, and the new digest.
 * Contents are compared, not their MD5s. Every block of the image that is read is proved by the old digest.
 *
 * @throws {MismatchError} if a block of the image does not have its MD5; it was not overwritten
 */
export async function changeImage(
  owner: Core,
  change: ImageChange,
  options: RunOptions = {},
): Promise<ImageCounts> {
  await using core = owner.scope();
  const { disk, header, previous, digestIn, image, changedBlocks, emptied } = change;
  const { blockCount, blockBytes, capacityBytes } = header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const rdiff = new DumpWriter(core, change.rdiffOut, { ...previous, full: false });
  const digest = new DigestWriter(core, change.digestOut, header, change);
  const held = beginningOfDisk(image, capacityBytes);
  const result = { blocks: blockCount, blocksRead: 0, changedBlocks: 0 };
  const pairBytes = 2 * Batch.bytesFor(blockBytes, HALF_BATCH_BYTES);
  const ring = ringOf(crew, pairBytes, () => new Stretch(core, blockBytes), { ringBytes: PAIRS_BYTES });
  let reached = 0;
  const next = async (stretch: Stretch) => {
    if (reached === blockCount) return false;
    const start = changedBlocks?.next(reached, blockCount, true) ?? reached;
    const count = Math.min(start - reached, GAP_BLOCKS);
    stretch.gap = { first: reached, count, digestsPtr: stretch.gapPtr };
    await digestIn.take(stretch.gapPtr, count);
    reached += count;
    stretch.begin(reached, reached < start ? reached : blockCount);
    await digestIn.take(stretch.recordedPtr, stretch.older.count);
    reached += stretch.older.count;
    return true;
  };
  const read = async (stretch: Stretch) => {
    const { older, newer } = stretch;
    for (const run of selectedRuns(newer, changedBlocks)) {
      const readNewer = async () => {
        const blocksRead = await readDisk(disk, newer, run);
        result.blocksRead += blocksRead;
      };
      await settleAll([readDisk(held, older, run), readNewer()]);
    }
  };
  const verifyAndCompare = async (stretch: Stretch) => {
    const { older, newer, recordedPtr, changedPtr, changed } = stretch;
    if (older.count === 0) return;
    await older.hash(crew);
    if (core.diffDigests(older.digestsPtr, recordedPtr, older.count, changedPtr, older.tablePtr) > 0) {
      throw differsFromDigest(change, older.first + changed.indexOf(1));
    }
    stretch.changedBlocks = await crew.run({
      kind: "compare",
      older: older.run,
      newer: newer.run,
      changedPtr,
      olderDigestsPtr: recordedPtr,
      newerDigestsPtr: newer.digestsPtr,
    });
  };
  const write = async (stretch: Stretch) => {
    const { older, newer, changedPtr, changed, gap } = stretch;
    await digest.writeDigests(gap);
    if (stretch.changedBlocks > 0) {
      await rdiff.write(older, { selectPtr: changedPtr });
      await rdiff.flush();
      change.syncRdiff();
      for (let i = 0; i < newer.count; i++) {
        if (changed[i] === 0 || newer.table[i] !== core.ZERO) continue;
        emptied.set(newer.first + i);
        newer.slots(newer.first + i, newer.first + i + 1).fill(0);
      }
      await writeRuns(image, newer, { capacityBytes, isWritten: (i) => changed[i] !== 0 });
      result.changedBlocks += stretch.changedBlocks;
    }
    const { first, count, digestsPtr } = newer;
    await digest.writeDigests({ first, count, digestsPtr });
  };
  await convey(ring, next, [
    { together: disk.overlaps, each: read },
    { together: true, each: verifyAndCompare },
    { each: write },
    { each: (stretch) => checkpoint.passBatch(stretch.newer, header) },
  ]);
  await digestIn.finish();
  await digest.finish();
  await rdiff.finish();
  change.syncRdiff();
  return { ...result, zeroBlocks: digest.zeroRecords, changedFromZeroBlocks: rdiff.zeroRecords };
}

/** A gap of blocks that did not change, followed by a batch of blocks that may have changed. */
class Stretch {
  readonly older: Batch;
  readonly newer: Batch;
  /** The address of the MD5s that the old digest has for the blocks of the batch. */
  readonly recordedPtr: number;
  /** The address of the MD5s of the gap. */
  readonly gapPtr: number;
  gap = { first: 0, count: 0, digestsPtr: 0 };
  /** The address of one byte for each block of the batch: 1 if it changed. */
  readonly changedPtr: number;
  readonly changed: Uint8Array;
  changedBlocks = 0;

  constructor(core: Core, blockBytes: number) {
    this.older = new Batch(core, blockBytes, HALF_BATCH_BYTES);
    this.newer = new Batch(core, blockBytes, HALF_BATCH_BYTES);
    this.recordedPtr = core.alloc(this.older.capacity * core.DIGEST_SIZE);
    this.gapPtr = core.alloc(GAP_BLOCKS * core.DIGEST_SIZE);
    this.changedPtr = core.alloc(this.older.capacity);
    this.changed = core.bytes(this.changedPtr, this.older.capacity);
  }

  /** Begins the batch at block `first`. */
  begin(first: number, end: number): void {
    this.older.start(first, end);
    this.newer.start(first, end);
    this.changedBlocks = 0;
  }
}

/** Returns the runs of blocks of a batch that may have changed. */
function* selectedRuns(
  { first, end }: Batch,
  changedBlocks: Bitmap | undefined,
): Generator<{ start: number; end: number }> {
  if (changedBlocks === undefined) {
    if (first < end) yield { start: first, end };
    return;
  }
  for (let block = first; block < end;) {
    const start = changedBlocks.next(block, end, true);
    block = changedBlocks.next(start, end, false);
    if (start < end) yield { start, end: block };
  }
}

/** Writes the blocks of a batch for which `isWritten` returns true, in runs as long as possible. */
async function writeRuns(
  image: WritableImage,
  batch: Batch,
  { capacityBytes, isWritten }: { capacityBytes: number; isWritten: (i: number) => boolean },
): Promise<void> {
  const { first, count, blockBytes } = batch;
  for (let i = 0; i < count;) {
    let end = i + 1;
    while (end < count && isWritten(end) === isWritten(i)) end++;
    if (isWritten(i)) {
      const offsetBytes = (first + i) * blockBytes;
      const lenBytes = Math.min((end - i) * blockBytes, capacityBytes - offsetBytes);
      await image.write(batch.slots(first + i, first + end).subarray(0, lenBytes), offsetBytes);
    }
    i = end;
  }
}

function differsFromDigest({ image, digestIn }: ImageChange, block: number): MismatchError {
  return new MismatchError(
    `Cannot change image "${image.path}": block ${block} does not have the MD5 recorded in "${digestIn.path}"; ` +
      `the image was damaged, or something else has written to it: run check to see which generations are whole, ` +
      `and make a new machine, or restore the block from a copy`,
    { block },
  );
}
