/** How compressed files begin. By itself, so that a plain archive loads none of the code that decompresses. */

/** The two bytes that every gzip member begins with. RFC 1952, 2.3.1. */
const GZIP_MAGIC = [0x1f, 0x8b];

/** A zstd frame begins with it, in little-endian order. RFC 8878, 3.1.1. */
export const ZSTD_MAGIC = 0xfd2fb528;
export const ZSTD_MAGIC_LEN = 4;

/** Frames of data for other readers, such as a seek table: the low four bits are free. RFC 8878, 3.1.2. */
const SKIPPABLE_MAGIC = 0x184d2a50;

/** Tells by the first two bytes whether a file holds gzip data. */
export function isGzip(first: Uint8Array): boolean {
  return GZIP_MAGIC.every((byte, at) => first[at] === byte);
}

/** Tells by the first four bytes whether a file holds zstd data; pzstd(1) begins its files with a skippable frame. */
export function isZstd(first: Uint8Array): boolean {
  if (first.length < ZSTD_MAGIC_LEN) return false;
  const magic = new DataView(first.buffer, first.byteOffset).getUint32(0, true);
  return magic === ZSTD_MAGIC || isSkippable(magic);
}

/** Whether zstd's readers pass over the frame that begins with `magic`. */
export function isSkippable(magic: number): boolean {
  return magic - (magic % 16) === SKIPPABLE_MAGIC;
}
