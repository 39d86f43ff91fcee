/**
 * The zstd container (RFC 8878): the stream as a row of independent frames with content size and checksum, readable by
 * every zstd tool.
 *
 * A frame can be walked without being decoded (header, blocks that tell their lengths, checksum), so where a file is cut or
 * goes on with something else is known to the byte, whatever a decoder would let pass. What was walked, libzstd as
 * WebAssembly decodes in one call. A frame that is too long for that, or does not tell its content size, is decoded block by
 * block by fzstd, which leaves the checksum to its caller.
 */

import { Decompress } from "fzstd";
import { createXXHash64 } from "hash-wasm";
import { type FormatError, formatError } from "../errors.ts";
import { ChunkSink, PieceSource, showBytes } from "./bytes.ts";
import type { PlainSink, PlainSource } from "./plain.ts";

/** Bytes of the stream in each frame but the last. */
export const FRAME_BYTES = 4 * 1024 * 1024;

/**
 * Longest frame, stored and as content, that is decoded in one call. Four times what is written, so that a later version
 * may cut more coarsely; a chain of archives holds two of them for each file.
 */
const MAX_WHOLE_BYTES = 16 * 1024 * 1024;

/**
 * Largest window that is taken into memory: `zstd --ultra -21` and `--long=26` need it, RFC 8878 asks for 8 MiB. fzstd reads
 * distances beyond it wrongly (it takes 25 bits at a time; seen with `--long=27`).
 */
const MAX_WINDOW_BYTES = 64 * 1024 * 1024;

// RFC 8878, 3.1.1: a frame.
const MAGIC = 0xfd2fb528;
const MAGIC_LEN = 4;
/** Frames of data for other readers, such as a seek table: the low four bits are free. RFC 8878, 3.1.2. */
const SKIPPABLE_MAGIC = 0x184d2a50;
const DESCRIPTOR_AT = 4;
const HAS_CHECKSUM = 0b100;
const BLOCK_HEADER_LEN = 3;
const MAX_BLOCK_BYTES = 128 * 1024;
const RLE_BLOCK = 1;
const COMPRESSED_BLOCK = 2;
const RESERVED_BLOCK = 3;
const COMPRESSED_LITERALS = 2;
const CHECKSUM_LEN = 4;

type Libzstd = Pick<typeof import("@bokuweb/zstd-wasm"), "compress" | "decompress">;
type XxHash64 = Awaited<ReturnType<typeof createXXHash64>>;

/** Tells by the first four bytes whether a file holds zstd data; pzstd(1) begins its files with a skippable frame. */
export function isZstd(first: Uint8Array): boolean {
  const magic = littleEndian(first.subarray(0, MAGIC_LEN));
  return magic === MAGIC || isSkippable(magic);
}

/** Writes a stream as zstd frames of {@linkcode FRAME_BYTES}. */
export class ZstdSink extends ChunkSink {
  /**
   * Opens a sink that writes to `file`. `level` is zstd's, 1 to 19. On a tree of programs and libraries level 1 makes 34 % of it
   * at 220 MiB/s, level 3 makes 31 % at 145 MiB/s (gzip level 1: 43 % at 240). The default is 1: on one core compression is
   * what a dump waits for.
   * @throws {RangeError} if there is no such level
   */
  static async open(file: PlainSink, { level = 1 }: { level?: number } = {}): Promise<ZstdSink> {
    if (!Number.isInteger(level) || level < 1 || level > 19) throw new RangeError(`No zstd level: ${level}`);
    const [libzstd, hash] = await Promise.all([loadLibzstd(), createXXHash64()]);
    return new ZstdSink(file, {
      chunkBytes: FRAME_BYTES,
      encode: (chunk) => withChecksum(libzstd.compress(chunk, level), checksumOf(hash.init().update(chunk))),
    });
  }
}

/** Reads what any zstd file holds; frames of up to 16 MiB in one call each, others block by block. */
export class ZstdSource extends PieceSource {
  /** Reads `file` from its current offset to its end, and closes it when disposed. */
  static async open(file: PlainSource): Promise<ZstdSource> {
    const [libzstd, hash] = await Promise.all([loadLibzstd(), createXXHash64()]);
    return new ZstdSource(file, unzstd(file, libzstd, hash));
  }
}

let loading: Promise<Libzstd> | undefined;

/** Loads the module when the first zstd file is opened: a run without one does not pay for it. */
function loadLibzstd(): Promise<Libzstd> {
  return loading ??= import("@bokuweb/zstd-wasm").then(async (module) => {
    await module.init();
    return module;
  });
}

/** The build of libzstd has no way to ask for a checksum, so it is added: one bit in the header, four bytes at the end. */
function withChecksum(bareFrame: Uint8Array, checksum: number): Uint8Array {
  const frame = new Uint8Array(bareFrame.length + CHECKSUM_LEN);
  frame.set(bareFrame);
  frame[DESCRIPTOR_AT] |= HAS_CHECKSUM;
  new DataView(frame.buffer).setUint32(bareFrame.length, checksum, true);
  return frame;
}

