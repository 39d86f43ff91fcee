/**
 * Dumps a disk to a dump and a digest. The modes diff and incr also write the rdiff to the previous
 * generation.
 */

import type { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink, PassingHash } from "../archive/bytes.ts";
import type { DumpHeader } from "../archive/header.ts";
import type { Journal } from "../archive/journal.ts";
import type { Core } from "../core.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { MismatchError } from "../errors.ts";
import type { DigestReader, DumpReader } from "./archive_reader.ts";
import { DigestWriter } from "./digest_writer.ts";
import { DumpWriter } from "./dump_writer.ts";
import { Batch, batchBytesOf, HALF_BATCH_BYTES, ringBytesOf } from "./batch.ts";
import { assertSameGeneration } from "./chain.ts";
import { convey } from "./conveyor.ts";
import { readDisk } from "./disk_reader.ts";
import { Checkpoint, crewOf, ringOf, type RunOptions } from "./run.ts";

/** The inputs and outputs of every dump. */
interface CommonDump {
  disk: ReadableDisk;
  /** The header of the new dump. The header of the digest is derived from it. */
  header: DumpHeader;
  dumpOut: ByteSink;
  digestOut: ByteSink;
  /** Is updated with the MD5s of all blocks. */
  root?: PassingHash;
}

/** The inputs and outputs of a full dump. */
export interface FullDump extends CommonDump {
  /**
   * Gets the MD5s of a batch as soon as the batch is written. If it has blocks at the beginning, `dumpOut`
   * must have them as well, and the dump is resumed after them.
   */
  journal?: Journal;
}

/** The inputs and outputs of a differential or incremental dump. */
export interface ChangedDump extends CommonDump {
  /** The dump of the previous generation. */
  dumpIn: DumpReader;
  digestIn: DigestReader;
  /** The blocks that may have changed. Without it, every block may have. */
  changedBlocks?: Bitmap;
  /** The rdiff that leads from the new generation back to the previous one. */
  rdiffOut: ByteSink;
  /** Is updated with the MD5s of all blocks of the previous generation. */
  previousRoot?: PassingHash;
}

/** The blocks of a new dump. */
export interface DumpCounts {
  /** Blocks of the disk. */
  blocks: number;
  /** Blocks whose bytes are all zero. */
  zeroBlocks: number;
  /**
   * Blocks that were read from the disk. Blocks in holes are not read, nor those that a bitmap calls
   * unchanged.
   */
  blocksRead: number;
  /** The number of blocks that differ from the previous generation; absent for a full dump. */
  changedBlocks?: number;
  /** Changed blocks that were zero before; absent for a full dump. */
  changedFromZeroBlocks?: number;
  /** Blocks that an earlier, interrupted job had dumped; absent if there were none. */
  resumedBlocks?: number;
}

/** Dumps the whole disk, or resumes a dump after the blocks of its journal. */
export async function dumpFull(owner: Core, job: FullDump, options: RunOptions = {}): Promise<DumpCounts> {
  await using core = owner.scope();
  const { disk, header, journal } = job;
  const { blockCount, blockBytes } = header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const dump = new DumpWriter(core, job.dumpOut, header);
  const digest = new DigestWriter(core, job.digestOut, header, job);
  const result: DumpCounts = { blocks: blockCount, zeroBlocks: 0, blocksRead: 0 };
  const mostBytes = batchBytesOf(disk);
  const ring = ringOf(
    crew,
    Batch.bytesFor(blockBytes, mostBytes),
    () => new Batch(core, blockBytes, mostBytes),
    { ringBytes: ringBytesOf(disk) },
  );
  let first = journal?.blocks ?? 0;
  if (first > 0) {
    result.resumedBlocks = first;
    await copyDigests(journal!, {
      to: digest,
      batch: ring[0],
      passed: () => checkpoint.passBatch(ring[0], header),
    });
    result.zeroBlocks = digest.zeroRecords;
  }
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
    await dump.store(batch);
    await digest.write(batch);
    await journal?.append(batch.allDigests);
  };
  await convey(ring, next, [
    { together: disk.overlaps, each: read },
    { together: true, each: (batch) => batch.hash(crew) },
    { each: write },
    { each: (batch) => batch.free },
    { each: (batch) => checkpoint.passBatch(batch, header) },
  ]);
  await dump.finish();
  await digest.finish();
  return result;
}

/** Writes the MD5s of all blocks of a journal to a digest. `batch` is used as memory. */
async function copyDigests(
  journal: Journal,
  { to, batch, passed }: { to: DigestWriter; batch: Batch; passed: () => Promise<void> },
): Promise<void> {
  const { core, table } = batch;
  for (let first = 0; batch.start(first, journal.blocks); first = batch.end) {
    const digests = batch.allDigests;
    journal.read(digests, first);
    for (let i = 0; i < batch.count; i++) {
      const isZero = digests.subarray(i * core.DIGEST_SIZE, (i + 1) * core.DIGEST_SIZE).every((byte) =>
        byte === 0
      );
      if (isZero) table[i] = core.ZERO;
    }
    await to.write(batch);
    await passed();
  }
}

/**
 * The core memory for the pairs of batches. The pieces of three compressed files need memory beside it, and
 * the records of two files are copied: altogether 60 MiB with blocks of 1 MiB, and as much with a single pair
 * of blocks of 16 MiB.
 */
