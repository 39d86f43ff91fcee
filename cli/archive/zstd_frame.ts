/**
 * One zstd frame, from memory to memory: what can be done on any thread. The zstd of `node:zlib` does it; on Deno 2.4, which
 * has none, libzstd as WebAssembly does, three times slower and through memory of its own.
 */

import type { IHasher } from "hash-wasm";
import { ZSTD_MAGIC } from "./magic.ts";
import { hasNativeZstd, unzstdInto, zstdInto } from "./zlib_engine.ts";

/** Offset of the frame header's descriptor, and bits of it. RFC 8878, 3.1.1.1. */
export const DESCRIPTOR_AT = 4;
export const HAS_CHECKSUM = 0b100;
const CONTENT_LEN_OF_4_BYTES = 0b10_000000;
const SINGLE_SEGMENT = 0b100000;
const DICTIONARY_OF_1_BYTE = 0b01;
const FORM = 0b11_000111;

export const CHECKSUM_LEN = 4;

/** Magic number, descriptor, window: how a frame of zstd begins that was made without knowing the content's length. */
const BARE_HEADER_LEN = 6;

/**
 * Content up to this length is written as a single segment, whose window is the content: readers need no memory for more.
 * The windows of libzstd are longer than that, 512 KiB with level 1.
 */
const SINGLE_SEGMENT_BYTES = 256 * 1024;

type Libzstd = Pick<typeof import("@bokuweb/zstd-wasm"), "compress" | "decompress">;
/** XXH64, of whose digest zstd takes the low four bytes: {@linkcode checksumOf}. */
export type XxHash64 = IHasher;

/**
 * Whether a frame with this descriptor says that another one follows, as those of {@linkcode zstdFrame} do: content size of
 * four bytes, checksum, and a field for the number of a dictionary, which is 0. That means none to every reader, and no other
 * writer spends a byte to say so.
 */
export function saysAnotherFollows(descriptor: number): boolean {
  return (descriptor & FORM) === (CONTENT_LEN_OF_4_BYTES | HAS_CHECKSUM | DICTIONARY_OF_1_BYTE);
}

/**
 * Compresses `content` as one frame with content size and checksum at the start of `into`, which has room for `storedBound`
 * of it, and returns its length. Unless it `isLast`, the frame says that another one follows, so that a file cut between two
 * frames is as noticeable as any other cut.
 */
export async function zstdFrame(
  content: Uint8Array,
  { into, level, isLast }: { into: Uint8Array; level: number; isLast: boolean },
): Promise<number> {
  const isSmall = content.length <= SINGLE_SEGMENT_BYTES;
  // With so much room in front, a bare frame of node:zlib lies so that its blocks stay where they are.
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

/** Magic number, descriptor, window, dictionary, content size. */
function headerLen({ isSingle, isLast }: { isSingle: boolean; isLast: boolean }): number {
  return DESCRIPTOR_AT + 1 + (isSingle ? 0 : 1) + (isLast ? 0 : 1) + 4;
}

/** Bytes of a window by its descriptor. RFC 8878, 3.1.1.1.2. */
export function windowLen(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 0b111);
}

/**
 * Decompresses one whole frame into `into`, which is as long as its header promises. Size and checksum are verified; that
 * the frame is whole is for the caller to know.
 *
 * @throws {Error} that says what does not agree
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
 * Whether a whole frame says that another one follows, and begins and ends with the length and the checksum of `content`.
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

/** The low four bytes of XXH64, which the hasher gives in big-endian order. */
export function checksumOf(hash: XxHash64): number {
  const digest = hash.digest("binary");
  return new DataView(digest.buffer, digest.byteOffset).getUint32(4);
}

/** A hasher of one's own. Most frames need none: libzstd verifies them. */
export async function createHash(): Promise<XxHash64> {
  return await (await import("hash-wasm")).createXXHash64();
}

let hash: Promise<XxHash64> | undefined;

function loadHash(): Promise<XxHash64> {
  return hash ??= createHash();
}

let libzstd: Promise<Libzstd> | undefined;

/** Loads the module when it is first needed: a run without it does not pay for it. */
function loadLibzstd(): Promise<Libzstd> {
  return libzstd ??= import("@bokuweb/zstd-wasm").then(async (module) => {
    await module.init();
    return module;
  });
}

/** This build of libzstd has no way to ask for a checksum, so it is added; the header of `zstdFrame` announces it. */
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