/** The low four bytes of XXH64, which the hasher gives in big-endian order. */
function checksumOf(hash: XxHash64): number {
  const digest = hash.digest("binary");
  return new DataView(digest.buffer, digest.byteOffset).getUint32(4);
}

/** Yields the content of every frame; returns at the end of the file, where nothing else may stand. */
function* unzstd(file: PlainSource, libzstd: Libzstd, hash: XxHash64): Generator<Uint8Array, void> {
  let hasFrame = false;
  while (!hasFrame || file.peek(1).length > 0) {
    const first = file.peek(MAGIC_LEN);
    const magic = littleEndian(first);
    if (isSkippable(magic)) {
      skipFrame(file);
    } else if (magic === MAGIC) {
      hasFrame = true;
      const header = readFrameHeader(file);
      const wholeLen = walkFrame(file, header);
      if (wholeLen === undefined) yield* decodeBlocks(file, header, hash);
      else yield decodeWhole(file, wholeLen, header, libzstd);
    } else {
      throw formatError("zstd file", {
        path: file.path,
        offsetBytes: file.offsetBytes,
        expected: hasFrame ? "another zstd frame or the end of the file" : "a zstd frame",
        found: showBytes(first),
      });
    }
  }
}

function isSkippable(magic: number): boolean {
  return magic - (magic % 16) === SKIPPABLE_MAGIC;
}

function skipFrame(file: PlainSource): void {
  const startBytes = file.offsetBytes;
  const head = peekAll(file, 8, startBytes);
  const len = 8 + new DataView(head.buffer, head.byteOffset).getUint32(4, true);
  if (file.skip(len) < len) throw cutFrame(file, startBytes);
}

interface FrameHeader {
  /** Offset of the frame in the file. */
  startBytes: number;
  headerLen: number;
  /** `undefined` if the frame does not tell it. */
  contentLen?: number;
  windowLen: number;
  hasChecksum: boolean;
}

