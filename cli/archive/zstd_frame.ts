/**
 * Compression and decompression of one zstd frame in memory, which any thread can do, with zstd of
 * `node:zlib`. Deno 2.4 does not have it and uses libzstd as WebAssembly, which is three times slower and
 * copies through its own memory.
 */

import type { IHasher } from "hash-wasm";
import { ZSTD_MAGIC } from "./magic.ts";
import { hasNativeZstd, unzstdInto, zstdInto } from "./zlib_engine.ts";

/** The offset of the descriptor in a frame header. Its bits follow. RFC 8878, 3.1.1.1. */
export const DESCRIPTOR_AT = 4;
/** The bit of the descriptor that says that a checksum follows the blocks. */
export const HAS_CHECKSUM = 0b100;
const CONTENT_LEN_OF_4_BYTES = 0b10_000000;
const SINGLE_SEGMENT = 0b100000;
const DICTIONARY_OF_1_BYTE = 0b01;
const FORM = 0b11_000111;

/** The length in bytes of the checksum of a frame. */
export const CHECKSUM_LEN = 4;

/**
 * The length of the header of a frame that zstd makes without knowing the length of the content: magic
 * number, descriptor, window.
 */
const BARE_HEADER_LEN = 6;

/**
 * The longest content that is written as a single segment. The window of a single segment is its content, so
 * readers need no more memory than that. The windows of libzstd are longer, 512 KiB with level 1.
 */
const SINGLE_SEGMENT_BYTES = 256 * 1024;

type Libzstd = Pick<typeof import("@bokuweb/zstd-wasm"), "compress" | "decompress">;
/** An XXH64 hasher. The low four bytes of the hash are the checksum of zstd: {@linkcode checksumOf}. */
export type XxHash64 = IHasher;

/**
 * Returns whether a frame with this descriptor says that another frame follows, as the frames of {@linkcode
 * zstdFrame} do. Such a frame has a content size of four bytes, a checksum, and a dictionary number of one
 * byte, which is 0. To every reader this number means "no dictionary", and no other program writes it
 * explicitly.
 */
export function saysAnotherFollows(descriptor: number): boolean {
  return (descriptor & FORM) === (CONTENT_LEN_OF_4_BYTES | HAS_CHECKSUM | DICTIONARY_OF_1_BYTE);
}

/**
 * Compresses `content` as one frame with content size and checksum at the start of `into`, whose length is at
 * least `storedBound` of the length of `content`. Returns the length of the frame. Unless `isLast` is set,
 * the frame says that another one follows, so that it is detectable that a file was cut between two frames.
 */
export async function zstdFrame(
  content: Uint8Array,
  { into, level, isLast }: { into: Uint8Array; level: number; isLast: boolean },
): Promise<number> {
  const isSmall = content.length <= SINGLE_SEGMENT_BYTES;
  // With a gap of this length in front of it, the frame that `node:zlib` makes is placed so that its blocks
  // need not be moved.
  const bareAt = headerLen({ isSingle: isSmall, isLast }) - BARE_HEADER_LEN;
  const bare = into.subarray(bareAt);
  const bareLen = hasNativeZstd()
    ? zstdInto(content, { into: bare, level })
    : await zstdIntoByWasm(content, { into: bare, level });
  const descriptor = bare[DESCRIPTOR_AT];
  const window = bare[DESCRIPTOR_AT + 1];
  const isSingleBare = (descriptor & SINGLE_SEGMENT) !== 0;
  const blocksAt = bareAt + DESCRIPTOR_AT + 1 + (isSingleBare ? 0 : 1) +
    [isSingleBare ? 1 : 0, 2, 4, 8][descriptor >> 6];

  const isSingle = isSingleBare || (isSmall && content.length <= windowLen(window));
  const blocksTo = headerLen({ isSingle, isLast });
  if (blocksTo !== blocksAt) into.copyWithin(blocksTo, blocksAt, bareAt + bareLen);
  const fields = new DataView(into.buffer, into.byteOffset);
  fields.setUint32(0, ZSTD_MAGIC, true);
  into[DESCRIPTOR_AT] = CONTENT_LEN_OF_4_BYTES | HAS_CHECKSUM | (isSingle ? SINGLE_SEGMENT : 0) |
    (isLast ? 0 : DICTIONARY_OF_1_BYTE);
  if (!isSingle) into[DESCRIPTOR_AT + 1] = window;
  if (!isLast) into[blocksTo - 5] = 0;
  fields.setUint32(blocksTo - 4, content.length, true);
  return blocksTo + bareAt + bareLen - blocksAt;
}

