/** Decompression of gzip members of any program and any length. */

import { type FormatError, formatError } from "../errors.ts";
import type { PlainSource } from "./plain_source.ts";

/** The length of the parts in which content is decompressed. */
const PART_BYTES = 256 * 1024;
/** The same for a file that is one of many open ones. */
const SMALL_PART_BYTES = 32 * 1024;

/** Sum of window bits (15, the most) and the flag for gzip (16): `zlib.h`, `inflateInit2`. */
const GZIP_WINDOW_BITS = 15 + 16;

type Pako = typeof import("pako");

/**
 * Decompresses the members of one file, one after the other. The inflate of pako is a port of zlib that
 * reports the end of a member to the byte, which the streams of `node:zlib` do not; it verifies CRC-32 and
 * length. Its memory is allocated once, because a file may consist of millions of members.
 */
export class ForeignInflater {
  readonly #pako: Pako;
  readonly #stream: InstanceType<Pako["ZStream"]>;
  readonly #output: Uint8Array<ArrayBuffer>;

  private constructor(pako: Pako, partBytes: number) {
    this.#pako = pako;
    this.#stream = new pako.ZStream();
    this.#output = new Uint8Array(partBytes);
    pako.zlibInflateInit2(this.#stream, GZIP_WINDOW_BITS);
  }

  /** Creates an inflater. With `isSmall` it takes little memory. */
  static async create({ isSmall = false } = {}): Promise<ForeignInflater> {
    // pako is loaded here, because files with members of this program alone do not need it.
    return new ForeignInflater(await import("pako"), isSmall ? SMALL_PART_BYTES : PART_BYTES);
  }

  /**
   * Reads the member at the current offset of the file and yields its content, in parts that are valid until
   * the next one is requested. Returns the length of the content.
   *
   * @param options.isTolerant if the member is damaged, yields the content that was decompressed before the
   * damage, and then throws
   * @throws {FormatError} if the member is damaged or cut
   */
  async *inflate(file: PlainSource, { isTolerant = false } = {}): AsyncGenerator<Uint8Array, number> {
    const { Z_BUF_ERROR, Z_NO_FLUSH, Z_OK, Z_STREAM_END, zlibInflate, zlibInflateReset } = this.#pako;
    const startBytes = file.offsetBytes;
    const stream = this.#stream;
    zlibInflateReset(stream);
    stream.output = this.#output;
    let contentLen = 0;
    for (let status: number = Z_OK; status !== Z_STREAM_END;) {
      stream.input = await file.peekSome();
      stream.avail_in = stream.input.length;
      stream.next_in = 0;
      stream.avail_out = this.#output.length;
      stream.next_out = 0;
      status = zlibInflate(stream, Z_NO_FLUSH);
      const isStalled = stream.input.length === 0 && stream.next_out === 0;
      await file.skip(stream.next_in);
      const content = this.#output.subarray(0, stream.next_out);
      if (status !== Z_OK && status !== Z_STREAM_END && status !== Z_BUF_ERROR) {
        if (isTolerant) yield content;
        throw damagedMember(file, stream.msg);
      }
      if (isStalled && status !== Z_STREAM_END) throw cutMember(file, startBytes);
      contentLen += content.length;
      yield content;
    }
    return contentLen;
  }
}

/** Returns the error for a file that ends inside the member that begins at `startBytes`. */
export function cutMember(file: PlainSource, startBytes: number): FormatError {
  return formatError("gzip file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: `the rest of the member that begins at byte ${startBytes}`,
    found: "the end of the file",
  });
}

/**
 * Returns the error for damage at the file's offset, or in the member that begins there.
 *
 * @param what the damage, as a noun
 */
export function damagedMember(
  file: Pick<PlainSource, "path" | "offsetBytes">,
  what: string,
  options?: ErrorOptions,
): FormatError {
  return formatError("gzip file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: "an intact gzip member",
    found: `damage (${what})`,
  }, options);
}
