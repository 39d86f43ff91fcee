/**
 * The bitmap of changed blocks (FORMAT.md, "Bitmap"): one bit per block, the most significant bit first. A
 * bitmap file is never compressed.
 */

import { formatError } from "../errors.ts";
import { type BitmapPage, BitmapPages, PAGE_BYTES } from "./bitmap_pages.ts";
import type { ByteSink, ByteSource } from "./bytes.ts";
import { FieldReader, FieldWriter } from "./fields.ts";

/**
 * The largest bitmap that is accepted. It covers a disk of 512 TiB in blocks of 512 bytes, eight times the
 * largest VMDK. The two tables of a {@linkcode Bitmap} of this size have 16 MiB together.
 */
const MAX_BITS = 2 ** 40;
const HEADER_BYTES = 20;

const PAGE_BITS = PAGE_BYTES * 8;

/**
 * Entries of the page table. `ZEROS` and `ONES` mean that all bits of the page have this value, so that no
 * page is stored. Any other entry is the slot number of a stored page plus `FIRST_SLOT`.
 */
const ZEROS = 0;
const ONES = 1;
const FIRST_SLOT = 2;

/**
 * One bit per block, in pages of {@linkcode PAGE_BYTES}. A page whose bits are all equal takes no memory. The
 * {@linkcode BitmapPages} limit how many of the other pages are in memory at a time.
 */
export class Bitmap {
  /** The number of bits, which is the number of blocks of the disk. */
  readonly bitCount: number;
  readonly #pages: BitmapPages;
  readonly #table: Uint32Array;
  /** The number of set bits in each page. */
  readonly #counts: Uint32Array;
  #count = 0;
  /** The page that was used last, and the range of blocks that it covers (the end is exclusive). */
  #page?: BitmapPage;
  #pageStart = 0;
  #pageEnd = 0;

  /**
   * Creates a bitmap whose bits are all 0.
   *
   * @param pages the page memory, which all bitmaps of one job share
   * @throws {RangeError} if `bitCount` is no integer from 0 to 2^40
   */
  constructor(bitCount: number, pages: BitmapPages = new BitmapPages()) {
    if (!Number.isInteger(bitCount) || bitCount < 0 || bitCount > MAX_BITS) {
      throw new RangeError(`A bitmap of ${bitCount} bits is not possible: at most ${MAX_BITS} are accepted`);
    }
    this.bitCount = bitCount;
    this.#pages = pages;
    const pageCount = Math.ceil(bitCount / PAGE_BITS);
    this.#table = new Uint32Array(pageCount);
    this.#counts = new Uint32Array(pageCount);
  }

  get(block: number): boolean {
    const page = this.#pageOf(block);
    if (page === undefined) return this.#table[Math.floor(block / PAGE_BITS)] === ONES;
    const at = block - this.#pageStart;
    return (page.bytes[at >>> 3] & (0x80 >>> (at & 7))) !== 0;
  }

  set(block: number): void {
    this.#change(block, true);
  }

  clear(block: number): void {
    this.#change(block, false);
  }

  /** Sets the bits from `start` (inclusive) to `end` (exclusive). */
  setRange(start: number, end: number): void {
    for (let block = start; block < end;) {
      const number = Math.floor(block / PAGE_BITS);
      const pageEnd = Math.min(this.bitCount, (number + 1) * PAGE_BITS);
      if (block === number * PAGE_BITS && end >= pageEnd) {
        this.#count += pageEnd - block - this.#counts[number];
        this.#makeUniform(number, ONES);
        block = pageEnd;
      } else {
        this.set(block);
        block++;
      }
    }
  }

  /**
   * Returns the first block from `from` (inclusive) to `end` (exclusive) whose bit is `value`, or `end` if
   * there is none.
   */
  next(from: number, end: number, value: boolean): number {
    for (let block = from; block < end;) {
      const number = Math.floor(block / PAGE_BITS);
      const pageEnd = Math.min(end, (number + 1) * PAGE_BITS);
      const entry = this.#table[number];
      if (entry < FIRST_SLOT) {
        if ((entry === ONES) === value) return block;
        block = pageEnd;
        continue;
      }
      const { bytes } = this.#pageOf(block)!;
      const first = number * PAGE_BITS;
      const found = nextIn(bytes, { from: block - first, end: pageEnd - first, value });
      if (found < pageEnd - first) return first + found;
      block = pageEnd;
    }
    return end;
  }

