/**
 * Compression and decompression of one gzip member in memory, which any thread can do. The layout of a member
 * is drawn in `gzip.ts`.
 */

import zlib from "node:zlib";
import { isIncompressible } from "./incompressible.ts";
import { deflateInto, inflateInto } from "./zlib_engine.ts";

/** The length in bytes of the header of a member of this program, extra field included. */
export const HEADER_LEN = 25;
/** The length in bytes of the trailer of a member: CRC-32 and length of the content. */
export const TRAILER_LEN = 8;

/** The first bytes of every member of this program. MTIME, XFL and OS (bytes 4 to 9) may have any value. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 13, 0, 0x56, 0x42, 9, 0);
const HEADER_OPEN_START = 4;
const HEADER_OPEN_END = 10;

/** The header of a member that this program wrote. */
export interface OwnHeader {
  memberLen: number;
  contentLen: number;
  isLast: boolean;
}

/**
 * Reads the first {@linkcode HEADER_LEN} bytes of a member. Returns `undefined` if another program wrote it.
 */
export function readOwnHeader(header: Uint8Array): OwnHeader | undefined {
  if (header.length < HEADER_LEN) return undefined;
  const isOpen = (at: number) => at >= HEADER_OPEN_START && at < HEADER_OPEN_END;
  if (!HEADER.every((byte, at) => isOpen(at) || header[at] === byte) || header[24] > 1) return undefined;
  const fields = fieldsOf(header);
  return {
    memberLen: fields.getUint32(16, true),
    contentLen: fields.getUint32(20, true),
    isLast: header[24] === 1,
  };
}

/**
 * The largest length of a stored block, and the length of its header: last-block flag, length, inverted
 * length. RFC 1951, 3.2.4.
 */
const STORED_BLOCK_BYTES = 0xffff;
const STORED_HEAD_LEN = 5;

/**
 * The highest level at which content that looks incompressible is stored without a try. A user who asks for a
 * higher level accepts the time.
 */
const MAX_LEVEL_TO_LOOK = 3;

/**
 * Compresses `content` as one member at the start of `into`, whose length is at least `storedBound` of the
 * length of `content`. Returns the length of the member. Content that does not shrink is stored. The same
 * content gives the same bytes on every thread.
 */
export function gzipMember(
  content: Uint8Array,
  { into, level, isLast }: { into: Uint8Array; level: number; isLast: boolean },
): number {
  const room = into.subarray(HEADER_LEN, into.length - TRAILER_LEN);
  const isHopeless = level <= MAX_LEVEL_TO_LOOK && isIncompressible(content);
  const deflatedLen = (isHopeless ? undefined : deflateInto(content, { into: room, level })) ??
    storeInto(content, room);
  const memberLen = HEADER_LEN + deflatedLen + TRAILER_LEN;
  const fields = fieldsOf(into);
  into.set(HEADER);
  into[8] = level === 1 ? 4 : level === 9 ? 2 : 0;
  fields.setUint32(16, memberLen, true);
  fields.setUint32(20, content.length, true);
  into[24] = isLast ? 1 : 0;
  fields.setUint32(memberLen - 8, zlib.crc32(content), true);
  fields.setUint32(memberLen - 4, content.length, true);
  return memberLen;
}

/**
 * Writes `content` uncompressed as a deflate stream and returns its length. Level 0 of zlib is not used,
 * because it makes shorter blocks when there is little room for output.
 */
function storeInto(content: Uint8Array, into: Uint8Array): number {
  const fields = fieldsOf(into);
  let at = 0;
  let stored = 0;
  do {
    const block = content.subarray(stored, stored + STORED_BLOCK_BYTES);
    stored += block.length;
    into[at] = stored === content.length ? 1 : 0;
    fields.setUint16(at + 1, block.length, true);
    fields.setUint16(at + 3, ~block.length, true);
    into.set(block, at + STORED_HEAD_LEN);
    at += STORED_HEAD_LEN + block.length;
  } while (stored < content.length);
  return at;
}

/**
 * Decompresses a whole member of this program into `into`, which must be as long as its header says.
 *
 * @throws {Error} whose message names the mismatch
 */
export function gunzipMember(member: Uint8Array, into: Uint8Array): void {
  inflateInto(member.subarray(HEADER_LEN, -TRAILER_LEN), into);
  if (contentLenOf(member) !== into.length) throw new Error("a trailer of another length");
  if (!isMemberOf(member, into)) throw new Error("content of another checksum");
}

/** Returns whether the trailer of a whole member has the length and the checksum of `content`. */
export function isMemberOf(member: Uint8Array, content: Uint8Array): boolean {
  const checksum = fieldsOf(member).getUint32(member.length - TRAILER_LEN, true);
  return contentLenOf(member) === content.length && checksum === zlib.crc32(content);
}

function contentLenOf(member: Uint8Array): number {
  return fieldsOf(member).getUint32(member.length - 4, true);
}

function fieldsOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
