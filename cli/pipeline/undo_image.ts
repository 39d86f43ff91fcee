/** Undoes a run that was changing an image, with the part of its rdiff that is on stable storage. */

import type { Core } from "../core.ts";
import type { WritableDisk } from "../disks/disk.ts";
import { FormatError, MismatchError } from "../errors.ts";
import type { DigestReader, DumpReader } from "./archive_reader.ts";
import { Batch } from "./batch.ts";
import { Checkpoint, crewOf, type RunOptions } from "./run.ts";

/** An image that was partly changed, and what returns it to the generation before. */
export interface ImageUndo {
  image: Pick<WritableDisk, "path" | "write" | "writeZeros" | "sync">;
  /** The rdiff, as far as it is intact. It may end inside a record. */
  rdiff: DumpReader;
  /** The digest of the generation to which the rdiff leads. */
  digestIn: DigestReader;
}

/**
 * Writes the blocks of the rdiff to the image. Each of them is proved by the digest before it is written. Zero
 * blocks become holes, so that undoing needs no free space.
 *
 * @returns the number of blocks that were written
 * @throws {MismatchError} if a block of the rdiff does not have its MD5
 */
export async function undoImage(
  owner: Core,
  { image, rdiff, digestIn }: ImageUndo,
  options: RunOptions = {},
): Promise<number> {
  await using core = owner.scope();
  const { blockCount, blockBytes, capacityBytes } = rdiff.header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const batch = new Batch(core, blockBytes);
  const recordedPtr = core.alloc(batch.capacity * core.DIGEST_SIZE);
  const differsPtr = core.alloc(batch.capacity);
  let blocks = 0;
  for (let first = 0, goesOn = true; goesOn && batch.start(first, blockCount); first = batch.end) {
    goesOn = await takeIntact(rdiff, batch);
    await digestIn.take(recordedPtr, batch.count);
    await batch.hash(crew);
    const { digestsPtr, count, tablePtr } = batch;
    if (core.diffDigests(digestsPtr, recordedPtr, count, differsPtr, tablePtr) > 0) {
      const block = first + core.bytes(differsPtr, count).indexOf(1);
      throw new MismatchError(
        `Cannot undo the last run on image "${image.path}": block ${block} of "${rdiff.path}" does not have the ` +
          `MD5 recorded in "${digestIn.path}"`,
        { block },
      );
    }
    for (let i = 0; i < count; i++) {
      if (batch.table[i] === core.ABSENT) continue;
      const offsetBytes = (first + i) * blockBytes;
      const lenBytes = Math.min(blockBytes, capacityBytes - offsetBytes);
      const slot = batch.slots(first + i, first + i + 1).subarray(0, lenBytes);
      if (batch.table[i] !== core.ZERO) await image.write(slot, offsetBytes);
      else if (image.writeZeros !== undefined) await image.writeZeros(offsetBytes, lenBytes);
      else await image.write(slot.fill(0), offsetBytes);
      blocks++;
    }
    await checkpoint.passBatch(batch, rdiff.header);
  }
  await image.sync();
  return blocks;
}

/** Reads the records of a batch. Returns false if the rdiff ends inside a record, after these. */
async function takeIntact(rdiff: DumpReader, batch: Batch): Promise<boolean> {
  try {
    await rdiff.take(batch);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