/** Returns the length of a frame header: magic number, descriptor, window, dictionary, content size. */
function headerLen({ isSingle, isLast }: { isSingle: boolean; isLast: boolean }): number {
  return DESCRIPTOR_AT + 1 + (isSingle ? 0 : 1) + (isLast ? 0 : 1) + 4;
}

/** Returns the length of a window in bytes from its descriptor. RFC 8878, 3.1.1.1.2. */
export function windowLen(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 0b111);
}

/**
 * Decompresses one whole frame into `into`, which must be as long as its header says. Size and checksum are
 * verified. The caller must have checked that the frame is complete.
 *
 * @throws {Error} whose message names the mismatch
 */
export async function unzstdFrame(frame: Uint8Array, into: Uint8Array): Promise<void> {
  if (hasNativeZstd()) return unzstdInto(frame, into);
  const content = (await loadLibzstd()).decompress(frame);
  if (content.length !== into.length) {
    throw new Error(`${content.length} bytes of content, not ${into.length}`);
  }
  into.set(content);
}

/**
 * Returns whether a whole frame says that another one follows, and has the length and the checksum of
 * `content`.
 */
export async function isFollowedFrameOf(frame: Uint8Array, content: Uint8Array): Promise<boolean> {
  if (frame.length < headerLen({ isSingle: false, isLast: false }) + CHECKSUM_LEN) return false;
  const fields = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const descriptor = frame[DESCRIPTOR_AT];
  if (fields.getUint32(0, true) !== ZSTD_MAGIC || !saysAnotherFollows(descriptor)) return false;
  const contentLenAt = DESCRIPTOR_AT + ((descriptor & SINGLE_SEGMENT) !== 0 ? 2 : 3);
  return fields.getUint32(contentLenAt, true) === content.length &&
    fields.getUint32(frame.length - CHECKSUM_LEN, true) ===
      checksumOf((await loadHash()).init().update(content));
}

/** Returns the low four bytes of the hash. The hasher returns it in big-endian order. */
export function checksumOf(hash: XxHash64): number {
  const digest = hash.digest("binary");
  return new DataView(digest.buffer, digest.byteOffset).getUint32(4);
}

/** Creates a hasher for one user. Most frames do not need one, because libzstd verifies them. */
export async function createHash(): Promise<XxHash64> {
  return await (await import("hash-wasm")).createXXHash64();
}

let hash: Promise<XxHash64> | undefined;

function loadHash(): Promise<XxHash64> {
  return hash ??= createHash();
}

let libzstd: Promise<Libzstd> | undefined;

/** Loads the module when it is first needed. */
function loadLibzstd(): Promise<Libzstd> {
  return libzstd ??= import("@bokuweb/zstd-wasm").then(async (module) => {
    await module.init();
    return module;
  });
}

/**
 * Compresses with the WebAssembly module. Its interface cannot request a checksum, so the checksum is
 * appended here; the header of `zstdFrame` announces it.
 */
async function zstdIntoByWasm(
  content: Uint8Array,
  { into, level }: { into: Uint8Array; level: number },
): Promise<number> {
  const [libzstd, hash] = await Promise.all([loadLibzstd(), loadHash()]);
  const frame = libzstd.compress(content, level);
  into.set(frame);
  const checksum = checksumOf(hash.init().update(content));
  new DataView(into.buffer, into.byteOffset + frame.length).setUint32(0, checksum, true);
  return frame.length + CHECKSUM_LEN;
}
