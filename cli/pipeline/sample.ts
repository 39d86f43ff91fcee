/**
 * Random samples: how many blocks are compared, and which.
 *
 * Let d of N blocks differ. A sample of n blocks, drawn without replacement, contains none of them with the
 * probability
 *
 *     (N-d choose n) / (N choose n)  =  (1 - n/N) (1 - n/(N-1)) ... (1 - n/(N-d+1))  <=  (1 - d/N)^n
 *
 * (hypergeometric distribution). The bound on the right does not depend on the size of the disk, only on the
 * share d/N.
 */

import { Bitmap } from "../archive/bitmap.ts";
import { Pace } from "../pace.ts";
import type { RunOptions } from "./run.ts";

/** The largest accepted probability that a sample contains no differing block. */
const MISS_PROBABILITY = 0.01;
/**
 * The default sample of a large disk finds a share of 1 % of differing blocks with this confidence, that of a
 * small disk a share of 5 %.
 */
const DEFAULT_BLOCKS = blocksToCatch(0.01);
const FEWEST_BLOCKS = blocksToCatch(0.05);
/**
 * Between these two, the sample is this share of the blocks. An audit then costs little in comparison with
 * reading all blocks.
 */
const DEFAULT_SHARE = 0.05;
/**
 * The most bytes that the default sample reads: five seconds on a network of 100 MiB/s. The sample is smaller
 * if blocks are larger than 1.1 MiB.
 */
const DEFAULT_BYTES = 512 * 1024 * 1024;

/**
 * Returns the number of blocks of the default sample: 5 %, but at least 90 and at most 459 blocks, and at
 * most 512 MiB.
 */
export function defaultSampleBlocks(blocks: number, blockBytes: number): number {
  const wanted = Math.max(FEWEST_BLOCKS, Math.ceil(blocks * DEFAULT_SHARE));
  return Math.min(blocks, wanted, DEFAULT_BLOCKS, Math.floor(DEFAULT_BYTES / blockBytes));
}

/**
 * Returns the size of the smallest sample that misses a share of differing blocks with a probability of at
 * most 1 %, for any number of blocks.
 */
function blocksToCatch(share: number): number {
  return Math.ceil(Math.log(MISS_PROBABILITY) / Math.log(1 - share));
}

/**
 * Returns the smallest share of differing blocks, from 0 to 1, that a sample of `sampleBlocks` (1 or more)
 * misses with a probability of at most 1 %, for any number of blocks.
 */
export function shareCaught(sampleBlocks: number): number {
  return 1 - MISS_PROBABILITY ** (1 / sampleBlocks);
}

/**
 * A generator of random numbers that yields the same numbers for the same seed: xoshiro128** (Blackman and
 * Vigna 2018), initialised with a hash of the seed.
 */
export class SeededRandom {
  readonly #state: Uint32Array;

  private constructor(state: Uint32Array) {
    this.#state = state;
  }

  /** @param seed any text */
  static async of(seed: string): Promise<SeededRandom> {
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(seed));
    const view = new DataView(hash);
    return new SeededRandom(Uint32Array.from([0, 4, 8, 12], (at) => view.getUint32(at)));
  }

  /** Returns an integer from 0 to below `limit` (1 to 2^52). All are equally likely. */
  below(limit: number): number {
    if (limit > 2 ** 32) {
      const fair = 2 ** 52 - 2 ** 52 % limit;
      for (;;) {
        const wide = this.#next() % 2 ** 20 * 2 ** 32 + this.#next();
        if (wide < fair) return wide % limit;
      }
    }
    // Words above the last whole multiple of the limit would make small numbers more likely.
    const fair = 2 ** 32 - 2 ** 32 % limit;
    for (;;) {
      const word = this.#next();
      if (word < fair) return word % limit;
    }
  }

  #next(): number {
    const s = this.#state;
    const word = Math.imul(rotated(Math.imul(s[1], 5), 7), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotated(s[3], 11);
    return word;
  }
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** The options of {@linkcode drawSample}. */
export interface SampleOptions extends RunOptions {
  sampleBlocks: number;
  random: SeededRandom;
  /**
   * If there are more blocks than this, a sample of more than {@linkcode MANY_SAMPLED} blocks is drawn in
   * ascending order.
   */
  mostAtRandom?: number;
}

/** A bitmap of this many blocks that is set at random takes at most half of the memory for bitmaps. */
const MOST_AT_RANDOM = 2 ** 27;
const MANY_SAMPLED = 2 ** 20;

/**
 * Draws `sampleBlocks` of the blocks whose bit in `excluded` is 0. All sets of that size are equally likely.
 * The time grows with the size of the sample and of the bitmap; for very large samples, with the number of
 * blocks.
 *
 * @throws {RangeError} if fewer blocks are not excluded
 */
export async function drawSample(excluded: Bitmap, options: SampleOptions): Promise<Bitmap> {
  const { sampleBlocks, random, pages, mostAtRandom = MOST_AT_RANDOM } = options;
  const blocks = excluded.bitCount - excluded.count();
  if (sampleBlocks > blocks) {
    throw new RangeError(`Cannot draw ${sampleBlocks} blocks: there are ${blocks}`);
  }
  const pace = new Pace(options);
  const ranks = new Bitmap(blocks, pages);
  if (blocks > mostAtRandom && sampleBlocks > Math.min(MANY_SAMPLED, mostAtRandom)) {
    // Selection sampling (Fan, Muller and Rezucha 1962): each block is drawn with the probability of the
    // blocks that are still to be drawn among those that are left.
    for (let rank = 0, wanted = sampleBlocks; wanted > 0; rank++) {
      if (random.below(blocks - rank) < wanted) {
        ranks.set(rank);
        wanted--;
      }
      if (pace.isDue()) await pace.rest();
    }
  } else {
    // Floyd's algorithm (Bentley and Floyd 1987): if a number was drawn before, the newest candidate is taken
    // instead.
    for (let newest = blocks - sampleBlocks; newest < blocks; newest++) {
      const rank = random.below(newest + 1);
      ranks.set(ranks.get(rank) ? newest : rank);
      if (pace.isDue()) await pace.rest();
    }
  }
  // The block of rank r is the r-th of the blocks that are not excluded.
  const sample = new Bitmap(excluded.bitCount, pages);
  for (let start = 0, end: number, rank = 0; rank < blocks; start = end) {
    start = excluded.next(start, excluded.bitCount, false);
    end = excluded.next(start, excluded.bitCount, true);
    const endRank = rank + end - start;
    for (let at = rank; (at = ranks.next(at, endRank, true)) < endRank; at++) {
      sample.set(start + at - rank);
      if (pace.isDue()) await pace.rest();
    }
    rank = endRank;
    if (pace.isDue()) await pace.rest();
  }
  return sample;
}
