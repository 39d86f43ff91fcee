/**
 * Recovery of damaged zstd files: all frames that are intact, and the blocks of the others up to their
 * damage.
 */

import type { DamagedFile } from "./damaged_file.ts";
import { isSkippable, ZSTD_MAGIC, ZSTD_MAGIC_LEN } from "./magic.ts";
import {
  faultOf,
  type PieceEnd,
  type PiecePart,
  piecesRemains,
  type RemainsOptions,
  type Remnant,
} from "./piece_remains.ts";
import { SharedBuffer } from "./shared_buffer.ts";
import { MAX_WHOLE_BYTES } from "./zstd.ts";
import { BlockwiseDecoder } from "./zstd_blocks.ts";
import { unzstdFrame } from "./zstd_frame.ts";
import { type FrameHeader, readFrameHeader, walkFrame } from "./zstd_walk.ts";

const SKIPPABLE_HEAD = 8;
/**
 * The largest number of empty blocks in a frame. Compressors write one at the end of a frame, and possibly
 * one at each flush.
 */
const MOST_EMPTY_BLOCKS = 1000;

/** Yields all content of the stream in `file` that can be recovered. */
export async function* zstdRemains(
  file: DamagedFile,
  options: RemainsOptions,
): AsyncGenerator<Remnant, void> {
  const stored = new SharedBuffer();
  const content = new SharedBuffer();
  using blocks = new BlockwiseDecoder({ mostEmptyBlocks: MOST_EMPTY_BLOCKS });

  async function* decode(atBytes: number): AsyncGenerator<PiecePart, PieceEnd> {
    const head = new Uint8Array(SKIPPABLE_HEAD);
    const fields = new DataView(head.buffer);
    const headLen = file.readSync(head, atBytes);
    if (headLen >= ZSTD_MAGIC_LEN && isSkippable(fields.getUint32(0, true))) {
      const nextBytes = atBytes + SKIPPABLE_HEAD + fields.getUint32(4, true);
      if (headLen === SKIPPABLE_HEAD && isBoundary(file, nextBytes)) {
        return { nextBytes, whole: true, effortBytes: 0 };
      }
      const fault = { offsetBytes: atBytes, expected: "a whole skippable frame", found: "another length" };
      return { whole: true, fault, effortBytes: 0 };
    }

    let header: FrameHeader | undefined;
    let frameLen: number | undefined;
    let fault: PieceEnd["fault"];
    try {
      const source = file.from(atBytes);
      header = await readFrameHeader(source);
      frameLen = await walkFrame(source, header, MAX_WHOLE_BYTES);
    } catch (error) {
      fault = faultOf(error, atBytes);
    }
    if (header === undefined) return { whole: false, fault, effortBytes: 0 };
    if (frameLen !== undefined && header.contentLen !== undefined) {
      const frame = stored.ofLength(frameLen);
      const into = content.ofLength(header.contentLen);
      if (file.readSync(frame, atBytes) === frameLen && await decompresses(frame, into)) {
        yield { bytes: into, isVerified: header.hasChecksum };
        const nextBytes = atBytes + frameLen;
        const isCut = header.hasSuccessor && nextBytes >= file.sizeBytes;
        fault = isCut
          ? { offsetBytes: nextBytes, expected: "another zstd frame", found: "the end of the file" }
          : undefined;
        return { nextBytes, whole: true, fault, effortBytes: 0 };
      }
    }

    const source = file.from(atBytes);
    let contentBytes = 0;
    try {
      for await (const part of blocks.decode(source, header)) {
        contentBytes += part.length;
        yield { bytes: part, isVerified: false };
      }
    } catch (error) {
      fault ??= faultOf(error, atBytes);
    }
    const effortBytes = source.offsetBytes + contentBytes;
    const endBytes = atBytes + (frameLen ?? source.offsetBytes);
    if (fault === undefined) return { nextBytes: endBytes, whole: true, effortBytes };
    const hasEnd = frameLen !== undefined && isBoundary(file, endBytes);
    return {
      nextBytes: hasEnd ? endBytes : undefined,
      whole: hasEnd && contentBytes === header.contentLen,
      fault,
      effortBytes,
    };
  }

  yield* piecesRemains(file, {
    name: "a zstd frame",
    firstByte: ZSTD_MAGIC & 0xff,
    beginLen: ZSTD_MAGIC_LEN,
    mayBegin: isMagic,
    decode,
  }, options);
}

function isMagic(bytes: Uint8Array): boolean {
  if (bytes.length < ZSTD_MAGIC_LEN) return false;
  const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return magic === ZSTD_MAGIC || isSkippable(magic);
}

/** Returns whether the file ends at an offset or continues with a frame there. */
function isBoundary(file: DamagedFile, atBytes: number): boolean {
  if (atBytes === file.sizeBytes) return true;
  const magic = new Uint8Array(ZSTD_MAGIC_LEN);
  return isMagic(magic.subarray(0, file.readSync(magic, atBytes)));
}

async function decompresses(frame: Uint8Array, into: Uint8Array): Promise<boolean> {
  try {
    await unzstdFrame(frame, into);
    return true;
  } catch {
    return false;
  }
}
