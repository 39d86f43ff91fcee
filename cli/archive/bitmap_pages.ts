/** Memory for the bitmaps of one job, which does not grow with the disk: what does not fit lies in a scratch file. */

import { type OpenScratch, ScratchFile } from "./scratch.ts";

export const PAGE_BYTES = 64 * 1024;

/** Pages in memory: 2^28 bits, in disks with blocks of 1 MiB those of 256 TiB. */
const PAGES_IN_MEMORY = 512;

/** A part of a bitmap that is neither all zeros nor all ones. */
export interface BitmapPage {
  /** Up to {@linkcode PAGE_BYTES} of bits, while the page `isInMemory`. Whoever changes them sets `isChanged`. */
  bytes: Uint8Array<ArrayBuffer>;
  isInMemory: boolean;
  isChanged: boolean;
  /** Number of the page in the scratch file. */
  readonly slot: number;
}

/** How pages are kept. */
export interface BitmapPagesOptions {
  /** Without it all pages stay in memory. */
  scratch?: OpenScratch;
  pagesInMemory?: number;
}

/** The pages of several bitmaps. */
export class BitmapPages {
  readonly #scratch?: ScratchFile;
  readonly #most: number;
  /** Those in memory by their slots, the one that was used longest ago first. */
  readonly #pages = new Map<number, BitmapPage>();
  readonly #freeSlots: number[] = [];
  #slots = 0;

  constructor({ scratch, pagesInMemory = PAGES_IN_MEMORY }: BitmapPagesOptions = {}) {
    this.#scratch = scratch && new ScratchFile(scratch);
    this.#most = scratch === undefined ? Infinity : pagesInMemory;
  }

  /** A new page of `lenBytes` zeros. @throws {ScratchError} if there is no room for it in memory nor in the file */
  newPage(lenBytes: number): BitmapPage {
    const bytes = this.#room(lenBytes).fill(0);
    const slot = this.#freeSlots.pop() ?? this.#slots++;
    const page = { bytes, isInMemory: true, isChanged: true, slot };
    this.#pages.set(slot, page);
    return page;
  }

  /** The page of a slot, as it was left. @throws {ScratchError} if it cannot be read */
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

  /** Gives up a page, which nobody has in hand. */
  free(slot: number): void {
    this.#pages.delete(slot);
    this.#freeSlots.push(slot);
  }

  /** Memory for a page, that of the one that was used longest ago if there are as many as may be. */
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
