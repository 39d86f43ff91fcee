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

import { Z_BUF_ERROR, Z_NO_FLUSH, Z_OK, Z_STREAM_END, zlibInflate, zlibInflateInit2, ZStream } from "pako";
import { type FormatError, formatError } from "../errors.ts";
import { ChunkSink, type Piece, PieceSource, showBytes } from "./chunks.ts";
import { type Codecs, HERE } from "./codecs.ts";
import { HEADER, HEADER_LEN, isOpenHeaderByte, MEMBER_BYTES, TRAILER_LEN } from "./gzip_member.ts";
import type { PlainSink, PlainSource } from "./plain.ts";

/**
 * Lengths that an extra field may promise and be believed. Beyond, a member is read as a foreign one: piece by piece, in
 * little memory. Four times what is written, so that a later version may cut more coarsely.
 */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024;

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
  constructor(file: PlainSink, { level = 1, codecs = HERE }: { level?: number; codecs?: Codecs } = {}) {
    if (!Number.isInteger(level) || level < 1 || level > 9) throw new RangeError(`No gzip level: ${level}`);
    super(file, {
      chunkBytes: MEMBER_BYTES,
      ahead: codecs.ahead,
      encode: (chunk, isLast) => codecs.gzip({ chunk, level, isLast }),
    });
  }
}

/** Reads what any gzip file holds; own members in one call each, foreign ones in constant memory. */
export class GzipSource extends PieceSource {
  /** Reads `file` from its current offset to its end, and closes it when disposed. */
  constructor(file: PlainSource, { codecs = HERE }: { codecs?: Codecs } = {}) {
    super(file, { pieces: gunzip(file, codecs), ahead: codecs.ahead });
  }
}

/** Yields the content of every member; returns at the end of the file, where nothing else may stand. */
async function* gunzip(file: PlainSource, codecs: Codecs): AsyncGenerator<Piece, void> {
  let isPromised = true;
  while (isPromised || (await file.peek(1)).length > 0) {
    await requireMagic(file, isPromised);
    const own = readOwnHeader(await file.peek(HEADER_LEN));
    if (own && codecs.ahead > 0) yield await gunzipOwnMember(file, own, codecs);
    else yield* gunzipForeignMember(file);
    isPromised = own !== undefined && !own.isLast;
  }
}

/** gzip(1) passes over zero bytes behind the last member, and warns of other ones; here both are damage. */
async function requireMagic(file: PlainSource, isPromised: boolean): Promise<void> {
  const magic = await file.peek(2);
  if (isGzip(magic)) return;
  throw formatError("gzip file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: isPromised ? "a gzip member" : "another gzip member or the end of the file",
    found: showBytes(magic),
  });
}

/** Where in a file something is. */
type Place = Pick<PlainSource, "path" | "offsetBytes">;

interface OwnHeader {
  memberLen: number;
  contentLen: number;
  isLast: boolean;
}

function readOwnHeader(header: Uint8Array): OwnHeader | undefined {
  if (header.length < HEADER_LEN) return undefined;
  if (!HEADER.every((byte, at) => isOpenHeaderByte(at) || header[at] === byte)) return undefined;
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

/** Takes one member off the file and has it decompressed, perhaps by another thread. */
async function gunzipOwnMember(
  file: PlainSource,
  { memberLen, contentLen }: OwnHeader,
  codecs: Codecs,
): Promise<Piece> {
  const member = await file.peek(memberLen);
  if (member.length < memberLen) throw cutMember(file, file.offsetBytes, member.length);
  const { path, offsetBytes } = file;
  const stored = member.slice();
  await file.skip(memberLen);
  const promised = codecs.gunzip({ stored, contentBytes: contentLen }).catch((cause) => {
    const reason = cause instanceof Error ? cause.message : "no deflate stream";
    throw damagedMember({ path, offsetBytes }, reason, { cause });
  });
  return { promised };
}

/**
 * Decodes one member of any origin and length. pako's inflate is a port of zlib that tells where a member ends to the byte,
 * which the streams of `node:zlib` do not; it verifies CRC-32 and length.
 */
async function* gunzipForeignMember(file: PlainSource): AsyncGenerator<Uint8Array, void> {
  const startBytes = file.offsetBytes;
  const stream = new ZStream();
  zlibInflateInit2(stream, GZIP_WINDOW_BITS);
  stream.output = new Uint8Array(PIECE_BYTES);
  for (let status: number = Z_OK; status !== Z_STREAM_END;) {
    stream.input = await file.peek(PIECE_BYTES);
    stream.avail_in = stream.input.length;
    stream.next_in = 0;
    stream.avail_out = PIECE_BYTES;
    stream.next_out = 0;
    status = zlibInflate(stream, Z_NO_FLUSH);
    const isStalled = stream.input.length === 0 && stream.next_out === 0;
    await file.skip(stream.next_in);
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
function damagedMember(file: Place, what: string, options?: ErrorOptions): FormatError {
  return formatError("gzip file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: "an intact gzip member",
    found: `damage (${what})`,
  }, options);
}