  /** Yields the runs of set bits in ascending order. The end of a run is exclusive. */
  *runs(): Generator<{ start: number; end: number }, void> {
    const { bitCount } = this;
    for (let start = this.next(0, bitCount, true), end: number; start < bitCount;) {
      end = this.next(start, bitCount, false);
      yield { start, end };
      start = this.next(end, bitCount, true);
    }
  }

  /** Returns the number of set bits. */
  count(): number {
    return this.#count;
  }

  /** Writes the bitmap file. */
  async writeTo(sink: Pick<ByteSink, "write">): Promise<void> {
    await sink.write(new FieldWriter().integer(this.bitCount).bytes());
    const uniform = new Uint8Array(Math.min(PAGE_BYTES, Math.ceil(this.bitCount / 8)));
    for (const [number, entry] of this.#table.entries()) {
      const bits = this.#bitsOf(number);
      const bytes = entry < FIRST_SLOT
        ? uniform.fill(entry === ONES ? 0xff : 0)
        : this.#pages.page(entry - FIRST_SLOT, this.#bytesOf(number)).bytes;
      // The part is a copy, because the padding bits are cleared in it, and because the page may leave memory
      // while the write is under way.
      const part = bytes.slice(0, this.#bytesOf(number));
      if (bits % 8 !== 0) part[part.length - 1] &= 0xff << (8 - bits % 8);
      await sink.write(part);
    }
  }

  /** Sets the bits of one page from the bytes of a bitmap file. All bits of the page must be 0 before. */
  takePage(number: number, bytes: Uint8Array): void {
    const count = countBits(bytes);
    this.#count += count;
    if (count === 0) return;
    if (count === this.#bitsOf(number)) return this.#makeUniform(number, ONES);
    const page = this.#pages.newPage(this.#bytesOf(number));
    page.bytes.set(bytes);
    this.#table[number] = page.slot + FIRST_SLOT;
    this.#counts[number] = count;
  }

  #change(block: number, value: boolean): void {
    const page = this.#pageOf(block) ?? this.#mixedPageOf(block, value);
    if (page === undefined) return;
    const at = block - this.#pageStart;
    const bit = 0x80 >>> (at & 7);
    const byte = page.bytes[at >>> 3];
    if (((byte & bit) !== 0) === value) return;
    page.bytes[at >>> 3] = byte ^ bit;
    page.isChanged = true;
    const number = Math.floor(block / PAGE_BITS);
    this.#count += value ? 1 : -1;
    const pageCount = this.#counts[number] += value ? 1 : -1;
    if (pageCount === 0) this.#makeUniform(number, ZEROS);
    else if (pageCount === this.#bitsOf(number)) this.#makeUniform(number, ONES);
  }

  /** Returns the stored page that covers a block, or undefined if all bits of the page have one value. */
  #pageOf(block: number): BitmapPage | undefined {
    if (block >= this.#pageStart && block < this.#pageEnd && this.#page?.isInMemory) return this.#page;
    const number = Math.floor(block / PAGE_BITS);
    const entry = this.#table[number];
    if (entry < FIRST_SLOT) return undefined;
    return this.#hold(number, this.#pages.page(entry - FIRST_SLOT, this.#bytesOf(number)));
  }

  /**
   * Returns a stored page for a block whose page is uniform, so that one bit of it can be set to `value`.
   * Returns undefined if all bits of the page are `value` already.
   */
  #mixedPageOf(block: number, value: boolean): BitmapPage | undefined {
    const number = Math.floor(block / PAGE_BITS);
    if ((this.#table[number] === ONES) === value) return undefined;
    const page = this.#pages.newPage(this.#bytesOf(number));
    if (!value) page.bytes.fill(0xff);
    this.#table[number] = page.slot + FIRST_SLOT;
    return this.#hold(number, page);
  }

  #hold(number: number, page: BitmapPage): BitmapPage {
    this.#page = page;
    this.#pageStart = number * PAGE_BITS;
    this.#pageEnd = this.#pageStart + this.#bitsOf(number);
    return page;
  }

  #makeUniform(number: number, value: typeof ZEROS | typeof ONES): void {
    const entry = this.#table[number];
    if (entry >= FIRST_SLOT) this.#pages.free(entry - FIRST_SLOT);
    if (this.#pageStart === number * PAGE_BITS) this.#page = undefined;
    this.#table[number] = value;
    this.#counts[number] = value === ONES ? this.#bitsOf(number) : 0;
  }

  #bitsOf(number: number): number {
    return Math.min(PAGE_BITS, this.bitCount - number * PAGE_BITS);
  }

  #bytesOf(number: number): number {
    return Math.ceil(this.#bitsOf(number) / 8);
  }
}

const BITS_OF_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0;
  for (let rest = byte; rest > 0; rest >>= 1) bits += rest & 1;
  return bits;
});

