/**
 * Decides with the root of a seal about blocks that a damaged digest does not prove. The root is the SHA-256
 * of the MD5s of all blocks. If the blocks as an archive of the generation has them give this root, all of
 * them are right.
 */

import { Bitmap } from "../archive/bitmap.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import { createSha256 } from "../archive/sha256.ts";
import type { Core } from "../core.ts";
import { Pace } from "../pace.ts";
import type { RunOptions } from "../pipeline/run.ts";
import type { KeptBlocks } from "./block_store.ts";
import { compareWithDigest, type DigestInFile } from "./lost_blocks.ts";

/** The blocks that the digest does not prove, and the content that the dump gets for them. */
export interface SalvagePlan {
  /** The blocks whose digest is not known or does not prove them. */
  unproved: Bitmap;
  /** The blocks that are zero according to the digest while an archive of the generation has data. */
  doubtful: Bitmap;
  /** Blocks at their own place in other archives of the generation than the first one. */
  kept: KeptBlocks;
  /** The blocks that are written as zeros. */
  lost: Bitmap;
  /** The blocks that are written as they are in `kept`, or else as they are in the first archive. */
  asIs: Bitmap;
}

/** The counts that a decision changes. */
export interface DecisionCounts {
  zeroBlocks: number;
  unprovableBlocks: number;
  decidedBlocks: number;
}

/**
 * The largest number of contradictions that are tried in all combinations. If there are more, two trials are
 * made: all are decided one way, or all the other way.
 */
const MAX_TRIED = 4;

/**
 * Decides with the root which blocks are right. Without a root, or if no trial gives the root, unproved
 * blocks are lost.
 */
export async function decideByRoot(
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
  // If a block was not found, its digest may be the part that is wrong.
  const lostBlocks = isOwn ? lost.count() : 0;
  if (unprovedBlocks + doubtfulBlocks + lostBlocks === 0) return;
  if (root !== null) {
    // A trial is a combination of decisions. Bit n of its number is 1 if the n-th contradiction is decided
    // for zeros; the last of these bits stands for all further contradictions. The next bit is 1 if blocks
    // that were not found are taken as the archive has them.
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

/** Yields the set bits in ascending order. The caller may clear a bit when it is yielded. */
function* setBits(bitmap: Bitmap): Generator<number, void> {
  const { bitCount } = bitmap;
  for (let block = bitmap.next(0, bitCount, true); block < bitCount;) {
    yield block;
    block = bitmap.next(block + 1, bitCount, true);
  }
}
