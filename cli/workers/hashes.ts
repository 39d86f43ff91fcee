/**
 * SHA-256 of bytes while they are read or written. One thread computes a hash from the first byte to the
 * last, because the state of a hash cannot be moved to another thread.
 */

import type { PassingHash } from "../archive/bytes.ts";
import { createSha256 } from "../archive/sha256.ts";

/** A SHA-256 that is computed while bytes are read or written. */
export interface PassingSha256 extends PassingHash {
  /**
   * Returns the hash as 64 hexadecimal digits. Nothing can be added to the hash afterwards.
   *
   * @throws the error of the first `update` that failed, even if the caller did not wait for that
   */
  hex(): Promise<string>;
}

/** A task of the worker that computes hashes: adds bytes to a hash, and may end the hash. */
export interface HashPartsTask {
  /** Number of the hash; a number that is not in use begins a new hash. */
  hash: number;
  /** Bytes to add, in this order. They may not change until the task has been performed. */
  parts: readonly Uint8Array[];
  /** If given, the hash ends after the parts, and its 32 bytes are written here. */
  into?: Uint8Array;
}

/** A message to the worker that computes hashes. */
export interface ToHashWorker {
  /** Number of the task, which is repeated in the answer. */
  number: number;
  /** The task. */
  task: HashPartsTask;
}

const SHA256_BYTES = 32;

/** Begins a hash that the calling thread computes. */
export function sha256OnThisThread(): PassingSha256 {
  const begun = createSha256();
  // `update` and `hex` wait for the promise and report its failure.
  begun.catch(() => {});
  return rejectingAfterFailure({
    async update(parts) {
      const sha256 = await begun;
      for (const part of parts) sha256.update(part);
    },
    hex: async () => (await begun).hex(),
  });
}

/**
 * Begins a hash that a worker computes.
 *
 * @param hash a number that no other hash of the worker has
 * @param run performs tasks on the worker, in the order of the calls
 */
export function sha256OnWorker(
  hash: number,
  run: (task: HashPartsTask) => Promise<unknown>,
): PassingSha256 {
  return rejectingAfterFailure({
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

/**
 * Returns the same hash, but `hex()` rejects if an earlier `update()` failed: bytes are missing from such a
 * hash, and its caller may not have waited for the `update()`.
 */
function rejectingAfterFailure(hash: PassingSha256): PassingSha256 {
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

/**
 * Length of the buffers in which small parts are collected. Sending a part to another thread takes as long as
 * hashing several small parts.
 */
const BUFFER_BYTES = 256 * 1024;

/**
 * Adds small parts to another hash in fewer and larger ones: the parts are copied to a buffer, and the buffer
 * is added to the hash when it is full. There are two buffers, so that one is filled while the other is
 * hashed.
 */
export class BufferedSha256 implements PassingSha256 {
  readonly #hash: PassingSha256;
  #filling = newBuffer();
  #other = newBuffer();
  #filledBytes = 0;
  /** Settles when the other buffer has been hashed and can be filled again. */
  #flushed: Promise<void> = Promise.resolve();
  /** Settles when the parts of all earlier calls of `update` have been copied. */
  #copied: Promise<void> = Promise.resolve();

  /** @param hash receives the bytes; nothing else may update it */
  constructor(hash: PassingSha256) {
    this.#hash = hash;
  }

  /** Adds parts to the hash. They may change when the promise resolves. */
  update(parts: readonly Uint8Array[]): Promise<void> {
    return this.#copied = this.#copied.then(() => this.#copy(parts));
  }

  /** @throws the error of the first `update` that failed, even if the caller did not wait for that */
  async hex(): Promise<string> {
    await this.#copied;
    await this.#flush();
    await this.#flushed;
    return await this.#hash.hex();
  }

  async #copy(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      for (let at = 0; at < part.length;) {
        const taken = part.subarray(at, at + BUFFER_BYTES - this.#filledBytes);
        this.#filling.set(taken, this.#filledBytes);
        this.#filledBytes += taken.length;
        at += taken.length;
        if (this.#filledBytes === BUFFER_BYTES) await this.#flush();
      }
    }
  }

  /**
   * Waits until the other buffer can be filled, then adds this buffer to the hash and changes to the other.
   */
  async #flush(): Promise<void> {
    await this.#flushed;
    this.#flushed = this.#hash.update([this.#filling.subarray(0, this.#filledBytes)]);
    // The next flush or `hex` waits for the promise and reports its failure.
    this.#flushed.catch(() => {});
    [this.#filling, this.#other] = [this.#other, this.#filling];
    this.#filledBytes = 0;
  }
}

function newBuffer(): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(BUFFER_BYTES));
}