function countBits(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) count += BITS_OF_BYTE[byte];
  return count;
}

/**
 * Returns the first bit of a page from `from` (inclusive) to `end` (exclusive) that is `value`, or `end` if
 * there is none.
 */
function nextIn(
  bytes: Uint8Array,
  { from, end, value }: { from: number; end: number; value: boolean },
): number {
  const flip = value ? 0 : 0xff;
  let at = from >>> 3;
  let byte = (bytes[at] ^ flip) & (0xff >>> (from & 7));
  const last = (end - 1) >>> 3;
  while (byte === 0 && at < last) byte = bytes[++at] ^ flip;
  return byte === 0 ? end : Math.min(end, at * 8 + Math.clz32(byte) - 24);
}

/**
 * Reads a whole bitmap.
 *
 * @param pages as in the constructor of {@linkcode Bitmap}
 * @throws {FormatError} if the file is cut, continues after the last bit, or has padding bits set. The
 * original program took missing bits for "unchanged", and so lost changes silently.
 */
export async function readBitmap(
  source: Pick<ByteSource, "path" | "read">,
  pages?: BitmapPages,
): Promise<Bitmap> {
  const start = new Uint8Array(HEADER_BYTES);
  const startLen = await source.read(start);
  const fields = new FieldReader(start.subarray(0, startLen), "bitmap", source.path);
  const bitCount = fields.integer({ name: "number of bits", min: 1, max: MAX_BITS });
  const { offset: headerBytes } = fields;
  const bitmap = new Bitmap(bitCount, pages);
  const expectedBytes = Math.ceil(bitCount / 8);
  /** The bytes of bits that were read together with the header. */
  let early = start.subarray(headerBytes, startLen);
  const part = new Uint8Array(PAGE_BYTES);
  for (let done = 0; done < expectedBytes; done += PAGE_BYTES) {
    const bytes = part.subarray(0, expectedBytes - done);
    bytes.set(early.subarray(0, bytes.length));
    const earlyBytes = Math.min(early.length, bytes.length);
    const got = earlyBytes + await source.read(bytes.subarray(earlyBytes));
    early = early.subarray(earlyBytes);
    if (got < bytes.length) {
      throw formatError("bitmap", {
        path: source.path,
        offsetBytes: headerBytes + done + got,
        expected: `${expectedBytes} bytes of bits`,
        found: `the end of the file after ${done + got}`,
      });
    }
    const isLast = done + bytes.length === expectedBytes;
    if (isLast) await requireEnd(source, { bytes, early, bitCount, headerBytes });
    bitmap.takePage(done / PAGE_BYTES, bytes);
  }
  return bitmap;
}

/**
 * Checks the end of a bitmap file.
 *
 * @param bytes the last page of bits
 * @throws {FormatError} if the file continues after its last byte of bits, or if padding bits are set
 */
async function requireEnd(
  source: Pick<ByteSource, "path" | "read">,
  { bytes, early, bitCount, headerBytes }: {
    bytes: Uint8Array;
    early: Uint8Array;
    bitCount: number;
    headerBytes: number;
  },
): Promise<void> {
  const expectedBytes = Math.ceil(bitCount / 8);
  if (early.length > 0 || await source.read(new Uint8Array(1)) > 0) {
    throw formatError("bitmap", {
      path: source.path,
      offsetBytes: headerBytes + expectedBytes,
      expected: `the end of the file after ${bitCount} bits`,
      found: "more",
    });
  }
  const padding = expectedBytes * 8 - bitCount;
  if ((bytes[bytes.length - 1] & ((1 << padding) - 1)) !== 0) {
    throw formatError("bitmap", {
      path: source.path,
      offsetBytes: headerBytes + expectedBytes - 1,
      expected: `${padding} padding bits of 0`,
      found: "a bit beyond the last block",
    });
  }
}
