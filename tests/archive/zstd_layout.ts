/**
 * The layout of zstd files, read according to RFC 8878 and the description of the seekable format,
 * independently of the program.
 */

import { assert, assertEquals } from "@std/assert";

/** The lengths of a frame in the file and in the stream. */
export interface Frame {
  storedBytes: number;
  contentBytes: number;
}

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a5e;
const SEEKABLE_MAGIC = 0x8f92eab1;
const RLE_BLOCK = 1;

/** Returns the data frames at the beginning of a file. Each must have a content size and a checksum. */
export function walkFrames(stored: Uint8Array): Frame[] {
  const fields = fieldsOf(stored);
  const frames: Frame[] = [];
  for (let at = 0; at < stored.length && fields.getUint32(at, true) === MAGIC;) {
    const start = at;
    const descriptor = stored[at + 4];
    const isSingleSegment = (descriptor & 0b100000) !== 0;
    // A dictionary field of one byte says that another frame follows.
    const isFollowed = (descriptor & 0b01) !== 0;
    assertEquals(descriptor & 0b011110, 0b000100, `frame ${frames.length}: checksum, no dictionary`);
    assert(isSingleSegment || descriptor >> 6 > 0, `frame ${frames.length}: content size`);
    const size = [1, 2, 4, 8][descriptor >> 6];
    at += isSingleSegment ? 5 : 6;
    if (isFollowed) assertEquals(stored[at++], 0, `frame ${frames.length}: no dictionary`);
    const contentBytes = [
      () => fields.getUint8(at),
      () => fields.getUint16(at, true) + 256,
      () => fields.getUint32(at, true),
      () => Number(fields.getBigUint64(at, true)),
    ][descriptor >> 6]();
    at += size;
    for (let isLast = false; !isLast;) {
      const header = stored[at] | (stored[at + 1] << 8) | (stored[at + 2] << 16);
      isLast = (header & 1) === 1;
      at += 3 + (((header >> 1) & 0b11) === RLE_BLOCK ? 1 : header >> 3);
    }
    at += 4;
    frames.push({ storedBytes: at - start, contentBytes });
  }
  return frames;
}

/** Returns the seek table at the end of `stored`, and its offset. */
export function readSeekTable(stored: Uint8Array): { startBytes: number; frames: Frame[] } {
  const fields = fieldsOf(stored);
  const footer = stored.length - 9;
  assertEquals(fields.getUint32(footer + 5, true), SEEKABLE_MAGIC, "magic at the end");
  assertEquals(stored[footer + 4], 0, "no checksums, reserved bits are zero");
  const count = fields.getUint32(footer, true);
  const startBytes = footer - count * 8 - 8;
  assertEquals(fields.getUint32(startBytes, true), SKIPPABLE_MAGIC, "magic of the skippable frame");
  assertEquals(fields.getUint32(startBytes + 4, true), count * 8 + 9, "length of the skippable frame");
  const frames = Array.from({ length: count }, (_, i) => ({
    storedBytes: fields.getUint32(startBytes + 8 + i * 8, true),
    contentBytes: fields.getUint32(startBytes + 12 + i * 8, true),
  }));
  return { startBytes, frames };
}

function fieldsOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
