/**
 * The magic numbers of compressed files. They are in a file of their own, so that reading a plain archive
 * loads no code that decompresses.
 */

/** The first two bytes of every gzip member. RFC 1952, 2.3.1. */
const GZIP_MAGIC = [0x1f, 0x8b];

/** The first four bytes of a zstd frame, as a little-endian integer. RFC 8878, 3.1.1. */
export const ZSTD_MAGIC = 0xfd2fb528;
/** The length in bytes of the magic number of a frame. */
export const ZSTD_MAGIC_LEN = 4;

/**
 * The magic number of a skippable frame, which contains data for special readers, such as a seek table. Its
 * low four bits may have any value. RFC 8878, 3.1.2.
 */
const SKIPPABLE_MAGIC = 0x184d2a50;

/** Returns whether a file contains gzip data, by its first two bytes. */
export function isGzip(first: Uint8Array): boolean {
  return GZIP_MAGIC.every((byte, at) => first[at] === byte);
}

/**
 * Returns whether a file contains zstd data, by its first four bytes. Skippable frames count, because
 * pzstd(1) begins its files with one.
 */
export function isZstd(first: Uint8Array): boolean {
  if (first.length < ZSTD_MAGIC_LEN) return false;
  const magic = new DataView(first.buffer, first.byteOffset).getUint32(0, true);
  return magic === ZSTD_MAGIC || isSkippable(magic);
}

/** Returns whether a frame with this magic number is a skippable one. */
export function isSkippable(magic: number): boolean {
  return magic - (magic % 16) === SKIPPABLE_MAGIC;
}
