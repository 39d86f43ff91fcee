/** The lengths of all pieces of a file, in memory that does not grow with it. */

import { type OpenScratch, ScratchFile } from "./scratch.ts";

/** Lengths of a piece, in the file and in the stream, each below 2^32. */
export interface PieceLengths {
  storedBytes: number;
  contentBytes: number;
}

/** Bytes of one entry: `u32 stored, u32 content`, little-endian, as the zstd seekable format has them. */
export const PIECE_ENTRY_BYTES = 8;

const FIRST_PAGE_BYTES = 4 * 1024;
/** Entries that are kept in memory: 131 072, those of some 128 GiB. */
const PAGE_BYTES = 1024 * 1024;

/** A list of pieces: the last page of it in memory, the others in a scratch file. */
export class PieceTable {
  /** Pieces of the list. */
  count = 0;
  readonly #scratch?: ScratchFile;
  #page = new Uint8Array(FIRST_PAGE_BYTES);
  #fields = new DataView(this.#page.buffer);
  /** Bytes of the pages in the scratch file, all of them full. */
  #spilledBytes = 0;

  /** Without `scratch` all is kept in memory. */
  constructor({ scratch }: { scratch?: OpenScratch } = {}) {
    this.#scratch = scratch && new ScratchFile(scratch);
  }

  /** Adds a piece to the end. @throws {Error} if the scratch file cannot be written */
  add({ storedBytes, contentBytes }: PieceLengths): void {
    const at = this.#pageBytes;
    if (at === this.#page.length) {
      this.#makeRoom();
      return this.add({ storedBytes, contentBytes });
    }
    this.#fields.setUint32(at, storedBytes, true);
    this.#fields.setUint32(at + 4, contentBytes, true);
    this.count++;
  }

  /** Takes away all but the first `count` pieces. */
  cut(count: number): void {
    const { count: before } = this;
    if (count > before) throw new RangeError(`Cannot cut a list of ${before} pieces behind ${count}`);
    const pageStart = Math.floor(count * PIECE_ENTRY_BYTES / PAGE_BYTES) * PAGE_BYTES;
    if (pageStart < this.#spilledBytes) {
      this.#scratch!.read(this.#page, pageStart);
      this.#spilledBytes = pageStart;
    }
    this.count = count;
  }

  /** All entries in order, in parts that hold until the next one is asked for. Nothing is added meanwhile. */
  *entries(): Generator<Uint8Array, void> {
    const part = new Uint8Array(this.#spilledBytes > 0 ? PAGE_BYTES : 0);
    for (let at = 0; at < this.#spilledBytes; at += PAGE_BYTES) {
      this.#scratch!.read(part, at);
      yield part;
    }
    yield this.#page.subarray(0, this.#pageBytes);
  }

  get #pageBytes(): number {
    return this.count * PIECE_ENTRY_BYTES - this.#spilledBytes;
  }

  /** Makes the page larger, or puts it away. */
  #makeRoom(): void {
    if (this.#page.length < PAGE_BYTES || this.#scratch === undefined) {
      const page = new Uint8Array(2 * this.#page.length);
      page.set(this.#page);
      this.#page = page;
      this.#fields = new DataView(page.buffer);
    } else {
      this.#scratch.write(this.#page, this.#spilledBytes);
      this.#spilledBytes += PAGE_BYTES;
    }
  }
}
