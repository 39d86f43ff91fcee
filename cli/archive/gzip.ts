/**
 * The gzip container (RFC 1952): the stream as a row of ordinary members, readable by every gzip tool.
 *
 * One deflate stream can be read on one core only, byte after byte, by code that finds its end by itself. The members written
 * here are independent and tell their lengths in an extra field (RFC 1952, 2.3.1.1; bgzip of samtools does alike), so that a
 * reader can cut the file into members without decoding, decompress each in one call, and do so on several cores.
 *
 * ```
 *  0  1f 8b 08 04   magic, deflate, FLG.FEXTRA
 *  4  00 00 00 00   MTIME: none, the same stream gives the same file
 *  8  xx ff         XFL: 4 fastest, 2 slowest, 0 between; OS: unknown
 * 10  0d 00         XLEN: 13 bytes of extra field
 * 12  "VB" 09 00    the subfield and its 9 bytes
 * 16  u32           length of the member, first header byte to last trailer byte
 * 20  u32           length of its content
 * 24  u8            1: last member of the stream, 0: another one follows
 * 25  deflate ...   then CRC-32 and length of the content, u32 each (little-endian, as all of gzip)
 * ```
 *
 * The last byte of the subfield makes a file that is cut between two members as noticeable as any other cut.
 */

import zlib from "node:zlib";
import { Z_BUF_ERROR, Z_NO_FLUSH, Z_OK, Z_STREAM_END, zlibInflate, zlibInflateInit2, ZStream } from "pako";
import { type FormatError, formatError } from "../errors.ts";
import { ChunkSink, PieceSource, showBytes } from "./bytes.ts";
import type { PlainSink, PlainSource } from "./plain.ts";

/** Bytes of the stream in each member but the last. */
export const MEMBER_BYTES = 4 * 1024 * 1024;

/**
 * Lengths that an extra field may promise and be believed. Beyond, a member is read as a foreign one: piece by piece, in
 * little memory. Four times what is written, so that a later version may cut more coarsely.
 */
const MAX_WHOLE_BYTES = 16 * 1024 * 1024;

const HEADER_LEN = 25;
const TRAILER_LEN = 8;

/** A member as it begins here; MTIME, XFL and OS stay open. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 13, 0, 0x56, 0x42, 9, 0);
const HEADER_OPEN_START = 4;
const HEADER_OPEN_END = 10;

/** Pieces that a foreign member is decoded in. */
const PIECE_BYTES = 256 * 1024;

/** Sum of window bits (15, the most) and the flag for gzip (16): `zlib.h`, `inflateInit2`. */
const GZIP_WINDOW_BITS = 15 + 16;

/** Tells by the first two bytes whether a file holds gzip data. */
export function isGzip(first: Uint8Array): boolean {
  return first[0] === HEADER[0] && first[1] === HEADER[1];
}

/** Writes a stream as gzip members of {@linkcode MEMBER_BYTES}. */
export class GzipSink extends ChunkSink {
  /**
   * Writes to `file`. `level` is zlib's, 1 to 9; 1 is what the original used, three times as fast as 6.
   * @throws {RangeError} if there is no such level
   */
  constructor(file: PlainSink, { level = 1 }: { level?: number } = {}) {
    if (!Number.isInteger(level) || level < 1 || level > 9) throw new RangeError(`No gzip level: ${level}`);
    super(file, {
      chunkBytes: MEMBER_BYTES,
      encode: (chunk, isLast) => gzipMember(chunk, { level, isLast }),
    });
  }
}

/** Reads what any gzip file holds; own members in one call each, foreign ones in constant memory. */
export class GzipSource extends PieceSource {
  /** Reads `file` from its current offset to its end, and closes it when disposed. */
  constructor(file: PlainSource) {
    super(file, gunzip(file));
  }
}

function gzipMember(content: Uint8Array, { level, isLast }: { level: number; isLast: boolean }): Uint8Array {
  const deflated = zlib.deflateRawSync(content, { level });
  const member = new Uint8Array(HEADER_LEN + deflated.length + TRAILER_LEN);
  const fields = new DataView(member.buffer);
  member.set(HEADER);
  member[8] = level === 1 ? 4 : level === 9 ? 2 : 0;
  fields.setUint32(16, member.length, true);
  fields.setUint32(20, content.length, true);
  member[24] = isLast ? 1 : 0;
  member.set(deflated, HEADER_LEN);
  fields.setUint32(member.length - 8, zlib.crc32(content), true);
  fields.setUint32(member.length - 4, content.length, true);
  return member;
}

/** Yields the content of every member; returns at the end of the file, where nothing else may stand. */
function* gunzip(file: PlainSource): Generator<Uint8Array, void> {
  let isPromised = true;
  while (isPromised || file.peek(1).length > 0) {
    requireMagic(file, isPromised);
    const own = readOwnHeader(file.peek(HEADER_LEN));
    if (own) yield gunzipOwnMember(file, own);
    else yield* gunzipForeignMember(file);
    isPromised = own !== undefined && !own.isLast;
  }
}

