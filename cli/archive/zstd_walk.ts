/**
 * Walking over zstd frames by their lengths (RFC 8878). The boundaries of a frame can be found without
 * decompressing it, from its header, the lengths of its blocks, and its checksum. Therefore a cut, or other
 * data after a frame, is detected to the byte, even where a decompressor would accept it.
 */

import { type FormatError, formatError } from "../errors.ts";
import type { PlainSource } from "./plain_source.ts";
import { CHECKSUM_LEN, DESCRIPTOR_AT, HAS_CHECKSUM, saysAnotherFollows, windowLen } from "./zstd_frame.ts";

/** The length in bytes of a block header. */
export const BLOCK_HEADER_LEN = 3;
const MAX_BLOCK_BYTES = 128 * 1024;
const RLE_BLOCK = 1;
/** The type of a block that is compressed. */
export const COMPRESSED_BLOCK = 2;
const RESERVED_BLOCK = 3;

/** A place in a file. */
export type FilePlace = Pick<PlainSource, "path" | "offsetBytes">;

/** The header of a frame. */
export interface FrameHeader {
  /** The offset of the frame in the file. */
  startBytes: number;
  headerLen: number;
  /** The content size; `undefined` if the header does not contain it. */
  contentLen?: number;
  windowLen: number;
  hasChecksum: boolean;
  /** Whether the frame says, as those of `zstdFrame` do, that another frame follows. */
  hasSuccessor: boolean;
}

/**
 * Reads the frame header at the current offset of the file, magic number included, without taking it. RFC
 * 8878, 3.1.1.1.
 *
 * @throws {FormatError} if the header is cut or cannot be used
 */
