/** Blocks that were found, in a file until they are written. */

import { type OpenScratch, ScratchFile } from "../archive/scratch.ts";

/** Blocks with a number that are kept at most: with their digests they take 16 MiB of memory. */
const MAX_KEPT = 2 ** 18;
const FIRST_CAPACITY = 1024;

const DIGEST_BYTES = 16;

/** Blocks in a file. */
export class BlockStore {
  readonly #file: ScratchFile;
  readonly #blockBytes: number;
  #count = 0;

  constructor(open: OpenScratch, blockBytes: number) {
    this.#file = new ScratchFile(open);
    this.#blockBytes = blockBytes;
  }

  /** Writes a block behind the others; returns its place. */
  keep(content: Uint8Array): number {
    this.#file.write(content, this.#count * this.#blockBytes);
    return this.#count++;
  }

  load(place: number, into: Uint8Array): void {
    this.#file.read(into, place * this.#blockBytes);
  }
}

/** Blocks of a store by their numbers, as many as fit into memory with their digests: a hash table of arrays. */
export class KeptBlocks {
  readonly #store: BlockStore;
  #count = 0;
  #capacity = FIRST_CAPACITY;
  /** For each slot the number of its block and one more, 0 for none. */
  #blocks = new Float64Array(FIRST_CAPACITY);
  #places = new Float64Array(FIRST_CAPACITY);
  #digests = new Uint8Array(FIRST_CAPACITY * DIGEST_BYTES);

  constructor(store: BlockStore) {
    this.#store = store;
  }

  has(block: number): boolean {
    return this.#blocks[this.#slotOf(block)] !== 0;
  }

  /** False if there are too many already. */
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

  /** The slot that has the block, or would. Neighbours go to slots that lie apart, so that their runs do not pile up. */
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