/** gzip(1) passes over zero bytes behind the last member, and warns of other ones; here both are damage. */
function requireMagic(file: PlainSource, isPromised: boolean): void {
  const magic = file.peek(2);
  if (isGzip(magic)) return;
  throw formatError("gzip file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: isPromised ? "a gzip member" : "another gzip member or the end of the file",
    found: showBytes(magic),
  });
}

interface OwnHeader {
  memberLen: number;
  contentLen: number;
  isLast: boolean;
}

function readOwnHeader(header: Uint8Array): OwnHeader | undefined {
  if (header.length < HEADER_LEN) return undefined;
  const isOpen = (at: number) => at >= HEADER_OPEN_START && at < HEADER_OPEN_END;
  if (!HEADER.every((byte, at) => isOpen(at) || header[at] === byte)) return undefined;
  const fields = new DataView(header.buffer, header.byteOffset);
  const own = {
    memberLen: fields.getUint32(16, true),
    contentLen: fields.getUint32(20, true),
    isLast: header[24] === 1,
  };
  const isBelievable = own.memberLen > HEADER_LEN + TRAILER_LEN && header[24] <= 1 &&
    Math.max(own.memberLen, own.contentLen) <= MAX_WHOLE_BYTES;
  return isBelievable ? own : undefined;
}

function gunzipOwnMember(file: PlainSource, { memberLen, contentLen }: OwnHeader): Uint8Array {
  const member = file.peek(memberLen);
  if (member.length < memberLen) throw cutMember(file, file.offsetBytes, member.length);
  const content = inflate(file, member.subarray(HEADER_LEN, -TRAILER_LEN), contentLen);
  const trailer = new DataView(member.buffer, member.byteOffset + memberLen - TRAILER_LEN);
  // zlib passes over what follows the deflate stream; that the trailer stands where the header says leaves no room for it.
  if (content.length !== contentLen || trailer.getUint32(4, true) !== contentLen) {
    throw damagedMember(file, `content of another length than ${contentLen}`);
  }
  if (trailer.getUint32(0, true) !== zlib.crc32(content)) {
    throw damagedMember(file, "content of another checksum");
  }
  file.skip(memberLen);
  return content;
}

function inflate(file: PlainSource, deflated: Uint8Array, contentLen: number): Uint8Array {
  try {
    return zlib.inflateRawSync(deflated, {
      // All in one piece, and room to spare that shows the end: half as fast again as with the default of 16 KiB.
      chunkSize: contentLen + 64,
      // Deno 2.4 does not obey it: there a member made to deceive may take a thousand times its length before it is refused.
      maxOutputLength: Math.max(contentLen, 1),
    });
  } catch (cause) {
    throw damagedMember(file, cause instanceof Error ? cause.message : `${cause}`, { cause });
  }
}

/**
 * Decodes one member of any origin and length. pako's inflate is a port of zlib that tells where a member ends to the byte,
 * which the streams of `node:zlib` do not; it verifies CRC-32 and length.
 */
function* gunzipForeignMember(file: PlainSource): Generator<Uint8Array, void> {
  const startBytes = file.offsetBytes;
  const stream = new ZStream();
  zlibInflateInit2(stream, GZIP_WINDOW_BITS);
  stream.output = new Uint8Array(PIECE_BYTES);
  for (let status: number = Z_OK; status !== Z_STREAM_END;) {
    stream.input = file.peek(PIECE_BYTES);
    stream.avail_in = stream.input.length;
    stream.next_in = 0;
    stream.avail_out = PIECE_BYTES;
    stream.next_out = 0;
    status = zlibInflate(stream, Z_NO_FLUSH);
    const isStalled = stream.input.length === 0 && stream.next_out === 0;
    file.skip(stream.next_in);
    if (status !== Z_OK && status !== Z_STREAM_END && status !== Z_BUF_ERROR) {
      throw damagedMember(file, stream.msg);
    }
    if (isStalled && status !== Z_STREAM_END) throw cutMember(file, startBytes);
    yield stream.output.subarray(0, stream.next_out);
  }
}

/** `aheadLen` bytes of the member are left of the file. */
function cutMember(file: PlainSource, startBytes: number, aheadLen = 0): FormatError {
  return formatError("gzip file", {
    path: file.path,
    offsetBytes: file.offsetBytes + aheadLen,
    expected: `the rest of the member that begins at byte ${startBytes}`,
    found: "the end of the file",
  });
}

/** `what` names the damage that was noticed at the file's offset or in the member that begins there. */
function damagedMember(file: PlainSource, what: string, options?: ErrorOptions): FormatError {
  return formatError("gzip file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: "an intact gzip member",
    found: `damage (${what})`,
  }, options);
}
