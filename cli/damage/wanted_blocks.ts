/** Blocks that are wanted, by their MD5: a hash table of digests, each with a number that tells where its block is. */

const DIGEST_WORDS = 4;
/** Digests that are kept at most: 24 bytes each, with room for a table to work in. */
export const MAX_WANTED = 3 * 2 ** 20;
const LEAST_CAPACITY = 1024;

/** The place of a block that was not found. */
const NOWHERE = -1;

/** Finds digests again. All-zero digests, which stand for zero blocks, must not be added. */
export class WantedBlocks {
  /** Different digests. */
  count = 0;
  /** Those of them that have a place. */
  foundCount = 0;
  readonly #capacity: number;
  readonly #digests: Uint32Array;
  readonly #places: Int32Array;
  /** A digest file may be made so that all of its digests would fall together; nobody knows this number. */
  readonly #secret: Uint32Array = crypto.getRandomValues(new Uint32Array(DIGEST_WORDS)).map((word) =>
    word | 1
  );

  /** Has room for `most` digests, or as many as may be kept: all memory is taken at once, since a larger table beside it takes as much again. */
  constructor(most: number) {
    // A quarter stays free, so that what is not there is soon known.
    const wanted = Math.ceil(Math.min(most, MAX_WANTED) * 4 / 3);
    this.#capacity = 2 ** Math.ceil(Math.log2(Math.max(LEAST_CAPACITY, wanted)));
    this.#digests = new Uint32Array(this.#capacity * DIGEST_WORDS);
    this.#places = new Int32Array(this.#capacity).fill(NOWHERE);
  }

  /** Whether no more digests are taken. */
  get isFull(): boolean {
    return this.count >= MAX_WANTED;
  }

  /** Wants the block with the digest in the 16 bytes at `at`, a multiple of 4 from the memory's begin. */
  add(digests: Uint8Array, at: number): void {
    const words = wordsOf(digests, at);
    const slot = this.#slotOf(words);
    if (this.#isUsed(slot)) return;
    this.#digests.set(words, slot * DIGEST_WORDS);
    this.count++;
  }

  /** Whether a block with that digest is wanted. */
  has(digests: Uint8Array, at: number): boolean {
    return this.#isUsed(this.#slotOf(wordsOf(digests, at)));
  }

  /** The place of a block, undefined if it has none or is not wanted. */
  placeOf(digests: Uint8Array, at: number): number | undefined {
    const slot = this.#slotOf(wordsOf(digests, at));
    const place = this.#places[slot];
    return this.#isUsed(slot) && place !== NOWHERE ? place : undefined;
  }

  /** Gives a wanted block its place, a number from 0. */
  place(digests: Uint8Array, at: number, place: number): void {
    const slot = this.#slotOf(wordsOf(digests, at));
    if (this.#places[slot] === NOWHERE) this.foundCount++;
    this.#places[slot] = place;
  }

  #isUsed(slot: number): boolean {
    const at = slot * DIGEST_WORDS;
    const digests = this.#digests;
    return (digests[at] | digests[at + 1] | digests[at + 2] | digests[at + 3]) !== 0;
  }

  /** The slot that has the digest, or would. */
  #slotOf(words: Uint32Array): number {
    let mixed = 0;
    for (let i = 0; i < DIGEST_WORDS; i++) {
      mixed = Math.imul(mixed ^ words[i], this.#secret[i]) ^ (mixed >>> 15);
    }
    mixed ^= mixed >>> 13;
    const mask = this.#capacity - 1;
    for (let slot = mixed & mask;; slot = (slot + 1) & mask) {
      if (!this.#isUsed(slot)) return slot;
      const at = slot * DIGEST_WORDS;
      let i = 0;
      while (i < DIGEST_WORDS && this.#digests[at + i] === words[i]) i++;
      if (i === DIGEST_WORDS) return slot;
    }
  }
}

function wordsOf(digests: Uint8Array, at: number): Uint32Array {
  return new Uint32Array(digests.buffer, digests.byteOffset + at, DIGEST_WORDS);
}
