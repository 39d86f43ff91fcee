/**
 * One gzip member in memory, made and read in one call: what can be done on any thread. `gzip.ts` draws its layout.
 */

import zlib from "node:zlib";

/**
 * Bytes of the stream in each member but the last. A reader holds one of them for each archive of a chain, so they are short:
 * a hundred archives take a few hundred megabytes of memory at 4 MiB each; less than 1 MiB costs compression.
 */
export const MEMBER_BYTES = 1024 * 1024;

export const HEADER_LEN = 25;
export const TRAILER_LEN = 8;

/** A member as it begins here; MTIME, XFL and OS stay open. */
export const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 13, 0, 0x56, 0x42, 9, 0);
const HEADER_OPEN_START = 4;
const HEADER_OPEN_END = 10;

/** Whether the byte of a member's header at `at` is open: MTIME, XFL and OS. */
export function isOpenHeaderByte(at: number): boolean {
  return at >= HEADER_OPEN_START && at < HEADER_OPEN_END;
}

/** Compresses `content` as one member; the same content gives the same bytes on every thread. */
export function gzipMember(
  content: Uint8Array,
  { level, isLast }: { level: number; isLast: boolean },
): Uint8Array {
  // An output buffer for the worst case: with the default of 16 KiB zlib's result is put together from hundreds of pieces.
  const deflated = zlib.deflateRawSync(content, { level, chunkSize: MEMBER_BYTES + MEMBER_BYTES / 1024 });
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

/**
 * Decompresses a whole member of ours, whose header promises `contentBytes` of content.
 *
 * @throws {Error} that says what does not agree
 */
export function gunzipMember(member: Uint8Array, contentBytes: number): Uint8Array {
  const trailer = new DataView(member.buffer, member.byteOffset + member.length - TRAILER_LEN);
  const content = zlib.inflateRawSync(member.subarray(HEADER_LEN, -TRAILER_LEN), {
    // A little more than promised, so that the end shows in the first round; up to two and a half times as fast.
    chunkSize: contentBytes + 64,
    // Obeyed since Deno 2.5 or so; before, a member made on purpose can take a thousand times its length for a moment.
    maxOutputLength: Math.max(contentBytes, 1),
  });
  // zlib ignores what follows the deflate stream, so the checks go to the trailer where the header says that it stands.
  if (content.length !== contentBytes) {
    throw new Error(`${content.length} bytes of content, not ${contentBytes}`);
  }
  if (trailer.getUint32(4, true) !== contentBytes) throw new Error("a trailer of another length");
  if (trailer.getUint32(0, true) !== zlib.crc32(content)) throw new Error("content of another checksum");
  return content;
}
