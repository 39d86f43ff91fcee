/** Reads a disk into batches. Holes are not read. */

import type { ReadableDisk } from "../disks/disk.ts";
import type { Batch } from "./batch.ts";

/** The part of the disk interface that this file uses. */
type DiskToRead = Pick<ReadableDisk, "path" | "capacityBytes" | "overlaps" | "extentAt" | "read">;

/**
 * Fills the blocks of `batch` from `start` to before `end`. Blocks that lie in a hole become ZERO and are not
 * read. The bytes of the last block after the capacity become zero. Returns the number of blocks that were
 * read.
 */
export async function readDisk(
  disk: DiskToRead,
  batch: Batch,
  { start, end }: { start: number; end: number },
): Promise<number> {
  const { blockBytes } = batch;
  let blocksRead = 0;
  const underWay: Promise<void>[] = [];
  try {
    for (let block = start; block < end;) {
      const offset = block * blockBytes;
      const extent = await disk.extentAt(offset);
      const endsDisk = extent.endBytes >= disk.capacityBytes;
      // A block is skipped if it lies in a hole as a whole. A block that touches data is read.
      const wholeBlocks = endsDisk ? end - block : Math.floor((extent.endBytes - offset) / blockBytes);
      if (extent.zero && wholeBlocks > 0) {
        const runEnd = Math.min(end, block + wholeBlocks);
        batch.table.fill(batch.core.ZERO, block - batch.first, runEnd - batch.first);
        block = runEnd;
        continue;
      }
      const touchedBlocks = Math.max(1, Math.ceil((extent.endBytes - offset) / blockBytes));
      const runEnd = Math.min(end, block + touchedBlocks);
      const run = readRun(disk, batch, { start: block, end: runEnd });
      if (disk.overlaps) underWay.push(run);
      else await run;
      blocksRead += runEnd - block;
      block = runEnd;
    }
  } finally {
    // The other reads must end too, even if one fails, because they write to the memory of the batch.
    await Promise.allSettled(underWay);
  }
  await Promise.all(underWay);
  return blocksRead;
}

async function readRun(
  disk: DiskToRead,
  batch: Batch,
  { start, end }: { start: number; end: number },
): Promise<void> {
  const offset = start * batch.blockBytes;
  const into = batch.slots(start, end);
  const lenBytes = Math.min(into.length, disk.capacityBytes - offset);
  await disk.read(into.subarray(0, lenBytes), offset);
  into.fill(0, lenBytes);
  for (let block = start; block < end; block++) batch.table[block - batch.first] = batch.slotPtr(block);
}
