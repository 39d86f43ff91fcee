/** Compares the blocks of a chain with a digest. */

import type { PassingHash } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import type { DigestReader } from "./archive_reader.ts";
import { Batch, BATCH_BYTES } from "./batch.ts";
import { assertPadding, assertSameGeneration, type Chain } from "./chain.ts";
import { convey } from "./conveyor.ts";
import { Checkpoint, crewOf, type RunOptions, shortRingOf } from "./run.ts";

/** The state of the blocks of a chain. */
export interface CheckCounts {
  /** Blocks of the disk. */
  blocks: number;
  /** Blocks that have the MD5 of the digest; without a digest, blocks that have a record. */
  goodBlocks: number;
  /** Blocks whose bytes are all zero. */
  zeroBlocks: number;
  /** The number of blocks of which a chain of rdiffs has no record. */
  absentBlocks: number;
  /** Blocks that do not have the MD5 of the digest. */
  badBlocks: number;
  /** Runs of bad blocks from `start` up to `end`, without `end`, in ascending order; the first 1000. */
  badRuns: { start: number; end: number }[];
  /** The number of runs of bad blocks. */
  badRunCount: number;
}

/** The largest number of runs that a result lists. The counts include all of them. */
export const MAX_BAD_RUNS = 1000;

/**
 * Compares every block of a chain with the digest of the generation to which the chain leads. Without a
 * digest, the blocks are only read. `root` is updated with the MD5s of all blocks if the chain begins with a
 * dump.
 *
 * @throws {MismatchError} if the digest is of another generation
 * @throws {FormatError} if an archive or the digest is damaged or incomplete
 */
export async function check(
  owner: Core,
  { chain, digest, root }: { chain: Chain; digest?: DigestReader; root?: PassingHash },
  options: RunOptions = {},
): Promise<CheckCounts> {
  await using core = owner.scope();
  const { blockCount, blockBytes } = chain.header;
  const last = chain.readers[chain.readers.length - 1];
  if (digest !== undefined) assertSameGeneration(last, digest);
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const ring = shortRingOf(blockBytes, () => new CheckedBatch(core, chain));
  const result: CheckCounts = {
    blocks: blockCount,
    goodBlocks: 0,
    zeroBlocks: 0,
    absentBlocks: 0,
    badBlocks: 0,
    badRuns: [],
    badRunCount: 0,
  };
  const badRuns = new RunList();
  /**
   * True if every block must pass through a batch, because it is compared or hashed. Otherwise blocks without
   * a record are counted without a batch.
   */
  const isComplete = digest !== undefined || root !== undefined;
  let first = 0;
  const take = async ({ batch, recordedPtr }: CheckedBatch) => {
    if (!batch.start(first, blockCount)) return false;
    await chain.take(batch);
    await digest?.take(recordedPtr, batch.count);
    // An rdiff of a few bytes may have records of the last blocks of a very large disk only.
    first = isComplete ? batch.end : chain.nextFrom(batch.end);
    result.absentBlocks += first - batch.end;
    assertPadding(batch, chain);
    return true;
  };
  const compare = async (item: CheckedBatch) => {
    const { batch, recordedPtr, badPtr } = item;
    await batch.hash(crew);
    if (digest === undefined) return;
    item.badBlocks = core.diffDigests(batch.digestsPtr, recordedPtr, batch.count, badPtr, batch.tablePtr);
  };
  const count = async ({ batch, bad, badBlocks }: CheckedBatch) => {
    if (chain.header.full) await batch.updateHash(root);
    for (let i = 0; i < batch.count; i++) {
      if (batch.table[i] === core.ABSENT) result.absentBlocks++;
      else if (batch.table[i] === core.ZERO) result.zeroBlocks++;
      if (badBlocks > 0 && bad[i] !== 0) badRuns.add(batch.first + i);
    }
    result.badBlocks += badBlocks;
  };
  await convey(ring, take, [
    { together: true, each: compare },
    { each: count },
    { each: ({ batch }) => checkpoint.passBatch(batch, chain.header) },
  ]);
  await chain.finish();
  await digest?.finish();
  result.badRuns = badRuns.runs;
  result.badRunCount = badRuns.count;
  result.goodBlocks = blockCount - result.absentBlocks - result.badBlocks;
  return result;
}

/** A batch and the MD5s that its blocks must have. */
class CheckedBatch {
  readonly batch: Batch;
  readonly recordedPtr: number;
  /** The address of one byte for each block: 1 if its MD5 is not the one of the digest. */
  readonly badPtr: number;
  readonly bad: Uint8Array;
  badBlocks = 0;

  constructor(core: Core, chain: Chain) {
    this.batch = new Batch(core, chain.header.blockBytes, chain.batchBytes(BATCH_BYTES));
    this.recordedPtr = core.alloc(this.batch.capacity * core.DIGEST_SIZE);
    this.badPtr = core.alloc(this.batch.capacity);
    this.bad = core.bytes(this.badPtr, this.batch.capacity);
  }
}

/** Joins ascending block numbers to runs, counts the runs and keeps the first {@linkcode MAX_BAD_RUNS}. */
class RunList {
  readonly runs: CheckCounts["badRuns"] = [];
  count = 0;
  #end = -1;

  add(block: number): void {
    if (block !== this.#end) this.count++;
    if (this.count <= MAX_BAD_RUNS) {
      if (block === this.#end) this.runs[this.runs.length - 1].end = block + 1;
      else this.runs.push({ start: block, end: block + 1 });
    }
    this.#end = block + 1;
  }
}
