/** One zstd frame in memory, made and read in one call: what can be done on any thread. */

import { createXXHash64 } from "hash-wasm";

/** Bytes of the stream in each frame but the last; as short as `MEMBER_BYTES` in `gzip_member.ts`, for the same reason. */
export const FRAME_BYTES = 1024 * 1024;

/** Offset of the frame header's descriptor, and the bit of it that announces a checksum. RFC 8878, 3.1.1.1. */
export const DESCRIPTOR_AT = 4;
export const HAS_CHECKSUM = 0b100;
export const CHECKSUM_LEN = 4;
const SINGLE_SEGMENT = 0b100000;
const DICTIONARY_OF_ONE_BYTE = 0b01;

type Libzstd = Pick<typeof import("@bokuweb/zstd-wasm"), "compress" | "decompress">;
type XxHash64 = Awaited<ReturnType<typeof createXXHash64>>;

/**
 * Compresses `content` as one frame with content size and checksum. Unless it `isLast`, the frame says that another one
 * follows, so that a file cut between two frames is as noticeable as any other cut: its header has a field for the number
 * of a dictionary, which is 0. That means none to every reader, and no other writer spends a byte to say so.
 */
export async function zstdFrame(
  content: Uint8Array,
  { level, isLast }: { level: number; isLast: boolean },
): Promise<Uint8Array> {
  const [libzstd, hash] = await Promise.all([loadLibzstd(), loadHash()]);
  const frame = withChecksum(libzstd.compress(content, level), checksumOf(hash.init().update(content)));
  return isLast ? frame : withSuccessor(frame);
}

/**
 * Decompresses one whole frame, whose header promises `contentBytes` of content. libzstd verifies size and checksum.
 *
 * @throws {Error} that says what does not agree
 */
export async function unzstdFrame(frame: Uint8Array, contentBytes: number): Promise<Uint8Array> {
  const content = (await loadLibzstd()).decompress(frame);
  if (content.length !== contentBytes) throw new Error(`${content.length} bytes, not ${contentBytes}`);
  return content;
}

let hash: Promise<XxHash64> | undefined;

function loadHash(): Promise<XxHash64> {
  return hash ??= createXXHash64();
}

let libzstd: Promise<Libzstd> | undefined;

/** Loads the module when the first zstd file is opened: a run without one does not pay for it. */
function loadLibzstd(): Promise<Libzstd> {
  return libzstd ??= import("@bokuweb/zstd-wasm").then(async (module) => {
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

function withSuccessor(frame: Uint8Array): Uint8Array {
  const isSingleSegment = (frame[DESCRIPTOR_AT] & SINGLE_SEGMENT) !== 0;
  const dictionaryAt = DESCRIPTOR_AT + (isSingleSegment ? 1 : 2);
  const marked = new Uint8Array(frame.length + 1);
  marked.set(frame.subarray(0, dictionaryAt));
  marked.set(frame.subarray(dictionaryAt), dictionaryAt + 1);
  marked[DESCRIPTOR_AT] |= DICTIONARY_OF_ONE_BYTE;
  return marked;
}

/** The low four bytes of XXH64, which the hasher gives in big-endian order. */
export function checksumOf(hash: XxHash64): number {
  const digest = hash.digest("binary");
  return new DataView(digest.buffer, digest.byteOffset).getUint32(4);
}
