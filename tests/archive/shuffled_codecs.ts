/** Codecs as the worst of crews: answers come in an order that depends on a seed alone. */

import { type Codecs, HERE } from "../../cli/archive/codecs.ts";
import type { Random } from "../../scripts/disk_image.ts";

type Work = Omit<Codecs, "ahead">;

/** Does the work of `HERE`, late: an argument that is changed too early shows in the result. */
export class ShuffledCodecs implements Codecs {
  readonly ahead: number;
  /** The highest number of pieces that were under way at a time. */
  mostUnderWay = 0;
  /** Pieces whose answer came before that of a piece which was given earlier. */
  overtakes = 0;
  readonly #random: Random;
  readonly #work: Work;
  readonly #waiting: { number: number; release: () => void }[] = [];
  #count = 0;

  /** `work` may fail on purpose. */
  constructor({ ahead, random, work = HERE }: { ahead: number; random: Random; work?: Work }) {
    this.ahead = ahead;
    this.#random = random;
    this.#work = work;
  }

  async gzip(given: Parameters<Codecs["gzip"]>[0]): Promise<Uint8Array> {
    await this.#turn();
    return await this.#work.gzip(given);
  }

  async gunzip({ stored, ...others }: Parameters<Codecs["gunzip"]>[0]): Promise<Uint8Array> {
    const given = { stored: takeAway(stored), ...others };
    await this.#turn();
    return await this.#work.gunzip(given);
  }

  async zstd(given: Parameters<Codecs["zstd"]>[0]): Promise<Uint8Array> {
    await this.#turn();
    return await this.#work.zstd(given);
  }

  async unzstd({ stored, ...others }: Parameters<Codecs["unzstd"]>[0]): Promise<Uint8Array> {
    const given = { stored: takeAway(stored), ...others };
    await this.#turn();
    return await this.#work.unzstd(given);
  }

  /** Each that comes brings a timer, and each timer releases any one of those that wait. */
  #turn(): Promise<void> {
    const number = this.#count++;
    return new Promise((release) => {
      this.#waiting.push({ number, release });
      this.mostUnderWay = Math.max(this.mostUnderWay, this.#waiting.length);
      setTimeout(() => {
        const [next] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1);
        if (this.#waiting.some((other) => other.number < next.number)) this.overtakes++;
        next.release();
      });
    });
  }
}

/** Leaves the caller with nothing, as a message to a worker does. */
function takeAway(stored: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return structuredClone(stored, { transfer: [stored.buffer] });
}
