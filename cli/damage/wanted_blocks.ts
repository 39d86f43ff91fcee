/** A hash table of the MD5s of wanted blocks. Each entry has a number that says where the block was found. */

const DIGEST_WORDS = 4;
/** The largest number of digests. The table for them has 2^22 slots of 20 bytes, a quarter of them free. */
export const MAX_WANTED = 3 * 2 ** 20;
const LEAST_CAPACITY = 1024;

/** The place of a block that was not found. */
const NOWHERE = -1;

/** Finds blocks by their digests. All-zero digests, which stand for zero blocks, must not be added. */
export class WantedBlocks {
  /** The number of different digests. */
  count = 0;
  /** The number of digests that have a place. */
  foundCount = 0;
  readonly #capacity: number;
  readonly #digests: Uint32Array;
  readonly #places: Int32Array;
  /** The array of the last call, and a view of it. */
  #viewed?: Uint8Array;
  #words: Uint32Array = new Uint32Array(0);
  /**
   * A random number that the hash depends on: without it, a digest file could be made so that all of its
   * digests collide.
   */
  readonly #secret: Uint32Array = crypto.getRandomValues(new Uint32Array(DIGEST_WORDS)).map((word) =>
    word | 1
  );

  /**
   * @param most the number of digests. At most {@linkcode MAX_WANTED} are accepted. All memory is allocated
   *   at once, because growing would need the old and the new table at the same time.
   */
  constructor(most: number) {
    // At least a quarter of the slots stays free, so that the search for a digest that is not in the table
    // ends soon.
    const wanted = Math.ceil(Math.min(most, MAX_WANTED) * 4 / 3);
    this.#capacity = 2 ** Math.ceil(Math.log2(Math.max(LEAST_CAPACITY, wanted)));
    this.#digests = new Uint32Array(this.#capacity * DIGEST_WORDS);
    this.#places = new Int32Array(this.#capacity).fill(NOWHERE);
  }

  /** True if no more digests are accepted. */
  get isFull(): boolean {
    return this.count >= MAX_WANTED;
  }

  /** Adds the digest in the 16 bytes at `at`. Its address must be a multiple of 4. */
  add(digests: Uint8Array, at: number): void {
    const slot = this.#slotOf(digests, at);
    if (this.#isUsed(slot)) return;
    const words = this.#wordsIn(digests);
    for (let i = 0; i < DIGEST_WORDS; i++) this.#digests[slot * DIGEST_WORDS + i] = words[at / 4 + i];
    this.count++;
  }

  /** Returns whether a block with this digest is wanted. */
  has(digests: Uint8Array, at: number): boolean {
    return this.#isUsed(this.#slotOf(digests, at));
  }

  /** Returns the place of a block; undefined if it has none or is not wanted. */
  placeOf(digests: Uint8Array, at: number): number | undefined {
    const slot = this.#slotOf(digests, at);
    const place = this.#places[slot];
    return this.#isUsed(slot) && place !== NOWHERE ? place : undefined;
  }

  /** Sets the place of a wanted block, a number from 0. */
  place(digests: Uint8Array, at: number, place: number): void {
    const slot = this.#slotOf(digests, at);
    if (this.#places[slot] === NOWHERE) this.foundCount++;
    this.#places[slot] = place;
  }

  #isUsed(slot: number): boolean {
    const at = slot * DIGEST_WORDS;
    const digests = this.#digests;
    return (digests[at] | digests[at + 1] | digests[at + 2] | digests[at + 3]) !== 0;
  }

  /** Returns the slot of a digest, or the slot for it if it is not in the table. */
  #slotOf(digests: Uint8Array, at: number): number {
    const words = this.#wordsIn(digests);
    const from = at / 4;
    let mixed = 0;
    for (let i = 0; i < DIGEST_WORDS; i++) {
      mixed = Math.imul(mixed ^ words[from + i], this.#secret[i]) ^ (mixed >>> 15);
    }
    mixed ^= mixed >>> 13;
    const mask = this.#capacity - 1;
    for (let slot = mixed & mask;; slot = (slot + 1) & mask) {
      if (!this.#isUsed(slot)) return slot;
      const own = slot * DIGEST_WORDS;
      let i = 0;
      while (i < DIGEST_WORDS && this.#digests[own + i] === words[from + i]) i++;
      if (i === DIGEST_WORDS) return slot;
    }
  }

  /** Returns a view of the words of an array. It is kept: a view for each of millions of digests is garbage. */
  #wordsIn(digests: Uint8Array): Uint32Array {
    if (this.#viewed !== digests) {
      this.#viewed = digests;
      this.#words = new Uint32Array(digests.buffer, digests.byteOffset, digests.byteLength >> 2);
    }
    return this.#words;
  }
}
