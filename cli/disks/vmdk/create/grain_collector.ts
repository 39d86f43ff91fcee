/**
 * Turns ascending writes of any place and length into runs of whole grains.
 *
 * ```
 * writes   |--------------------------------|   |---|  |-|        |--------|
 * grains   |       |       |       |       |       |       |       |       |
 * put      |________ as it is _____________|_ collected in a region _|
 * ```
 *
 * Bytes that are not written are zero. A region is filled at most up to the next multiple of its length, so
 * that no run that is put exceeds one grain table, unless it was written in one call.
 */

import { GRAIN_BYTES } from "./sparse_header.ts";

/** The size of a region. Its multiples divide the bytes that a grain table covers. */
export const REGION_BYTES = 16 * GRAIN_BYTES;

/** Shorter writes are collected even if they are whole grains. */
const AS_IT_IS_BYTES = 2 * GRAIN_BYTES;

/** The place where the grains go. */
export interface GrainStore {
  /** Whether whole grains of a write may be put as they are, without a region. */
  readonly takesWrites: boolean;
  /** Returns {@linkcode REGION_BYTES} bytes, with any content, that are filled and then put. */
  region(): Uint8Array | Promise<Uint8Array>;
  /**
   * Takes whole grains, of which the first has the number `firstGrain`. Each grain comes once, in ascending
   * order. `grains` is the start of the region, or memory that the caller changes when the promise has
   * settled.
   */
  put(grains: Uint8Array, firstGrain: number): Promise<void>;
}

/** Collects the grains of one disk for its store. */
export class GrainCollector {
  readonly #path: string;
  readonly #store: GrainStore;
  #region?: Uint8Array;
  /** The bytes of the disk that the filled part of the region stands for. */
  #beginBytes = 0;
  #endBytes = 0;
  /** The end of the last write; nothing may be written before it. */
  #writtenBytes = 0;

  /** `path` is the path of the disk, for messages. */
  constructor(path: string, store: GrainStore) {
    this.#path = path;
    this.#store = store;
  }

  /**
   * Writes bytes of the disk.
   * @throws {RangeError} if they begin before the end of an earlier write
   */
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

  /** Puts the collected bytes; the rest of their last grain is zero. */
  async flush(): Promise<void> {
    const region = this.#region;
    if (region === undefined) return;
    const filled = this.#endBytes - this.#beginBytes;
    const grains = region.subarray(0, Math.ceil(filled / GRAIN_BYTES) * GRAIN_BYTES);
    grains.fill(0, filled);
    this.#region = undefined;
    await this.#store.put(grains, this.#beginBytes / GRAIN_BYTES);
  }

  /** Takes a part of the bytes and returns its length. */
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
