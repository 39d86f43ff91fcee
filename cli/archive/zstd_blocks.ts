/**
 * Decompression of zstd frames block by block, for frames that are too long for one call or have no content
 * size. libzstd does it. On Deno 2.4, whose libzstd can only decompress whole frames, fzstd does it. fzstd
 * accepts some invalid blocks, so less damage is detected there in frames without a checksum.
 */

import type { PlainSource } from "./plain_source.ts";
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
 * The largest window that is accepted. `zstd --ultra -21` and `--long=26` need it; RFC 8878 recommends 8 MiB.
 * fzstd reads larger distances wrongly, because it reads at most 25 bits at a time (seen with `--long=27`).
 */
const MAX_WINDOW_BYTES = 64 * 1024 * 1024;

/** Decompresses the frames of one file, one after the other. */
export class BlockwiseDecoder implements Disposable {
  readonly #mostEmptyBlocks: number;
  #blocks?: BlockDecoder;
  #hash?: XxHash64;

  /**
   * Creates a decoder.
   *
   * @param options.mostEmptyBlocks the number of empty blocks in a frame above which it counts as damaged. It
   * is a limit for damaged files, because a run of zeros looks like an endless sequence of empty blocks.
   */
  constructor({ mostEmptyBlocks = Infinity } = {}) {
    this.#mostEmptyBlocks = mostEmptyBlocks;
  }

  /**
   * Reads the frame at the current offset of the file, yields its content in parts that are valid until the
   * next one is requested, and verifies its checksum. Returns the length of the content.
   *
   * @throws {FormatError} if the frame is damaged, or its window is too large
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
    let fed: FramePart = {
      lenBytes: frame.headerLen + BLOCK_HEADER_LEN,
      isCompressed: false,
      isFinal: false,
    };
    for (;;) {
      for (const part of this.#feed(file, await bytesOf(file, frame, fed), fed)) {
        hash.update(part);
        contentLen += part.length;
        yield part;
      }
      await file.skip(fed.lenBytes);
      if (block === undefined) break;
      // The header of the next block is passed together with each block, because fzstd 0.1.1 never frees the
      // memory of a push that ends exactly with a block.
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

  *#feed(file: PlainSource, bytes: Uint8Array, part: FramePart): Generator<Uint8Array, void> {
    try {
      yield* this.#blocks!.push(bytes, part);
    } catch (cause) {
      throw damagedFrame(file, reasonOf(cause), { cause });
    }
  }
}

/** The input of one call of a decoder. */
interface FramePart {
  lenBytes: number;
  isCompressed: boolean;
  isFinal: boolean;
}

/**
 * Returns the bytes of a part at the current offset of the file. They are a copy, because the decoder may
 * keep bytes that it cannot use yet.
 */
async function bytesOf(file: PlainSource, frame: FrameHeader, { lenBytes }: FramePart): Promise<Uint8Array> {
  const bytes = (await peekAll(file, lenBytes, frame.startBytes)).slice();
  // The checksum flag is cleared, because decode() verifies the checksum itself.
  if (file.offsetBytes === frame.startBytes) bytes[DESCRIPTOR_AT] &= ~HAS_CHECKSUM;
  return bytes;
}

/**
 * Returns the reason of a failure without the prefix that Deno adds to it. The WebAssembly module reports
 * every failure as a failed compression with an error number of zstd_errors.h, which is reworded.
 */
export function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : `${cause}`;
  return message.replace("Zstd decompress error: ", "").replace(
    "Failed to compress with code -",
    "libzstd error ",
  );
}

/**
 * A decoder that gets the bytes of a frame in order: the frame header, and then the blocks, each together
 * with the header of the next block.
 */
interface BlockDecoder extends Disposable {
  /** Begins a frame. The previous one need not be complete. */
  begin(): void;
  /**
   * Returns the content of `bytes`, in parts that are valid until the next one is requested. The decoder may
   * keep `bytes`.
   *
   * @throws {Error} with the reason if they are damaged
   */
  push(bytes: Uint8Array, part: FramePart): Iterable<Uint8Array>;
}

async function createBlockDecoder(): Promise<BlockDecoder> {
  if (hasNativeZstd()) return new ZstdStream();
  // fzstd is loaded here, because other frames do not need it.
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
 * Returns whether the Huffman weights of a compressed block are coded with a single symbol, which takes no
 * bits. fzstd 0.1.1 reads such weights in an endless loop. No encoder makes them, but damage can
 * (facebook/zstd, pull request 3813).
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
  // RFC 8878, 4.1.1. While all of the probability is unassigned, a probability of zero is coded as 1, and a
  // probability of one as a value with all bits set that is one bit longer.
  const accuracyLog = bits(4) + 5;
  bitAt += 4;
  while (bits(accuracyLog) === 1) {
    bitAt += accuracyLog;
    // Two bits give the number of further symbols with probability zero. The value 3 means that two more bits
    // follow.
    while (bits(2) === 3) bitAt += 2;
    bitAt += 2;
  }
  return bits(accuracyLog + 1) === (1 << (accuracyLog + 1)) - 1;
}