/** Reads the header that begins at the file's offset, magic included, and takes nothing. RFC 8878, 3.1.1.1. */
function readFrameHeader(file: PlainSource): FrameHeader {
  const startBytes = file.offsetBytes;
  const descriptor = peekAll(file, DESCRIPTOR_AT + 1, startBytes)[DESCRIPTOR_AT];
  const isSingleSegment = (descriptor & 0b100000) !== 0;
  const windowAt = DESCRIPTOR_AT + 1;
  const dictionaryAt = windowAt + (isSingleSegment ? 0 : 1);
  const contentLenAt = dictionaryAt + [0, 1, 2, 4][descriptor & 0b11];
  const headerLen = contentLenAt + [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const header = peekAll(file, headerLen, startBytes);

  if ((descriptor & 0b1000) !== 0) throw unusable(file, "a frame header without its reserved bit", "the bit");
  const dictionary = littleEndian(header.subarray(dictionaryAt, contentLenAt));
  if (dictionary !== 0) {
    throw unusable(file, "a frame without dictionary", `one for dictionary ${dictionary}`);
  }

  // Two bytes of content size begin to count at 256: shorter contents have the one-byte form.
  const bias = headerLen - contentLenAt === 2 ? 256 : 0;
  const contentLen = headerLen === contentLenAt
    ? undefined
    : littleEndian(header.subarray(contentLenAt, headerLen)) + bias;
  if (contentLen !== undefined && !Number.isSafeInteger(contentLen)) {
    throw unusable(file, "a content size below 2^53", `${contentLen}`);
  }
  const windowBase = 2 ** (10 + (header[windowAt] >> 3));
  return {
    startBytes,
    headerLen,
    contentLen,
    windowLen: isSingleSegment ? contentLen! : windowBase + (windowBase / 8) * (header[windowAt] & 0b111),
    hasChecksum: (descriptor & HAS_CHECKSUM) !== 0,
  };
}

interface BlockHeader {
  isLast: boolean;
  type: number;
  /** Bytes that follow the block header. */
  storedLen: number;
}

/** Reads the block header `aheadLen` bytes from the file's offset. RFC 8878, 3.1.1.2. */
function readBlockHeader(file: PlainSource, aheadLen: number, frame: FrameHeader): BlockHeader {
  const fields = littleEndian(
    peekAll(file, aheadLen + BLOCK_HEADER_LEN, frame.startBytes).subarray(aheadLen),
  );
  const type = (fields >> 1) & 0b11;
  const len = fields >> 3;
  if (type === RESERVED_BLOCK) throw unusable(file, "a block of a known type", "the reserved type", aheadLen);
  if (len > Math.min(MAX_BLOCK_BYTES, frame.windowLen)) {
    throw unusable(file, "a block within the window and 128 KiB", `one of ${len} bytes`, aheadLen);
  }
  return { isLast: (fields & 1) === 1, type, storedLen: type === RLE_BLOCK ? 1 : len };
}

/** Length of the frame in the file, checksum included; `undefined` if it is not one to decode in one call. */
function walkFrame(file: PlainSource, frame: FrameHeader): number | undefined {
  if (frame.contentLen === undefined || frame.contentLen > MAX_WHOLE_BYTES) return undefined;
  let frameLen = frame.headerLen;
  for (let isLast = false; !isLast;) {
    const block = readBlockHeader(file, frameLen, frame);
    frameLen += BLOCK_HEADER_LEN + block.storedLen;
    if (frameLen > MAX_WHOLE_BYTES) return undefined;
    isLast = block.isLast;
  }
  return frameLen + (frame.hasChecksum ? CHECKSUM_LEN : 0);
}

/** libzstd verifies content size and checksum. */
function decodeWhole(file: PlainSource, wholeLen: number, frame: FrameHeader, libzstd: Libzstd): Uint8Array {
  const stored = peekAll(file, wholeLen, frame.startBytes);
  const content = attempt(file, () => libzstd.decompress(stored));
  if (content.length !== frame.contentLen) {
    throw damagedFrame(file, `${content.length} bytes, not ${frame.contentLen}`);
  }
  file.skip(wholeLen);
  return content;
}

function* decodeBlocks(file: PlainSource, frame: FrameHeader, hash: XxHash64): Generator<Uint8Array, void> {
  if (frame.windowLen > MAX_WINDOW_BYTES) {
    throw unusable(file, `a window of at most ${MAX_WINDOW_BYTES} bytes`, `one of ${frame.windowLen}`);
  }
  const pieces: Uint8Array[] = [];
  const decoder = new Decompress((piece) => pieces.push(piece));
  /** Gives the next bytes of the file to the decoder, in a copy since it keeps what it cannot use yet. */
  const feed = (lenBytes: number, isFinal: boolean) => {
    const bytes = peekAll(file, lenBytes, frame.startBytes).slice();
    // The decoder would wait for a checksum only to drop it.
    if (file.offsetBytes === frame.startBytes) bytes[DESCRIPTOR_AT] &= ~HAS_CHECKSUM;
    attempt(file, () => decoder.push(bytes, isFinal));
    file.skip(lenBytes);
  };

  hash.init();
  let contentLen = 0;
  let block: BlockHeader | undefined = readBlockHeader(file, frame.headerLen, frame);
  feed(frame.headerLen + BLOCK_HEADER_LEN, false);
  while (block) {
    // With each block goes the header of the next one: fzstd 0.1.1 never frees a push that ends exactly with a block.
    const next: BlockHeader | undefined = block.isLast
      ? undefined
      : readBlockHeader(file, block.storedLen, frame);
    if (
      block.type === COMPRESSED_BLOCK && hasEndlessWeights(peekAll(file, block.storedLen, frame.startBytes))
    ) {
      throw damagedFrame(file, "Huffman weights of no bits");
    }
    feed(block.storedLen + (next ? BLOCK_HEADER_LEN : 0), block.isLast);
    for (const piece of pieces.splice(0)) {
      hash.update(piece);
      contentLen += piece.length;
      yield piece;
    }
    block = next;
  }

  if (frame.contentLen !== undefined && contentLen !== frame.contentLen) {
    throw damagedFrame(file, `${contentLen} bytes of content, not ${frame.contentLen}`);
  }
  if (frame.hasChecksum) {
    const checksum = littleEndian(peekAll(file, CHECKSUM_LEN, frame.startBytes));
    if (checksum !== checksumOf(hash)) throw damagedFrame(file, "content of another checksum");
    file.skip(CHECKSUM_LEN);
  }
}

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

/** Up to eight bytes as a number; exact below 2^53, and no smaller than that above. */
function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((high, byte) => high * 256 + byte, 0);
}

/** The next `lenBytes` bytes of a frame that began at `startBytes`. */
function peekAll(file: PlainSource, lenBytes: number, startBytes: number): Uint8Array {
  const bytes = file.peek(lenBytes);
  if (bytes.length < lenBytes) throw cutFrame(file, startBytes, bytes.length);
  return bytes;
}

function attempt<T>(file: PlainSource, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : `${cause}`;
    // So the WebAssembly module calls every fault; the number is one of zstd_errors.h.
    throw damagedFrame(file, message.replace("Failed to compress with code -", "libzstd error "), { cause });
  }
}

/** `aheadLen` bytes of the frame are left of the file. */
function cutFrame(file: PlainSource, startBytes: number, aheadLen = 0): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes + aheadLen,
    expected: `the rest of the frame that begins at byte ${startBytes}`,
    found: "the end of the file",
  });
}

/** `what` names the damage that was noticed at the file's offset or in the frame that begins there. */
function damagedFrame(file: PlainSource, what: string, options?: ErrorOptions): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: "an intact zstd frame",
    found: `damage (${what})`,
  }, options);
}

function unusable(file: PlainSource, expected: string, found: string, aheadLen = 0): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes + aheadLen,
    expected,
    found,
  });
}
