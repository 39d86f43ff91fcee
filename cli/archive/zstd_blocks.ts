/**
 * Zstd frames block by block: those that are too long to be decoded in one call, or do not tell their content size. libzstd does
 * it, and on Deno 2.4, where that can decode whole frames only, fzstd. That one lets pass some of what is no valid block, so of
 * damage in a frame without a checksum less is noticed there.
 */

import type { PlainSource } from "./plain.ts";
import { hasNativeZstd, ZstdStream } from "./zlib_engine.ts";
import {
  CHECKSUM_LEN,
  checksumOf,
  createHash,
  DESCRIPTOR_AT,
  HAS_CHECKSUM,
  type XxHash64,
} from "./zstd_frame.ts";
import {
  BLOCK_HEADER_LEN,
  type BlockHeader,
  COMPRESSED_BLOCK,
  damagedFrame,
  type FrameHeader,
  littleEndian,
  peekAll,
  readBlockHeader,
  unusable,
} from "./zstd_walk.ts";

/**
 * Largest window that is taken into memory: `zstd --ultra -21` and `--long=26` need it, RFC 8878 asks for 8 MiB. fzstd reads
 * distances beyond it wrongly (it takes 25 bits at a time; seen with `--long=27`).
 */
const MAX_WINDOW_BYTES = 64 * 1024 * 1024;

/** Decodes the frames of one file, one after the other. */
export class BlockwiseDecoder implements Disposable {
  readonly #mostEmptyBlocks: number;
  #blocks?: BlockDecoder;
  #hash?: XxHash64;

  /** Zeros look like empty blocks without end: whoever reads damaged files takes more than `mostEmptyBlocks` for damage. */
  constructor({ mostEmptyBlocks = Infinity } = {}) {
    this.#mostEmptyBlocks = mostEmptyBlocks;
  }

  /**
   * Yields the content of the frame at the file's offset, in parts that hold until the next one is asked for, and takes it off
   * the file. Its checksum is verified. Returns the length of the content.
   *
   * @throws {FormatError} if the frame is damaged or its window too large
   */
  async *decode(file: PlainSource, frame: FrameHeader): AsyncGenerator<Uint8Array, number> {
    if (frame.windowLen > MAX_WINDOW_BYTES) {
      throw unusable(file, `a window of at most ${MAX_WINDOW_BYTES} bytes`, `one of ${frame.windowLen}`);
    }
    const decoder = this.#blocks ??= await createBlockDecoder();
    const hash = this.#hash ??= await createHash();
    decoder.begin();
    hash.init();
    let contentLen = 0;
    let emptyBlocks = 0;
    let block: BlockHeader | undefined = await readBlockHeader(file, frame.headerLen, frame);
    let fed: Part = { lenBytes: frame.headerLen + BLOCK_HEADER_LEN, isCompressed: false, isFinal: false };
    for (;;) {
      for (const part of this.#feed(file, await bytesOf(file, frame, fed), fed)) {
        hash.update(part);
        contentLen += part.length;
        yield part;
      }
      await file.skip(fed.lenBytes);
      if (block === undefined) break;
      // With each block goes the header of the next one: fzstd 0.1.1 never frees a push that ends exactly with a block.
      const next: BlockHeader | undefined = block.isLast
        ? undefined
        : await readBlockHeader(file, block.storedLen, frame);
      if (block.storedLen === 0 && ++emptyBlocks > this.#mostEmptyBlocks) {
        throw damagedFrame(file, `more than ${this.#mostEmptyBlocks} empty blocks`);
      }
      fed = {
        lenBytes: block.storedLen + (next ? BLOCK_HEADER_LEN : 0),
        isCompressed: block.type === COMPRESSED_BLOCK,
        isFinal: block.isLast,
      };
      block = next;
    }

    if (frame.contentLen !== undefined && contentLen !== frame.contentLen) {
      throw damagedFrame(file, `${contentLen} bytes of content, not ${frame.contentLen}`);
    }
    if (frame.hasChecksum) {
      const checksum = littleEndian(await peekAll(file, CHECKSUM_LEN, frame.startBytes));
      if (checksum !== checksumOf(hash)) throw damagedFrame(file, "content of another checksum");
      await file.skip(CHECKSUM_LEN);
    }
    return contentLen;
  }

  [Symbol.dispose](): void {
    this.#blocks?.[Symbol.dispose]();
  }

  *#feed(file: PlainSource, bytes: Uint8Array, part: Part): Generator<Uint8Array, void> {
    try {
      yield* this.#blocks!.push(bytes, part);
    } catch (cause) {
      throw damagedFrame(file, reasonOf(cause), { cause });
    }
  }
}

/** What a decoder is given at a time. */
interface Part {
  lenBytes: number;
  isCompressed: boolean;
  isFinal: boolean;
}

/** The bytes of a part at the file's offset, in a copy since the decoder may keep what it cannot use yet. */
async function bytesOf(file: PlainSource, frame: FrameHeader, { lenBytes }: Part): Promise<Uint8Array> {
  const bytes = (await peekAll(file, lenBytes, frame.startBytes)).slice();
  // The checksum is verified here.
  if (file.offsetBytes === frame.startBytes) bytes[DESCRIPTOR_AT] &= ~HAS_CHECKSUM;
  return bytes;
}

/** Deno repeats what was tried; the WebAssembly module calls every fault a failed compression with a number of zstd_errors.h. */
export function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : `${cause}`;
  return message.replace("Zstd decompress error: ", "").replace(
    "Failed to compress with code -",
    "libzstd error ",
  );
}

/** Takes the bytes of a frame, the header and then its blocks, each with the header of the next one behind it. */
interface BlockDecoder extends Disposable {
  /** Begins a frame, whatever became of the one before. */
  begin(): void;
  /**
   * Gives what `bytes` make, in parts that hold until the next one is asked for; `bytes` are the decoder's from then on.
   * @throws {Error} with the reason if they are damaged
   */
  push(bytes: Uint8Array, part: Part): Iterable<Uint8Array>;
}

async function createBlockDecoder(): Promise<BlockDecoder> {
  if (hasNativeZstd()) return new ZstdStream();
  // Here, since other frames do without it.
  const { Decompress } = await import("fzstd");
  const pieces: Uint8Array[] = [];
  let decoder = new Decompress();
  return {
    begin() {
      pieces.length = 0;
      decoder = new Decompress((piece) => pieces.push(piece));
    },
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
