/**
 * A zstd frame block by block: libzstd does it, and on Deno 2.4, where that can decode whole frames only, fzstd. That one lets
 * pass some of what is no valid block, so of damage in a frame without a checksum less is noticed there.
 */

import { hasNativeZstd, ZstdStream } from "./zlib_engine.ts";

/** Takes the bytes of one frame, the header and then its blocks, each with the header of the next one behind it. */
export interface BlockDecoder extends Disposable {
  /** Returns what `bytes` give; they are the decoder's from then on. @throws {Error} with the reason if they are damaged */
  push(bytes: Uint8Array, part: { isCompressed: boolean; isFinal: boolean }): Uint8Array[];
}

/** A decoder for one frame. */
export async function createBlockDecoder(): Promise<BlockDecoder> {
  if (hasNativeZstd()) return new ZstdStream();
  // Here, since other frames do without it.
  const { Decompress } = await import("fzstd");
  const pieces: Uint8Array[] = [];
  const decoder = new Decompress((piece) => pieces.push(piece));
  return {
    push(bytes, { isCompressed, isFinal }) {
      if (isCompressed && hasEndlessWeights(bytes)) throw new Error("Huffman weights of no bits");
      decoder.push(bytes, isFinal);
      return pieces.splice(0);
    },
    [Symbol.dispose]: () => {},
  };
}

const COMPRESSED_LITERALS = 2;

/**
 * Whether the Huffman weights of a compressed block are coded with a single symbol, which takes no bits: fzstd 0.1.1 reads
 * such weights for ever. Damage makes them, no encoder does (facebook/zstd, pull request 3813).
 */
function hasEndlessWeights(block: Uint8Array): boolean {
  if ((block[0] & 0b11) !== COMPRESSED_LITERALS) return false;
  const table = block.subarray([3, 3, 4, 5][(block[0] >> 2) & 0b11]);
  if (table[0] >= 128) return false;
  let bitAt = 8;
  const bits = (count: number) => {
    const at = bitAt >> 3;
    return ((table[at] | (table[at + 1] << 8) | (table[at + 2] << 16)) >> (bitAt & 7)) & ((1 << count) - 1);
  };
  // RFC 8878, 4.1.1. While all of the probability is left, no probability is coded as 1 and all of it as ones in one bit more.
  const accuracyLog = bits(4) + 5;
  bitAt += 4;
  while (bits(accuracyLog) === 1) {
    bitAt += accuracyLog;
    // Two bits tell how many symbols without probability follow; three of them go on.
    while (bits(2) === 3) bitAt += 2;
    bitAt += 2;
  }
  return bits(accuracyLog + 1) === (1 << (accuracyLog + 1)) - 1;
}