const PAIRS_BYTES = 48 * 1024 * 1024;

/** The same run of blocks in the previous and the new generation. */
class BatchPair {
  readonly older: Batch;
  readonly newer: Batch;
  /** The address of the MD5s that the old digest has for the old blocks. */
  readonly recordedPtr: number;
  /** The address of one byte for each block: 1 if the generations differ. */
  readonly changedPtr: number;
  readonly changed: Uint8Array;
  changedBlocks = 0;
  /** The offset in the old dump of the record of the first block. */
  beginBytes = 0;

  constructor(core: Core, blockBytes: number, mostBytes: number) {
    this.older = new Batch(core, blockBytes, mostBytes);
    this.newer = new Batch(core, blockBytes, mostBytes);
    this.recordedPtr = core.alloc(this.older.capacity * core.DIGEST_SIZE);
    this.changedPtr = core.alloc(this.older.capacity);
    this.changed = core.bytes(this.changedPtr, this.older.capacity);
  }
}

/**
 * Dumps the disk and compares it with its previous generation. The old dump is verified with its digest in
 * the same pass.
 *
 * @throws {MismatchError} if the old dump, the old digest, the disk and the bitmap do not belong together, or
 *   a block of the old dump does not have its MD5
 * @throws {FormatError} if the old dump or the old digest is damaged or incomplete
 */
export async function dumpChanged(
  owner: Core,
  job: ChangedDump,
  options: RunOptions = {},
): Promise<DumpCounts> {
  await using core = owner.scope();
  const { disk, header, dumpIn, digestIn, changedBlocks } = job;
  const { blockCount, blockBytes } = header;
  assertFits(job);
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const dump = new DumpWriter(core, job.dumpOut, header);
  const digest = new DigestWriter(core, job.digestOut, header, job);
  const rdiff = new DumpWriter(core, job.rdiffOut, { ...dumpIn.header, full: false });
  const result = { blocks: blockCount, zeroBlocks: 0, blocksRead: 0, changedBlocks: 0 };
  const mostBytes = batchBytesOf(disk, HALF_BATCH_BYTES);
  const ring = ringOf(
    crew,
    2 * Batch.bytesFor(blockBytes, mostBytes),
    () => new BatchPair(core, blockBytes, mostBytes),
    { ringBytes: ringBytesOf(disk, PAIRS_BYTES) },
  );
  let first = 0;

  const readOlder = async (pair: BatchPair) => {
    const { older, newer, recordedPtr } = pair;
    if (!older.start(first, blockCount) || !newer.start(first, blockCount)) return false;
    first = older.end;
    pair.beginBytes = dumpIn.offsetBytes;
    await dumpIn.take(older);
    await digestIn.take(recordedPtr, older.count);
    return true;
  };
  const readNewer = async ({ older, newer }: BatchPair) => {
    const { end } = newer;
    newer.table.set(older.table.subarray(0, older.count));
    for (let block = newer.first; block < end;) {
      const start = changedBlocks?.next(block, end, true) ?? block;
      block = changedBlocks?.next(start, end, false) ?? end;
      if (start === end) break;
      const blocksRead = await readDisk(disk, newer, { start, end: block });
      result.blocksRead += blocksRead;
    }
  };
  const verifyAndCompare = async (pair: BatchPair) => {
    const { older, newer, recordedPtr, changedPtr, changed } = pair;
    await older.hash(crew);
    if (core.diffDigests(older.digestsPtr, recordedPtr, older.count, changedPtr) > 0) {
      throw differsFromDigest(job, older.first + changed.indexOf(1));
    }
    pair.changedBlocks = await crew.run({
      kind: "compare",
      older: older.run,
      newer: newer.run,
      changedPtr,
      olderDigestsPtr: older.digestsPtr,
      newerDigestsPtr: newer.digestsPtr,
    });
  };
  const write = async (pair: BatchPair) => {
    const { older, newer, changedPtr, beginBytes } = pair;
    const changed = pair.changed.subarray(0, older.count);
    result.zeroBlocks += newer.countZeros();
    result.changedBlocks += pair.changedBlocks;
    // The hash reads the memory of the batch even if an output fails meanwhile, so the memory must stay
    // allocated until it ends.
    const hashed = core.hold(Promise.resolve(older.updateHash(job.previousRoot)));
    hashed.catch(() => {});
    await rdiff.store(older, { selectPtr: changedPtr });
    await dump.store(newer, {
      origin: { source: dumpIn.source, beginBytes, offsets: older.offsets, changed },
    });
    await digest.write(newer);
    await hashed;
  };
  await convey(ring, readOlder, [
    { together: disk.overlaps, each: readNewer },
    { together: true, each: verifyAndCompare },
    { each: write },
    { each: ({ older, newer }) => Promise.all([older.free, newer.free]) },
    { each: ({ newer }) => checkpoint.passBatch(newer, header) },
  ]);
  await dumpIn.finish();
  await digestIn.finish();
  await dump.finish();
  await digest.finish();
  await rdiff.finish();
  return { ...result, changedFromZeroBlocks: rdiff.zeroRecords };
}

/**
 * Checks that the inputs of a dump belong together. @throws {MismatchError} unless their sizes, series and
 * times agree
 */
export function assertFits(
  { disk, header, dumpIn, digestIn, changedBlocks }: Omit<ChangedDump, "dumpOut" | "digestOut" | "rdiffOut">,
): void {
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
