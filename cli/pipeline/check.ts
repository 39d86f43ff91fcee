/** Chain against digest. */

import type { Core } from "../core.ts";
import type { DigestReader } from "./archive_reader.ts";
import { Batch } from "./batch.ts";
import { assertPadding, assertSameGeneration, type Chain } from "./chain.ts";
import { Checkpoint, type RunOptions } from "./run.ts";

/** What became of the blocks. */
export interface CheckResult {
  blocks: number;
  goodBlocks: number;
  zeroBlocks: number;
  /** Blocks for which a chain of rdiffs has no record. */
  absentBlocks: number;
  badBlocks: number;
  /** Runs of bad blocks, ascending, the first {@linkcode MAX_BAD_RUNS} of them. */
  badRuns: { start: number; end: number }[];
  /** Runs of bad blocks in all. */
  badRunCount: number;
}

/** A report names so many runs; the counts go on. */
export const MAX_BAD_RUNS = 1000;

/**
 * Compares every block of the chain with the digest of the generation that it leads to.
 *
 * @throws {MismatchError} if the digest is of another generation
 * @throws {FormatError} if an archive or the digest is damaged or not whole
 */
export async function check(
  core: Core,
  { chain, digest }: { chain: Chain; digest: DigestReader },
  options: RunOptions = {},
): Promise<CheckResult> {
  const { blockCount, blockBytes } = chain.header;
  const last = chain.readers[chain.readers.length - 1];
  assertSameGeneration(last, digest);
  const checkpoint = new Checkpoint(options);
  const batch = new Batch(core, blockBytes);
  const recordedPtr = core.alloc(batch.capacity * 16);
  const badPtr = core.alloc(batch.capacity);
  const bad = core.bytes(badPtr, batch.capacity);
  const result: CheckResult = {
    blocks: blockCount,
    goodBlocks: 0,
    zeroBlocks: 0,
    absentBlocks: 0,
    badBlocks: 0,
    badRuns: [],
    badRunCount: 0,
  };
  const badRuns = new RunList();
  for (let first = 0; batch.start(first, blockCount); first = batch.end) {
    await chain.take(batch);
    await digest.take(recordedPtr, batch.count);
    assertPadding(batch, chain);
    batch.dropZeros();
    batch.hash();
    const badBlocks = core.diffDigests(batch.digestsPtr, recordedPtr, batch.count, badPtr, batch.tablePtr);
    for (let i = 0; i < batch.count; i++) {
      if (batch.table[i] === core.ABSENT) result.absentBlocks++;
      else if (batch.table[i] === core.ZERO) result.zeroBlocks++;
      if (badBlocks > 0 && bad[i] !== 0) badRuns.add(first + i);
    }
    result.badBlocks += badBlocks;
    await checkpoint.passBatch(batch, chain.header);
  }
  await chain.finish();
  await digest.finish();
  result.badRuns = badRuns.runs;
  result.badRunCount = badRuns.count;
  result.goodBlocks = blockCount - result.absentBlocks - result.badBlocks;
  return result;
}

/** Joins ascending blocks to runs; keeps the first of them and counts all. */
class RunList {
  readonly runs: CheckResult["badRuns"] = [];
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
