/**
 * The page memory of the bitmaps of one job. It does not grow with the disk: pages beyond a limit are in a
 * scratch file.
 */

import { type OpenScratch, ScratchFile } from "./scratch.ts";

/** The length of a page. */
export const PAGE_BYTES = 64 * 1024;

/** The default limit of pages in memory: 2^28 bits, which cover 256 TiB in blocks of 1 MiB. */
const PAGES_IN_MEMORY = 512;

/** A page of a bitmap whose bits are not all equal. */
export interface BitmapPage {
  /**
   * Up to {@linkcode PAGE_BYTES} of bits. They are valid only while `isInMemory` is true. Code that changes
   * them must set `isChanged`.
   */
  bytes: Uint8Array<ArrayBuffer>;
  isInMemory: boolean;
  isChanged: boolean;
  /** The index of the page in the scratch file. */
  readonly slot: number;
}

/** Options of {@linkcode BitmapPages}. */
export interface BitmapPagesOptions {
  /** Opens the scratch file. Without this function, all pages stay in memory. */
  scratch?: OpenScratch;
  pagesInMemory?: number;
}

/** The pages of several bitmaps. */
export class BitmapPages {
  readonly #scratch?: ScratchFile;
  readonly #most: number;
  /** The pages in memory by their slots, the least recently used one first. */
  readonly #pages = new Map<number, BitmapPage>();
  readonly #freeSlots: number[] = [];
  #slots = 0;

  constructor({ scratch, pagesInMemory = PAGES_IN_MEMORY }: BitmapPagesOptions = {}) {
    this.#scratch = scratch && new ScratchFile(scratch);
    this.#most = scratch === undefined ? Infinity : pagesInMemory;
  }

  /**
   * Returns a new page of `lenBytes` zeros.
   *
   * @throws {ScratchError} if another page must leave memory and cannot be written to the scratch file
   */
  newPage(lenBytes: number): BitmapPage {
    const bytes = this.#room(lenBytes).fill(0);
    const slot = this.#freeSlots.pop() ?? this.#slots++;
    const page = { bytes, isInMemory: true, isChanged: true, slot };
    this.#pages.set(slot, page);
    return page;
  }

  /**
   * Returns the page of a slot, which is read from the scratch file if it is not in memory.
   *
   * @throws {ScratchError} if the scratch file cannot be written or read
   */
  page(slot: number, lenBytes: number): BitmapPage {
    let page = this.#pages.get(slot);
    if (page === undefined) {
      const bytes = this.#room(lenBytes);
      this.#scratch!.read(bytes, slot * PAGE_BYTES);
      page = { bytes, isInMemory: true, isChanged: false, slot };
    } else this.#pages.delete(slot);
    this.#pages.set(slot, page);
    return page;
  }

  /** Frees the slot of a page. The caller must not use the page afterwards. */
  free(slot: number): void {
    this.#pages.delete(slot);
    this.#freeSlots.push(slot);
  }

  /**
   * Returns memory for a page. If as many pages as allowed are in memory, the least recently used one is
   * moved to the scratch file, and its memory is used again.
   */
  #room(lenBytes: number): Uint8Array<ArrayBuffer> {
    if (this.#pages.size < this.#most) return new Uint8Array(lenBytes);
    const [[slot, page]] = this.#pages;
    const { bytes } = page;
    if (page.isChanged) this.#scratch!.write(bytes, slot * PAGE_BYTES);
    this.#pages.delete(slot);
    page.isInMemory = false;
    return bytes.length === lenBytes ? bytes : new Uint8Array(lenBytes);
  }
}
