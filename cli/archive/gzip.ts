/**
 * The gzip container (RFC 1952): the stream as a sequence of ordinary members, readable by every gzip tool.
 *
 * A single deflate stream can be decompressed only from its start, on one core, and its end is found only by
 * decompressing it. The members that are written here are independent and have their length in an extra field
 * (RFC 1952, 2.3.1.1; bgzip of samtools does the same). A reader can therefore split the file into members
 * without decompressing, decompress each in one call, and do so on several cores.
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
 * The last byte of the subfield makes it detectable that a file was cut between two members. The last member
 * that is written here is empty, so that no member must be held back until it is known whether another one
 * follows.
 */

import { formatError, ThreadError } from "../errors.ts";
import { type Codecs, HERE } from "./codecs.ts";
import { cutMember, damagedMember, ForeignInflater } from "./gzip_foreign.ts";
import { HEADER_LEN, isMemberOf, type OwnHeader, readOwnHeader, TRAILER_LEN } from "./gzip_member.ts";
import { isGzip } from "./magic.ts";
import { MANY_MAX_BYTES, type ManySources } from "./many_sources.ts";
import type { Piece, PieceMemory } from "./piece.ts";
import { PieceSink, type PieceSinkOptions } from "./piece_sink.ts";
import { PieceSource, showBytes } from "./piece_source.ts";
import type { PlainSource } from "./plain_source.ts";
import type { PlainSink } from "./plain_sink.ts";

/**
 * The largest lengths in an extra field that are accepted. A member with larger ones is read as a member of
 * another program, part by part, in little memory. The limit is twice the length that is written today, so
 * that a later version may use larger pieces.
 */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024;

/**
 * The default level. zlib-ng compresses text to 48 % with level 1 at 285 MiB/s, to 34 % with level 2 at 141
 * MiB/s, and to 33 % with level 3 at 119 MiB/s. Level 1 of zlib, which the original program used, compresses
 * it to 36 %.
 */
const DEFAULT_LEVEL = 2;

/** Writes a stream as gzip members, one for each write of up to 2 MiB. */
export class GzipSink extends PieceSink {
  /**
   * Writes to `file`.
   *
   * @param options.level the level of zlib, 1 to 9. Without it, members that were read from a gzip file are
   * copied in their stored form.
   * @throws {RangeError} if there is no such level
   */
  constructor(file: PlainSink, options: { level?: number; codecs?: Codecs } & PieceSinkOptions = {}) {
    const { level = DEFAULT_LEVEL, codecs = HERE } = options;
    if (!Number.isInteger(level) || level < 1 || level > 9) throw new RangeError(`No gzip level: ${level}`);
    super(file, {
      ahead: codecs.ahead,
      encode: (given) => codecs.gzip({ ...given, level }),
      ...options.level === undefined &&
        { copyableSource: (source) => source instanceof GzipSource ? source : undefined },
      holds(stored, content) {
        const own = readOwnHeader(stored.subarray(0, HEADER_LEN));
        return own?.isLast === false && own.memberLen === stored.length &&
          own.contentLen === content.length && isMemberOf(stored, content);
      },
    }, options);
  }
}

/**
 * Reads any gzip file. Members that this program wrote are decompressed in one call each, members of other
 * programs in constant memory.
 */
export class GzipSource extends PieceSource {
  /**
   * Reads `file` from its current offset to its end, and closes it when disposed.
   *
   * @param options.many what this source shares with many others that are open at the same time
   */
  constructor(file: PlainSource, { codecs = HERE, many }: { codecs?: Codecs; many?: ManySources } = {}) {
    super(file, { pieces: (memory) => gunzip(file, { codecs, memory, many }), ahead: codecs.ahead, many });
  }
}

/**
 * Yields the content of every member. Returns at the end of the file, and throws if the file continues with
 * anything but a member.
 */
async function* gunzip(
  file: PlainSource,
  { codecs, memory, many }: { codecs: Codecs; memory: PieceMemory; many?: ManySources },
): AsyncGenerator<Piece, void> {
  // A source that is one of many may have to decompress a piece twice, and its buffers have room for the
  // pieces that are written today.
  const maxWholeBytes = many === undefined ? MAX_WHOLE_BYTES : file.isSeekable ? MANY_MAX_BYTES : 0;
  let inflater: ForeignInflater | undefined;
  let isPromised = true;
  while (isPromised || (await file.peek(1)).length > 0) {
    await requireMagic(file, isPromised);
    const own = plausibleHeader(readOwnHeader(await file.peek(HEADER_LEN)));
    if (own !== undefined && Math.max(own.memberLen, own.contentLen) <= maxWholeBytes) {
      yield await takeOwnMember(file, own, { codecs, memory });
    } else {
      inflater ??= await ForeignInflater.create({ isSmall: many !== undefined });
      const { path, offsetBytes } = file;
      const contentLen = yield* inflater.inflate(file);
      const memberLen = file.offsetBytes - offsetBytes;
      if (own !== undefined && (contentLen !== own.contentLen || memberLen !== own.memberLen)) {
        throw damagedMember({ path, offsetBytes }, "other lengths than its header promises");
      }
    }
    isPromised = own !== undefined && !own.isLast;
  }
}

/** Reads one member from the file and starts to decompress it, possibly on another thread. */
function takeOwnMember(
  file: PlainSource,
  { memberLen, contentLen, isLast }: OwnHeader,
  { codecs, memory }: { codecs: Codecs; memory: PieceMemory },
): Promise<Piece> {
  const { path, offsetBytes } = file;
  return memory.takePiece(file, {
    storedBytes: memberLen,
    contentBytes: contentLen,
    isLast,
    cut: () => cutMember(file, offsetBytes),
    decode: (given) =>
      codecs.gunzip(given).catch((cause) => {
        if (cause instanceof ThreadError) throw cause;
        const reason = cause instanceof Error ? cause.message : "no deflate stream";
        throw damagedMember({ path, offsetBytes }, reason, { cause });
      }),
  });
}

/**
 * Walks from member to member by their lengths, without decompressing them. Returns false at a member of
 * another program, which has no length in its header.
 *
 * @throws {FormatError} if the file is cut, or continues with other data
 */
export async function walkGzip(file: PlainSource): Promise<boolean> {
  let isPromised = true;
  while (isPromised || (await file.peek(1)).length > 0) {
    await requireMagic(file, isPromised);
    const own = plausibleHeader(readOwnHeader(await file.peek(HEADER_LEN)));
    if (own === undefined) return false;
    const startBytes = file.offsetBytes;
    const [b0, b1, b2, b3] = await file.peekAt(own.memberLen - 4, 4);
    if (await file.skip(own.memberLen) < own.memberLen) throw cutMember(file, startBytes);
    // The trailer repeats the length of the content.
    if (((b0 | (b1 << 8) | (b2 << 16) | (b3 << 24)) >>> 0) !== own.contentLen) {
      throw damagedMember({ path: file.path, offsetBytes: startBytes }, "two lengths of its content");
    }
    isPromised = !own.isLast;
  }
  return true;
}

/**
 * Requires that a member begins at the current offset. gzip(1) ignores zero bytes after the last member and
 * warns about other bytes; here both are damage.
 */
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

/**
 * Returns the header of a member of this program if its lengths allow to decompress the member in one call.
 */
export function plausibleHeader(own?: OwnHeader): OwnHeader | undefined {
  if (own === undefined || own.memberLen <= HEADER_LEN + TRAILER_LEN) return undefined;
  return Math.max(own.memberLen, own.contentLen) <= MAX_WHOLE_BYTES ? own : undefined;
}
