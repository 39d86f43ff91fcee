/** A table of the lengths of all pieces of a file. Its memory does not grow with the file. */

import { type OpenScratch, ScratchFile } from "./scratch.ts";

/** The lengths of a piece in the file and in the stream, both below 2^32. */
export interface PieceLengths {
  storedBytes: number;
  contentBytes: number;
}

/** The length of an entry: `u32 stored, u32 content`, little-endian, as in the zstd seekable format. */
export const PIECE_ENTRY_BYTES = 8;

const FIRST_PAGE_BYTES = 4 * 1024;
/** The largest page in memory: 131 072 entries, which describe about 128 GiB. */
const PAGE_BYTES = 1024 * 1024;

/** A list of pieces. Its last page is in memory, and the others are in a scratch file. */
export class PieceTable {
  /** The number of pieces in the list. */
  count = 0;
  readonly #scratch?: ScratchFile;
  #page = new Uint8Array(FIRST_PAGE_BYTES);
  #fields = new DataView(this.#page.buffer);
  /** The total length of the pages in the scratch file. All of them are full. */
  #spilledBytes = 0;

  /** Creates an empty list. Without `scratch`, all of it is kept in memory. */
  constructor({ scratch }: { scratch?: OpenScratch } = {}) {
    this.#scratch = scratch && new ScratchFile(scratch);
  }

  /** Adds a piece at the end. @throws {ScratchError} if the scratch file cannot be written */
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

  /** Removes all but the first `count` pieces. @throws {ScratchError} if the scratch file cannot be read */
  cut(count: number): void {
    const { count: before } = this;
    if (count > before) throw new RangeError(`Cannot cut a list of ${before} pieces after ${count}`);
    const pageStart = Math.floor(count * PIECE_ENTRY_BYTES / PAGE_BYTES) * PAGE_BYTES;
    if (pageStart < this.#spilledBytes) {
      this.#scratch!.read(this.#page, pageStart);
      this.#spilledBytes = pageStart;
    }
    this.count = count;
  }

  /**
   * Yields all entries in order, in parts that are valid until the next one is requested. No piece may be
   * added meanwhile.
   */
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

  /** Makes room for an entry: enlarges the page, or writes it to the scratch file. */
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
