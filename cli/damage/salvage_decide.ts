/**
 * What the root of a seal decides where a damaged digest does not: it is the SHA-256 over the MD5s of all blocks, so if blocks
 * as an archive of the generation has them lead to it, all of them are right.
 */

import { Bitmap } from "../archive/bitmap.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import { createSha256 } from "../archive/sha256.ts";
import type { Core } from "../core.ts";
import { Pace } from "../pace.ts";
import type { KeptBlocks } from "./block_store.ts";
import { compareWithDigest, type DigestInFile } from "./lost_blocks.ts";
import type { RunOptions } from "../pipeline/run.ts";

/** What is written for blocks that the digest does not prove. */
export interface SalvagePlan {
  unproved: Bitmap;
  doubtful: Bitmap;
  kept: KeptBlocks;
  /** Written as zeros. */
  lost: Bitmap;
  /** Written as they are in `kept` or else in the first archive. */
  asIs: Bitmap;
}

/** What is counted of it. */
export interface DecisionCounts {
  zeroBlocks: number;
  unprovableBlocks: number;
  decidedBlocks: number;
}

/** Contradictions that are tried each by itself; if there are more, all of them one way and all the other. */
const MAX_TRIED = 4;

/** Finds out with the root what is right; without it, or if it does not tell, unproved blocks are lost. */
export async function decide(
  owner: Core,
  { first, isOwn, digest, plan, root, result }: {
    first: DamagedFile;
    isOwn: boolean;
    digest: DigestInFile;
    plan: SalvagePlan;
    root: string | null;
    result: DecisionCounts;
  },
  options: RunOptions,
): Promise<void> {
  await using core = owner.scope();
  const { unproved, doubtful, kept, lost, asIs } = plan;
  const { bitCount } = doubtful;
  const [unprovedBlocks, doubtfulBlocks] = [unproved.count(), doubtful.count()];
  const pace = new Pace(options);
  for (const block of setBits(doubtful)) {
    asIs.set(block);
    if (pace.isDue()) await pace.rest();
  }
  // The digest of a block that was not found may be what is wrong.
  const lostBlocks = isOwn ? lost.count() : 0;
  if (unprovedBlocks + doubtfulBlocks + lostBlocks === 0) return;
  if (root !== null) {
    // Bit n of a trial: the n-th contradiction is decided for zeros; the last bit counts for all that follow. Behind these
    // bits: blocks that were not found are as the archive has them.
    const bits = doubtfulBlocks > MAX_TRIED ? 1 : doubtfulBlocks;
    const hashes = await Promise.all(
      Array.from({ length: 2 ** (bits + (lostBlocks > 0 ? 1 : 0)) }, createSha256),
    );
    const absent = new Bitmap(bitCount, options.pages);
    const zero = new Uint8Array(core.DIGEST_SIZE);
    let contradiction = 0;
    await compareWithDigest(core, {
      file: first,
      digest,
      onBatch: ({ batch, recorded }) => {
        for (let i = 0; i < batch.count; i++) {
          const block = batch.first + i;
          const at = i * core.DIGEST_SIZE;
          const isThere = isOwn && batch.table[i] > core.ABSENT;
          const own = isThere ? batch.digests.subarray(at, at + core.DIGEST_SIZE) : zero;
          const isContradicted = doubtful.get(block);
          const bit = Math.min(contradiction, bits - 1);
          if (isContradicted) contradiction++;
          if (!isThere) absent.set(block);
          const believed = recorded.subarray(at, at + core.DIGEST_SIZE);
          for (const [trial, hash] of hashes.entries()) {
            if (unproved.get(block) || (lost.get(block) && (trial >> bits) & 1)) hash.update(own);
            else if (!isContradicted) hash.update(believed);
            else hash.update((trial >> bit) & 1 ? zero : kept.digestOf(block) ?? own);
          }
        }
      },
    }, options);
    const trial = hashes.findIndex((hash) => hash.hex() === root);
    if (trial >= 0) {
      result.decidedBlocks = unprovedBlocks + doubtfulBlocks;
      const settle = (block: number) => {
        asIs.set(block);
        if (absent.get(block)) result.zeroBlocks++;
      };
      for (const block of setBits(unproved)) {
        settle(block);
        if (pace.isDue()) await pace.rest();
      }
      for (const block of (trial >> bits) & 1 ? setBits(lost) : []) {
        lost.clear(block);
        result.decidedBlocks++;
        settle(block);
        if (pace.isDue()) await pace.rest();
      }
      let n = 0;
      for (const block of setBits(doubtful)) {
        const isZero = (trial >> Math.min(n++, bits - 1)) & 1;
        doubtful.clear(block);
        if (pace.isDue()) await pace.rest();
        if (!isZero) continue;
        asIs.clear(block);
        result.zeroBlocks++;
      }
      return;
    }
  }
  for (const block of setBits(unproved)) {
    lost.set(block);
    if (pace.isDue()) await pace.rest();
  }
  result.unprovableBlocks = unprovedBlocks;
}

/** Ascending; the one at hand may be cleared. */
function* setBits(bitmap: Bitmap): Generator<number, void> {
  const { bitCount } = bitmap;
  for (let block = bitmap.next(0, bitCount, true); block < bitCount;) {
    yield block;
    block = bitmap.next(block + 1, bitCount, true);
  }
}
