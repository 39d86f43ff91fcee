/** Codecs that finish in an order that depends only on a seed, as the worst case of worker threads. */

import { assert } from "@std/assert";
import { type Codecs, type Decoding, type Encoding, HERE } from "../../cli/archive/codecs.ts";
import type { Random } from "../../scripts/disk_image.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";

type Work = Omit<Codecs, "ahead">;

/**
 * Does the work of `HERE` with a delay, and asserts that no other code changes the memory of a call before it
 * has ended.
 */
export class ShuffledCodecs implements Codecs {
  readonly ahead: number;
  /** The highest number of pieces in progress at a time. */
  mostUnderWay = 0;
  /** The number of pieces that finished before a piece that was started earlier. */
  overtakes = 0;
  /** The number of pieces so far. */
  count = 0;
  readonly #random: Random;
  readonly #work: Work;
  readonly #waiting: { number: number; release: () => void }[] = [];

  /** Creates codecs. `work` does the work, and may fail on purpose. */
  constructor({ ahead, random, work = HERE }: { ahead: number; random: Random; work?: Work }) {
    this.ahead = ahead;
    this.#random = random;
    this.#work = work;
  }

  async gzip(given: Encoding): Promise<number> {
    await this.#turn(given.content, given.into);
    return await this.#work.gzip(given);
  }

  async gunzip(given: Decoding): Promise<void> {
    await this.#turn(given.stored, given.into);
    await this.#work.gunzip(given);
  }

  async zstd(given: Encoding): Promise<number> {
    await this.#turn(given.content, given.into);
    return await this.#work.zstd(given);
  }

  async unzstd(given: Decoding): Promise<void> {
    await this.#turn(given.stored, given.into);
    await this.#work.unzstd(given);
  }

  /** Waits. Each call starts a timer, and each timer releases a random one of the waiting calls. */
  async #turn(input: Uint8Array, into: Uint8Array): Promise<void> {
    for (const { buffer } of [input, into]) {
      assert(buffer instanceof SharedArrayBuffer, "memory of this thread");
    }
    const number = this.count++;
    const given = input.slice();
    into.fill(number);
    await new Promise<void>((release) => {
      this.#waiting.push({ number, release });
      this.mostUnderWay = Math.max(this.mostUnderWay, this.#waiting.length);
      setTimeout(() => {
        const [next] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1);
        if (this.#waiting.some((other) => other.number < next.number)) this.overtakes++;
        next.release();
      });
    });
    assertEqualBytes(input, given, `input of piece ${number}`);
    assertEqualBytes(into, new Uint8Array(into.length).fill(number), `output of piece ${number}`);
  }
}
