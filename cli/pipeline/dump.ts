/** Disk to dump and digest; diff and incr also write the way back to the previous generation. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink } from "../archive/bytes.ts";
import type { DumpHeader } from "../archive/header.ts";
import type { Core } from "../core.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { MismatchError } from "../errors.ts";
import type { DigestReader, DumpReader } from "./archive_reader.ts";
import { DigestWriter, DumpWriter } from "./archive_writer.ts";
import { Batch } from "./batch.ts";
import { assertSameGeneration } from "./chain.ts";
import { readDisk } from "./disk_reader.ts";
import { Checkpoint, type RunOptions } from "./run.ts";

/** What a full dump reads and writes. */
export interface FullDump {
  disk: ReadableDisk;
  /** Header of the new dump; the digest's follows from it. */
  header: DumpHeader;
  dumpOut: ByteSink;
  digestOut: ByteSink;
}

/** What a differential or incremental dump reads and writes. */
export interface ChangedDump extends FullDump {
  /** The previous generation. */
  dumpIn: DumpReader;
  digestIn: DigestReader;
  /** Blocks that may have changed; without it every block may. */
  changedBlocks?: Bitmap;
  /** The way back from the new generation to the previous one. */
  rdiffOut: ByteSink;
}

/** What a dump did. */
export interface DumpResult {
  blocks: number;
  zeroBlocks: number;
  /** Blocks that were read from the disk: not those in holes, nor those that a bitmap calls unchanged. */
  blocksRead: number;
  /** Blocks that differ from the previous generation; absent for a full dump. */
  changedBlocks?: number;
}

/** Dumps the whole disk. */
export async function dumpFull(core: Core, job: FullDump, options: RunOptions = {}): Promise<DumpResult> {
  const { disk, header } = job;
  const checkpoint = new Checkpoint(options);
  const batch = new Batch(core, header.blockBytes);
  const dump = new DumpWriter(core, job.dumpOut, header);
  const digest = new DigestWriter(core, job.digestOut, header);
  const result = { blocks: header.blockCount, zeroBlocks: 0, blocksRead: 0 };
  for (let first = 0; batch.start(first, header.blockCount); first = batch.end) {
    result.blocksRead += await readDisk(disk, batch, { start: batch.first, end: batch.end });
    result.zeroBlocks += batch.count - batch.dropZeros();
    batch.hash();
    await dump.write(batch);
    await digest.write(batch);
    await checkpoint.passBatch(batch, header);
  }
  await dump.finish();
  await digest.finish();
  return result;
}

/**
 * Dumps the disk against its previous generation. The old dump is verified with its digest on the way.
 *
 * @throws {MismatchError} if old dump, old digest, disk or bitmap do not belong together
 */
export async function dumpChanged(
  core: Core,
  job: ChangedDump,
  options: RunOptions = {},
): Promise<DumpResult> {
  const { disk, header, dumpIn, digestIn, changedBlocks } = job;
  assertFits(job);
  const checkpoint = new Checkpoint(options);
  const oldBatch = new Batch(core, header.blockBytes);
  const newBatch = new Batch(core, header.blockBytes);
  const recordedPtr = core.alloc(oldBatch.capacity * 16);
  const changedPtr = core.alloc(oldBatch.capacity);
  const changed = core.bytes(changedPtr, oldBatch.capacity);
  const dump = new DumpWriter(core, job.dumpOut, header);
  const digest = new DigestWriter(core, job.digestOut, header);
  const rdiff = new DumpWriter(core, job.rdiffOut, { ...dumpIn.header, full: false });
  const result = { blocks: header.blockCount, zeroBlocks: 0, blocksRead: 0, changedBlocks: 0 };

  for (let first = 0; oldBatch.start(first, header.blockCount); first = oldBatch.end) {
    const { count, end } = oldBatch;
    newBatch.start(first, header.blockCount);

    await dumpIn.take(oldBatch);
    await digestIn.take(recordedPtr, count);
    oldBatch.dropZeros();
    oldBatch.hash();
    if (core.diffDigests(oldBatch.digestsPtr, recordedPtr, count, changedPtr) > 0) {
      throw differsFromDigest(job, first + changed.indexOf(1));
    }

    newBatch.table.set(oldBatch.table.subarray(0, count));
    for (let block = first; block < end;) {
      const start = changedBlocks?.next(block, end, true) ?? block;
      block = changedBlocks?.next(start, end, false) ?? end;
      if (start === end) break;
      result.blocksRead += await readDisk(disk, newBatch, { start, end: block });
    }
    result.zeroBlocks += count - newBatch.dropZeros();
    result.changedBlocks += core.diffBlocks(oldBatch, newBatch, changedPtr);
    hashChanged(newBatch, oldBatch, changed);

    await rdiff.write(oldBatch, { selectPtr: changedPtr });
    await dump.write(newBatch);
    await digest.write(newBatch);
    await checkpoint.passBatch(oldBatch, header);
  }
  await dumpIn.finish();
  await digestIn.finish();
  await dump.finish();
  await digest.finish();
  await rdiff.finish();
  return result;
}

/** Equal bytes have equal digests: only blocks that changed are hashed, the others take over the verified digest. */
function hashChanged(newBatch: Batch, oldBatch: Batch, changed: Uint8Array): void {
  const { count, table } = newBatch;
  const whole = table.slice(0, count);
  for (let i = 0; i < count; i++) if (changed[i] === 0) table[i] = newBatch.core.ABSENT;
  newBatch.hash();
  table.set(whole);
  for (let i = 0; i < count; i++) {
    if (changed[i] === 0) newBatch.digests.set(oldBatch.digests.subarray(i * 16, i * 16 + 16), i * 16);
  }
}

function assertFits({ disk, header, dumpIn, digestIn, changedBlocks }: ChangedDump): void {
  if (!dumpIn.header.full) {
    throw new MismatchError(`Cannot compare with "${dumpIn.path}": it is an rdiff, a dump is needed`);
  }
  assertSameGeneration(dumpIn, digestIn);
  if (dumpIn.header.capacityBytes !== header.capacityBytes) {
    throw new MismatchError(
      `Cannot compare disk "${disk.path}" with "${dumpIn.path}": the disk has ${header.capacityBytes} bytes, ` +
        `the dump ${dumpIn.header.capacityBytes}; make a full dump after a disk changed its size`,
    );
  }
  if (changedBlocks !== undefined && changedBlocks.bitCount !== header.blockCount) {
    throw new MismatchError(
      `Cannot use the bitmap: it has ${changedBlocks.bitCount} bits, the disk ${header.blockCount} blocks`,
    );
  }
}

function differsFromDigest({ dumpIn, digestIn }: ChangedDump, block: number): MismatchError {
  return new MismatchError(
    `Cannot use "${dumpIn.path}": block ${block} does not have the MD5 recorded in "${digestIn.path}"`,
    { block },
  );
}
