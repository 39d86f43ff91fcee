/**
 * Zstd frames by their lengths (RFC 8878): a frame can be walked without being decoded (header, blocks that tell their lengths,
 * checksum), so where a file is cut or goes on with something else is known to the byte, whatever a decoder would let pass.
 */

import { type FormatError, formatError } from "../errors.ts";
import type { PlainSource } from "./plain.ts";
import { CHECKSUM_LEN, DESCRIPTOR_AT, HAS_CHECKSUM, saysAnotherFollows, windowLen } from "./zstd_frame.ts";

export const BLOCK_HEADER_LEN = 3;
const MAX_BLOCK_BYTES = 128 * 1024;
const RLE_BLOCK = 1;
export const COMPRESSED_BLOCK = 2;
const RESERVED_BLOCK = 3;

/** Where in a file something is. */
export type Place = Pick<PlainSource, "path" | "offsetBytes">;

/** What the header of a frame tells. */
export interface FrameHeader {
  /** Offset of the frame in the file. */
  startBytes: number;
  headerLen: number;
  /** `undefined` if the frame does not tell it. */
  contentLen?: number;
  windowLen: number;
  hasChecksum: boolean;
  /** The frame says, as those of `zstdFrame` do, that it is not the last. */
  hasSuccessor: boolean;
}

/** Reads the header that begins at the file's offset, magic included, and takes nothing. RFC 8878, 3.1.1.1. */
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

  // Two bytes of content size begin to count at 256: shorter contents have the one-byte form.
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

/** What the header of a block tells. RFC 8878, 3.1.1.2. */
export interface BlockHeader {
  isLast: boolean;
  type: number;
  /** Bytes that follow the block header. */
  storedLen: number;
}

/** Reads the block header `aheadLen` bytes from the file's offset. */
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

/** Length of the frame in the file, checksum included; `undefined` if it or its content is longer than `maxBytes`. */
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

/** Takes a frame of any length off the file, without decoding it. */
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

/** Up to eight bytes as a number; exact below 2^53, and no smaller than that above. */
export function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((high, byte) => high * 256 + byte, 0);
}

/** The next `lenBytes` bytes of a frame that began at `startBytes`. */
export async function peekAll(file: PlainSource, lenBytes: number, startBytes: number): Promise<Uint8Array> {
  const bytes = await file.peek(lenBytes);
  if (bytes.length < lenBytes) throw cutFrame(file, startBytes, bytes.length);
  return bytes;
}

/** `aheadLen` bytes of the frame are left of the file. */
export function cutFrame(file: PlainSource, startBytes: number, aheadLen = 0): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes + aheadLen,
    expected: `the rest of the frame that begins at byte ${startBytes}`,
    found: "the end of the file",
  });
}

/** `what` names the damage that was noticed at the file's offset or in the frame that begins there. */
export function damagedFrame(file: Place, what: string, options?: ErrorOptions): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes,
    expected: "an intact zstd frame",
    found: `damage (${what})`,
  }, options);
}

export function unusable(file: PlainSource, expected: string, found: string, aheadLen = 0): FormatError {
  return formatError("zstd file", {
    path: file.path,
    offsetBytes: file.offsetBytes + aheadLen,
    expected,
    found,
  });
}