export async function readFrameHeader(file: PlainSource): Promise<FrameHeader> {
  const startBytes = file.offsetBytes;
  const descriptor = (await peekAll(file, DESCRIPTOR_AT + 1, startBytes))[DESCRIPTOR_AT];
  const isSingleSegment = (descriptor & 0b100000) !== 0;
  const windowAt = DESCRIPTOR_AT + 1;
  const dictionaryAt = windowAt + (isSingleSegment ? 0 : 1);
  const contentLenAt = dictionaryAt + [0, 1, 2, 4][descriptor & 0b11];
  const headerLen = contentLenAt + [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const header = await peekAll(file, headerLen, startBytes);

  if ((descriptor & 0b1000) !== 0) throw unusable(file, "a frame header without its reserved bit", "the bit");
  const dictionary = littleEndian(header.subarray(dictionaryAt, contentLenAt));
  if (dictionary !== 0) {
    throw unusable(file, "a frame without dictionary", `one for dictionary ${dictionary}`);
  }

  // A content size of two bytes is stored minus 256, because shorter contents have the one-byte form.
  const bias = headerLen - contentLenAt === 2 ? 256 : 0;
  const contentLen = headerLen === contentLenAt
    ? undefined
    : littleEndian(header.subarray(contentLenAt, headerLen)) + bias;
  if (contentLen !== undefined && !Number.isSafeInteger(contentLen)) {
    throw unusable(file, "a content size below 2^53", `${contentLen}`);
  }
  return {
    startBytes,
    headerLen,
    contentLen,
    windowLen: isSingleSegment ? contentLen! : windowLen(header[windowAt]),
    hasChecksum: (descriptor & HAS_CHECKSUM) !== 0,
    hasSuccessor: saysAnotherFollows(descriptor),
  };
}

/** The header of a block. RFC 8878, 3.1.1.2. */
export interface BlockHeader {
  isLast: boolean;
  type: number;
  /** The number of bytes after the block header. */
  storedLen: number;
}

/**
 * Reads the block header that is `aheadLen` bytes after the current offset of the file, without taking it.
 *
 * @throws {FormatError} if the header is cut or cannot be used
 */
export async function readBlockHeader(
  file: PlainSource,
  aheadLen: number,
  frame: FrameHeader,
): Promise<BlockHeader> {
  const bytes = await file.peekAt(aheadLen, BLOCK_HEADER_LEN);
  if (bytes.length < BLOCK_HEADER_LEN) await peekAll(file, aheadLen + BLOCK_HEADER_LEN, frame.startBytes);
  const fields = littleEndian(bytes);
  const type = (fields >> 1) & 0b11;
  const len = fields >> 3;
  if (type === RESERVED_BLOCK) throw unusable(file, "a block of a known type", "the reserved type", aheadLen);
  if (len > Math.min(MAX_BLOCK_BYTES, frame.windowLen)) {
    throw unusable(file, "a block within the window and 128 KiB", `one of ${len} bytes`, aheadLen);
  }
  return { isLast: (fields & 1) === 1, type, storedLen: type === RLE_BLOCK ? 1 : len };
}

/**
 * Returns the length of the frame in the file, checksum included, or `undefined` if the frame or its content
 * is longer than `maxBytes`.
 *
 * @throws {FormatError} if a block header is cut or cannot be used
 */
export async function walkFrame(
  file: PlainSource,
  frame: FrameHeader,
  maxBytes: number,
): Promise<number | undefined> {
  if (frame.contentLen === undefined || frame.contentLen > maxBytes) return undefined;
  let frameLen = frame.headerLen;
  for (let isLast = false; !isLast;) {
    const block = await readBlockHeader(file, frameLen, frame);
    frameLen += BLOCK_HEADER_LEN + block.storedLen;
    if (frameLen > maxBytes) return undefined;
    isLast = block.isLast;
  }
  return frameLen + (frame.hasChecksum ? CHECKSUM_LEN : 0);
}

/**
 * Skips a frame of any length, without decompressing it.
 *
 * @throws {FormatError} if the frame is cut, or a block header cannot be used
 */
export async function passFrame(file: PlainSource, frame: FrameHeader): Promise<void> {
  const pass = async (lenBytes: number) => {
    if (await file.skip(lenBytes) < lenBytes) throw cutFrame(file, frame.startBytes);
  };
  await pass(frame.headerLen);
  for (let isLast = false; !isLast;) {
    const block = await readBlockHeader(file, 0, frame);
    await pass(BLOCK_HEADER_LEN + block.storedLen);
    isLast = block.isLast;
  }
  if (frame.hasChecksum) await pass(CHECKSUM_LEN);
}

/** Returns up to eight bytes as a little-endian integer. It is exact below 2^53, and at least 2^53 above. */
export function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((high, byte) => high * 256 + byte, 0);
}

/**
 * Returns the next `lenBytes` bytes without taking them. They belong to the frame that begins at
 * `startBytes`.
 *
 * @throws {FormatError} if the file is shorter
 */
export async function peekAll(file: PlainSource, lenBytes: number, startBytes: number): Promise<Uint8Array> {
  const bytes = await file.peek(lenBytes);
  if (bytes.length < lenBytes) throw cutFrame(file, startBytes, bytes.length);
  return bytes;
}

/** Returns the error for a file that ends inside a frame, `aheadLen` bytes after the current offset. */
export function cutFrame(file: PlainSource, startBytes: number, aheadLen = 0): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes + aheadLen,
    expected: `the rest of the frame that begins at byte ${startBytes}`,
    found: "the end of the file",
  });
}

/**
 * Returns the error for damage at the file's offset, or in the frame that begins there.
 *
 * @param what the damage, as a noun
 */
export function damagedFrame(file: FilePlace, what: string, options?: ErrorOptions): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: "an intact zstd frame",
    found: `damage (${what})`,
  }, options);
}

/** Returns the error for a frame that cannot be read, `aheadLen` bytes after the file's offset. */
export function unusable(file: PlainSource, expected: string, found: string, aheadLen = 0): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes + aheadLen,
    expected,
    found,
  });
}
