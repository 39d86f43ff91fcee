/** Disk against digest: whether a disk holds what was backed up. */

import type { Core } from "../core.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { MismatchError } from "../errors.ts";
import type { DigestReader } from "./archive_reader.ts";
import { Batch } from "./batch.ts";
import { convey } from "./conveyor.ts";
import { readDisk } from "./disk_reader.ts";
import { Checkpoint, crewOf, ringOf, type RunOptions } from "./run.ts";

/** What is compared: the first `capacityBytes` bytes of a disk, which may be larger. */
export interface Verification {
  disk: ReadableDisk;
  digest: DigestReader;
  capacityBytes: number;
}

/**
 * Reads a disk and compares each block with its digest. Returns how many blocks there are.
 *
 * @throws {MismatchError} at the first block that differs
 */
export async function verifyDisk(
  core: Core,
  { disk, digest, capacityBytes }: Verification,
  options: RunOptions = {},
): Promise<number> {
  const { header } = digest;
  const { blockCount, blockBytes } = header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const ring = ringOf(crew, Batch.bytesFor(blockBytes), () => new VerifiedBatch(core, blockBytes));
  const cut: Parameters<typeof readDisk>[0] = {
    path: disk.path,
    capacityBytes,
    overlaps: disk.overlaps,
    read: (into, offsetBytes) => disk.read(into, offsetBytes),
    extentAt: async (offsetBytes) => {
      const { endBytes, zero } = await disk.extentAt(offsetBytes);
      return { endBytes: Math.min(endBytes, capacityBytes), zero };
    },
  };
  let first = 0;
  const next = async ({ batch, recordedPtr }: VerifiedBatch) => {
    if (!batch.start(first, blockCount)) return false;
    first = batch.end;
    await digest.take(recordedPtr, batch.count);
    return true;
  };
  const read = ({ batch }: VerifiedBatch) => readDisk(cut, batch, { start: batch.first, end: batch.end });
  const compare = async ({ batch, recordedPtr, badPtr, bad }: VerifiedBatch) => {
    await batch.hash(crew);
    if (core.diffDigests(batch.digestsPtr, recordedPtr, batch.count, badPtr) === 0) return;
    const block = batch.first + bad.indexOf(1);
    throw new MismatchError(
      `Cannot trust disk "${disk.path}": block ${block} was read back and does not have the MD5 recorded in "${digest.path}"`,
      { block },
    );
  };
  await convey(ring, next, [
    { together: disk.overlaps, each: read },
    { together: true, each: compare },
    { each: ({ batch }) => checkpoint.passBatch(batch, header) },
  ]);
  await digest.finish();
  return blockCount;
}

/** Blocks of the disk and what the digest has for them. */
class VerifiedBatch {
  readonly batch: Batch;
  readonly recordedPtr: number;
  readonly badPtr: number;
  /** One byte a block: 1 where they differ. */
  readonly bad: Uint8Array;

  constructor(core: Core, blockBytes: number) {
    this.batch = new Batch(core, blockBytes);
    this.recordedPtr = core.alloc(this.batch.capacity * core.DIGEST_SIZE);
    this.badPtr = core.alloc(this.batch.capacity);
    this.bad = core.bytes(this.badPtr, this.batch.capacity);
  }
}
