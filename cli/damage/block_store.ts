/** Keeps blocks that were found in a temporary file until they are written to the dump. */

import { type OpenScratch, ScratchFile } from "../archive/scratch.ts";

/**
 * The largest number of blocks that {@linkcode KeptBlocks} holds: with their digests, their entries take 16
 * MiB of memory.
 */
const MAX_KEPT = 2 ** 18;
const FIRST_CAPACITY = 1024;

const DIGEST_BYTES = 16;

/** An append-only list of blocks in a temporary file. */
export class BlockStore {
  readonly #file: ScratchFile;
  readonly #blockBytes: number;
  #count = 0;

  constructor(open: OpenScratch, blockBytes: number) {
    this.#file = new ScratchFile(open);
    this.#blockBytes = blockBytes;
  }

  /** Appends a block. Returns its place, a number from 0. */
  keep(content: Uint8Array): number {
    this.#file.write(content, this.#count * this.#blockBytes);
    return this.#count++;
  }

  load(place: number, into: Uint8Array): void {
    this.#file.read(into, place * this.#blockBytes);
  }
}

/**
 * Finds blocks of a store by their block numbers. The hash table is in memory, so the number of blocks is
 * limited.
 */
export class KeptBlocks {
  readonly #store: BlockStore;
  #count = 0;
  #capacity = FIRST_CAPACITY;
  /** For each slot the block number plus one; 0 for an empty slot. */
  #blocks = new Float64Array(FIRST_CAPACITY);
  #places = new Float64Array(FIRST_CAPACITY);
  #digests = new Uint8Array(FIRST_CAPACITY * DIGEST_BYTES);

  constructor(store: BlockStore) {
    this.#store = store;
  }

  has(block: number): boolean {
    return this.#blocks[this.#slotOf(block)] !== 0;
  }

  /** Adds a block. Returns false if the table is full. */
  keep(block: number, { content, digest }: { content: Uint8Array; digest: Uint8Array }): boolean {
    if (this.#count >= MAX_KEPT) return false;
    if (2 * this.#count >= this.#capacity) this.#grow();
    this.#put(block, this.#store.keep(content), digest);
    this.#count++;
    return true;
  }

  placeOf(block: number): number | undefined {
    const slot = this.#slotOf(block);
    return this.#blocks[slot] === 0 ? undefined : this.#places[slot];
  }

  digestOf(block: number): Uint8Array | undefined {
    const slot = this.#slotOf(block);
    return this.#blocks[slot] === 0 ? undefined : this.#digestIn(slot);
  }

  #put(block: number, place: number, digest: Uint8Array): void {
    const slot = this.#slotOf(block);
    this.#blocks[slot] = block + 1;
    this.#places[slot] = place;
    this.#digestIn(slot).set(digest);
  }

  #digestIn(slot: number): Uint8Array {
    return this.#digests.subarray(slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES);
  }

  /**
   * Returns the slot of a block, or the slot for it if it is not in the table. The hash spreads consecutive
   * blocks over the table, so that they do not form long runs of used slots.
   */
  #slotOf(block: number): number {
    const mask = this.#capacity - 1;
    const mixed = Math.imul(block % 2 ** 32 ^ Math.floor(block / 2 ** 32), 0x9e3779b1);
    for (let slot = (mixed ^ (mixed >>> 15)) & mask;; slot = (slot + 1) & mask) {
      if (this.#blocks[slot] === 0 || this.#blocks[slot] === block + 1) return slot;
    }
  }

  #grow(): void {
    const [blocks, places, digests] = [this.#blocks, this.#places, this.#digests];
    this.#capacity *= 2;
    this.#blocks = new Float64Array(this.#capacity);
    this.#places = new Float64Array(this.#capacity);
    this.#digests = new Uint8Array(this.#capacity * DIGEST_BYTES);
    for (const [slot, block] of blocks.entries()) {
      if (block === 0) continue;
      this.#put(block - 1, places[slot], digests.subarray(slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES));
    }
  }
}
