/** The test for grains of zeros, which are not stored. */

/**
 * Whether all of `bytes` are zero. It is fast if they begin at a multiple of 4 and their length is a multiple
 * of 32.
 */
export function isZero(bytes: Uint8Array): boolean {
  const { buffer, byteOffset, length } = bytes;
  if (byteOffset % 4 !== 0 || length % 32 !== 0) return bytes.every((byte) => byte === 0);
  const words = new Int32Array(buffer, byteOffset, length / 4);
  for (let i = 0; i < words.length; i += 8) {
    if (
      (words[i] | words[i + 1] | words[i + 2] | words[i + 3] | words[i + 4] | words[i + 5] | words[i + 6] |
        words[i + 7]) !== 0
    ) return false;
  }
  return true;
}
