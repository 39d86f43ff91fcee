/** The bitmap of changed blocks (FORMAT.md, "Bitmap"): never compressed, the most significant bit first. */

import { formatError } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";
import { FieldReader, FieldWriter } from "./fields.ts";

/** The bits of a 64 TiB disk in blocks of 512 bytes would take 16 GiB; a bitmap is held whole and stops at 128 MiB. */
const MAX_BITS = 2 ** 30;
const HEADER_BYTES = 20;

/** One bit a block. */
export class Bitmap {
  /** Blocks of the disk. */
  readonly bitCount: number;
  readonly #bytes: Uint8Array;

  /** All bits 0, or as in `bytes` (`ceil(bitCount / 8)` of them). @throws {RangeError} if there are too many bits */
  constructor(bitCount: number, bytes?: Uint8Array) {
    if (!Number.isInteger(bitCount) || bitCount < 0 || bitCount > MAX_BITS) {
      throw new RangeError(`A bitmap of ${bitCount} bits is not possible: at most ${MAX_BITS} are accepted`);
    }
    this.bitCount = bitCount;
    this.#bytes = bytes ?? new Uint8Array(Math.ceil(bitCount / 8));
  }

  get(block: number): boolean {
    return (this.#bytes[block >>> 3] & (0x80 >>> (block & 7))) !== 0;
  }

  set(block: number): void {
    this.#bytes[block >>> 3] |= 0x80 >>> (block & 7);
  }

  clear(block: number): void {
    this.#bytes[block >>> 3] &= ~(0x80 >>> (block & 7));
  }

  /** The first block at or after `from`, below `end`, whose bit is `value`; `end` if there is none. */
  next(from: number, end: number, value: boolean): number {
    const skipByte = value ? 0x00 : 0xff;
    let block = from;
    while (block < end) {
      if ((block & 7) === 0 && this.#bytes[block >>> 3] === skipByte) block += 8;
      else if (this.get(block) === value) return block;
      else block++;
    }
    return end;
  }

  /** How many bits are set. */
  count(): number {
    let count = 0;
    for (let block = this.next(0, this.bitCount, true); block < this.bitCount;) {
      const end = this.next(block, this.bitCount, false);
      count += end - block;
      block = this.next(end, this.bitCount, true);
    }
    return count;
  }

  /** The file. */
  toBytes(): Uint8Array {
    const header = new FieldWriter().integer(this.bitCount).bytes();
    const out = new Uint8Array(header.length + this.#bytes.length);
    out.set(header);
    out.set(this.#bytes, header.length);
    return out;
  }
}

/**
 * Reads a whole bitmap.
 *
 * @throws {FormatError} if it is cut, goes on after its last bit, or has padding bits set: the original took missing
 * bits for "unchanged" and so lost changes without a word
 */
export async function readBitmap(source: Pick<ByteSource, "path" | "read">): Promise<Bitmap> {
  const start = new Uint8Array(HEADER_BYTES);
  const startLen = await source.read(start);
  const fields = new FieldReader(start.subarray(0, startLen), "bitmap", source.path);
  const bitCount = fields.integer({ name: "number of bits", min: 1, max: MAX_BITS });
  const expectedBytes = Math.ceil(bitCount / 8);
  const bytes = new Uint8Array(expectedBytes);
  const inStart = start.subarray(fields.offset, startLen);
  const surplusInStart = inStart.length > expectedBytes;
  bytes.set(inStart.subarray(0, expectedBytes));
  const got = surplusInStart
    ? expectedBytes
    : inStart.length + await source.read(bytes.subarray(inStart.length));
  if (got < expectedBytes) {
    throw formatError("bitmap", {
      path: source.path,
      offsetBytes: fields.offset + got,
      expected: `${expectedBytes} bytes of bits`,
      found: `the end of the file after ${got}`,
    });
  }
  if (surplusInStart || await source.read(new Uint8Array(1)) > 0) {
    throw formatError("bitmap", {
      path: source.path,
      offsetBytes: fields.offset + expectedBytes,
      expected: `the end of the file after ${bitCount} bits`,
      found: "more",
    });
  }
  const padding = expectedBytes * 8 - bitCount;
  if ((bytes[expectedBytes - 1] & ((1 << padding) - 1)) !== 0) {
    throw formatError("bitmap", {
      path: source.path,
      offsetBytes: fields.offset + expectedBytes - 1,
      expected: `${padding} padding bits of 0`,
      found: "a bit beyond the last block",
    });
  }
  return new Bitmap(bitCount, bytes);
}
