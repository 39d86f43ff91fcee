/**
 * Ascending writes of any place and length become runs of whole grains.
 *
 * ```
 * writes   |--------------------------------|   |---|  |-|        |--------|
 * grains   |       |       |       |       |       |       |       |       |
 * put      |________ as it is _____________|_ collected in a region _|
 * ```
 *
 * What is not written is zero. A region is filled up to the next multiple of its length at the most, so that no run goes
 * beyond what one grain table covers, unless it was written so.
 */

import { GRAIN_BYTES } from "./sparse_header.ts";

/** Bytes of a region: its multiples divide what a grain table covers. */
export const REGION_BYTES = 16 * GRAIN_BYTES;

/** Shorter writes are collected even where they are whole grains. */
const AS_IT_IS_BYTES = 2 * GRAIN_BYTES;

/** What becomes of the grains. */
export interface GrainStore {
  /** Whether grains that lie together in a write may be put as they are, instead of through a region. */
  readonly takesWrites: boolean;
  /** Hands out {@linkcode REGION_BYTES} bytes to be filled and put; their content is open. */
  region(): Uint8Array | Promise<Uint8Array>;
  /**
   * Takes whole grains, the first of which has the number `firstGrain`; each grain comes once, in ascending order. `grains`
   * is the region, up to its last grain, or memory that the caller changes when the promise has settled.
   */
  put(grains: Uint8Array, firstGrain: number): Promise<void>;
}

/** Collects the grains of one disk for its store. */
export class GrainCollector {
  readonly #path: string;
  readonly #store: GrainStore;
  #region?: Uint8Array;
  /** The bytes of the disk that the region stands for, as far as they are filled. */
  #beginBytes = 0;
  #endBytes = 0;
  /** Nothing may be written before. */
  #writtenBytes = 0;

  /** `path` is the disk's, for messages. */
  constructor(path: string, store: GrainStore) {
    this.#path = path;
    this.#store = store;
  }

  /** @throws {RangeError} if it lies before the end of an earlier write */
  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    if (offsetBytes < this.#writtenBytes) {
      throw new RangeError(
        `Cannot write disk "${this.#path}": byte ${offsetBytes} comes after byte ${this.#writtenBytes}, ` +
          `and this kind of disk is written in ascending order`,
      );
    }
    this.#writtenBytes = offsetBytes + from.length;
    for (let done = 0; done < from.length;) {
      done += await this.#take(from.subarray(done), offsetBytes + done);
    }
  }

  /** Puts what is collected; the rest of its last grain is zero. */
  async flush(): Promise<void> {
    const region = this.#region;
    if (region === undefined) return;
    const filled = this.#endBytes - this.#beginBytes;
    const grains = region.subarray(0, Math.ceil(filled / GRAIN_BYTES) * GRAIN_BYTES);
    grains.fill(0, filled);
    this.#region = undefined;
    await this.#store.put(grains, this.#beginBytes / GRAIN_BYTES);
  }

  /** Takes some of the bytes, returns how many. */
  async #take(bytes: Uint8Array, atBytes: number): Promise<number> {
    const isWhole = atBytes % GRAIN_BYTES === 0 && bytes.length >= AS_IT_IS_BYTES;
    if (isWhole && this.#store.takesWrites) {
      await this.flush();
      const whole = bytes.subarray(0, bytes.length - bytes.length % GRAIN_BYTES);
      await this.#store.put(whole, atBytes / GRAIN_BYTES);
      return whole.length;
    }
    const limit = (begin: number) => begin - begin % REGION_BYTES + REGION_BYTES;
    if (this.#region !== undefined && atBytes >= limit(this.#beginBytes)) await this.flush();
    if (this.#region === undefined) {
      this.#region = await this.#store.region();
      this.#beginBytes = this.#endBytes = atBytes - atBytes % GRAIN_BYTES;
    }
    const part = bytes.subarray(0, Math.min(bytes.length, limit(this.#beginBytes) - atBytes));
    this.#region.fill(0, this.#endBytes - this.#beginBytes, atBytes - this.#beginBytes);
    this.#region.set(part, atBytes - this.#beginBytes);
    this.#endBytes = atBytes + part.length;
    return part.length;
  }
}
