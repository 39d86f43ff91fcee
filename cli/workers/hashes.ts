/** SHA-256 of what passes by, on one thread from its first byte to its last: a hash cannot move. */

import type { PassingHash } from "../archive/bytes.ts";
import { createSha256 } from "../archive/sha256.ts";

/** A hash of what passes by. */
export interface PassingSha256 extends PassingHash {
  /** The hash as 64 hexadecimal digits; nothing can be added any more. @throws what went wrong in an update before */
  hex(): Promise<string>;
}

/** Tells a hash of another thread the next bytes, and at its end writes what it comes to (32 bytes) to `into`. */
export interface HashPartsTask {
  /** Which of the hashes that the thread has under way; an unknown one begins. */
  hash: number;
  parts: readonly Uint8Array[];
  into?: Uint8Array;
}

/** What the thread that hashes is sent. */
export interface ToHasher {
  number: number;
  task: HashPartsTask;
}

const SHA256_BYTES = 32;

/** Begins a hash that this thread computes. */
export function sha256Here(): PassingSha256 {
  const begun = createSha256();
  // Met by whoever uses it.
  begun.catch(() => {});
  return remembering({
    async update(parts) {
      const sha256 = await begun;
      for (const part of parts) sha256.update(part);
    },
    hex: async () => (await begun).hex(),
  });
}

/** Begins the hash with a number of the thread that `run` gives its tasks to, in their order. */
export function sha256There(hash: number, run: (task: HashPartsTask) => Promise<unknown>): PassingSha256 {
  return remembering({
    async update(parts) {
      await run({ hash, parts });
    },
    async hex() {
      const into = new Uint8Array(new SharedArrayBuffer(SHA256_BYTES));
      await run({ hash, parts: [], into });
      return Array.from(into, (byte) => byte.toString(16).padStart(2, "0")).join("");
    },
  });
}

/** The same hash, which tells at its end what went wrong in an update: who gave that may not have waited for it. */
function remembering(hash: PassingSha256): PassingSha256 {
  let failure: { error: unknown } | undefined;
  return {
    async update(parts) {
      try {
        await hash.update(parts);
      } catch (error) {
        failure ??= { error };
        throw error;
      }
    },
    async hex() {
      const hex = await hash.hex();
      if (failure) throw failure.error;
      return hex;
    },
  };
}

/** Small parts that are told at a time: a message to another thread costs as much as hashing some of them. */
const GATHERED_BYTES = 256 * 1024;

/** Tells `hash` what it is told in fewer, larger parts. */
export class GatheredSha256 implements PassingSha256 {
  readonly #hash: PassingSha256;
  /** One is filled while the other is heard. */
  #filling = newBuffer();
  #other = newBuffer();
  #filledBytes = 0;
  /** Settles when the other one was heard. */
  #heard: Promise<void> = Promise.resolve();
  /** Settles when all parts so far were taken over. */
  #taken: Promise<void> = Promise.resolve();

  constructor(hash: PassingSha256) {
    this.#hash = hash;
  }

  update(parts: readonly Uint8Array[]): Promise<void> {
    return this.#taken = this.#taken.then(() => this.#take(parts));
  }

  async hex(): Promise<string> {
    await this.#taken;
    await this.#pass();
    await this.#heard;
    return await this.#hash.hex();
  }

  async #take(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      for (let at = 0; at < part.length;) {
        const taken = part.subarray(at, at + GATHERED_BYTES - this.#filledBytes);
        this.#filling.set(taken, this.#filledBytes);
        this.#filledBytes += taken.length;
        at += taken.length;
        if (this.#filledBytes === GATHERED_BYTES) await this.#pass();
      }
    }
  }

  /** Passes on what was gathered, as soon as there is room to go on. */
  async #pass(): Promise<void> {
    await this.#heard;
    this.#heard = this.#hash.update([this.#filling.subarray(0, this.#filledBytes)]);
    // Met by the next one, or at the end.
    this.#heard.catch(() => {});
    [this.#filling, this.#other] = [this.#other, this.#filling];
    this.#filledBytes = 0;
  }
}

function newBuffer(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(GATHERED_BYTES));
}
