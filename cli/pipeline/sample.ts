/**
 * Random samples: how many blocks to look at, and which.
 *
 * Of N blocks, d differ in secret. A sample of n, drawn without replacement, misses all of them with the probability
 *
 *     (N-d choose n) / (N choose n)  =  (1 - n/N) (1 - n/(N-1)) ... (1 - n/(N-d+1))  <=  (1 - d/N)^n
 *
 * (hypergeometric distribution). The bound on the right does not depend on the size of the disk, only on the share d/N.
 */

import { Bitmap } from "../archive/bitmap.ts";
import { Pace } from "../pace.ts";
import type { RunOptions } from "./run.ts";

/** The probability with which a sample may miss the share of differing blocks that it was made for. */
const MISS_PROBABILITY = 0.01;
/** 1 % of differing blocks is what the default sample of a large disk is made for, 5 % that of a small one. */
const DEFAULT_BLOCKS = blocksToCatch(0.01);
const FEWEST_BLOCKS = blocksToCatch(0.05);
/** Between the two the sample is this share of the blocks: an audit costs little beside a full read. */
const DEFAULT_SHARE = 0.05;
/** What the default sample reads at most: five seconds of a network of 100 MiB/s. Blocks above 1.1 MiB get a smaller sample. */
const DEFAULT_BYTES = 512 * 1024 * 1024;

/** Blocks of the sample that is drawn where nobody asks for another one: 5 %, but 90 to 459 blocks, and no more than 512 MiB. */
export function defaultSampleBlocks(blocks: number, blockBytes: number): number {
  const wanted = Math.max(FEWEST_BLOCKS, Math.ceil(blocks * DEFAULT_SHARE));
  return Math.min(blocks, wanted, DEFAULT_BLOCKS, Math.floor(DEFAULT_BYTES / blockBytes));
}

/** The smallest sample that misses a share of differing blocks with a probability of at most 1 %, however many blocks there are. */
function blocksToCatch(share: number): number {
  return Math.ceil(Math.log(MISS_PROBABILITY) / Math.log(1 - share));
}

/**
 * The least share of differing blocks, 0 to 1, that a sample of `sampleBlocks` (1 or more) misses with a probability of at
 * most 1 %, however many blocks there are.
 */
export function shareCaught(sampleBlocks: number): number {
  return 1 - MISS_PROBABILITY ** (1 / sampleBlocks);
}

/** Random numbers that are the same for the same seed: xoshiro128** (Blackman and Vigna 2018), begun with a hash of the seed. */
export class SeededRandom {
  readonly #state: Uint32Array;

  private constructor(state: Uint32Array) {
    this.#state = state;
  }

  /** `seed`: any text */
  static async of(seed: string): Promise<SeededRandom> {
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(seed));
    const view = new DataView(hash);
    return new SeededRandom(Uint32Array.from([0, 4, 8, 12], (at) => view.getUint32(at)));
  }

  /** An integer from 0 to below `limit` (1 to 2^52), each as likely as the other. */
  below(limit: number): number {
    if (limit > 2 ** 32) {
      const fair = 2 ** 52 - 2 ** 52 % limit;
      for (;;) {
        const wide = this.#next() % 2 ** 20 * 2 ** 32 + this.#next();
        if (wide < fair) return wide % limit;
      }
    }
    // Words above the last whole multiple of the limit would favour small numbers.
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

/** How {@linkcode drawSample} draws. */
export interface SampleOptions extends RunOptions {
  sampleBlocks: number;
  random: SeededRandom;
  /** Of more blocks than this, a sample of more than {@linkcode MANY_SAMPLED} is drawn in their order. */
  mostAtRandom?: number;
}

/** A bitmap of so many blocks, which is filled in no order, takes no more than half of the memory for bitmaps. */
const MOST_AT_RANDOM = 2 ** 27;
const MANY_SAMPLED = 2 ** 20;

/**
 * Draws `sampleBlocks` of the blocks whose bit in `excluded` is 0, every set of them as likely as any other, in a time that
 * grows with the sample and with the bytes of the bitmap, or of very large samples with the number of blocks.
 *
 * @throws {RangeError} if there are fewer
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
    // One after the other (Fan, Muller and Rezucha 1962): of the blocks that are left, as many as are still wanted.
    for (let rank = 0, wanted = sampleBlocks; wanted > 0; rank++) {
      if (random.below(blocks - rank) < wanted) {
        ranks.set(rank);
        wanted--;
      }
      if (pace.isDue()) await pace.rest();
    }
  } else {
    // Floyd's way (Bentley and Floyd 1987): a draw that was drawn before stands for the newest candidate.
    for (let newest = blocks - sampleBlocks; newest < blocks; newest++) {
      const rank = random.below(newest + 1);
      ranks.set(ranks.get(rank) ? newest : rank);
      if (pace.isDue()) await pace.rest();
    }
  }
  // The block of rank r is the r-th of those that are not excluded.
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
