/**
 * The index of the zstd seekable format (contrib/seekable_format/zstd_seekable_compression_format.md in the
 * sources of zstd): a skippable frame after all others that lists their lengths. Readers that support it find
 * any byte without decompressing the bytes before; other readers skip it.
 *
 *     5e 2a 4d 18 | u32 length of what follows | for each frame: u32 stored, u32 content | u32 frames | 00 | b1 ea 92 8f
 */

import { PIECE_ENTRY_BYTES, type PieceLengths, type PieceTable } from "./piece_table.ts";
import type { PlainSource } from "./plain_source.ts";
import type { PlainSink } from "./plain_sink.ts";
import { cutFrame, damagedFrame, littleEndian, peekAll } from "./zstd_walk.ts";

/** The magic number of the skippable frame that contains an index. */
export const SEEK_TABLE_MAGIC = 0x184d2a5e;
const SEEKABLE_MAGIC = 0x8f92eab1;
const HEAD_BYTES = 8;
const FOOT_BYTES = 9;
const NO_FLAGS = 0;

/**
 * The largest number of frames in an index, as zstd's own reader accepts (`ZSTD_SEEKABLE_MAXFRAMES`); they
 * describe about 128 TiB. Longer files get no index: four times as many frames would need a skippable frame
 * whose length does not fit into its header.
 */
export const MAX_INDEXED_FRAMES = 2 ** 27;

/** The number of entries that are read at a time. */
const ENTRIES_AT_A_TIME = 512;

/** Writes the index of `frames`, unless there are too many. */
export async function writeSeekTable(frames: PieceTable, file: PlainSink): Promise<void> {
  if (frames.count > MAX_INDEXED_FRAMES) return;
  const entriesBytes = frames.count * PIECE_ENTRY_BYTES;
  const head = new DataView(new ArrayBuffer(HEAD_BYTES));
  head.setUint32(0, SEEK_TABLE_MAGIC, true);
  head.setUint32(4, entriesBytes + FOOT_BYTES, true);
  await file.write(new Uint8Array(head.buffer));
  for (const entries of frames.entries()) await file.write(entries);
  const foot = new DataView(new ArrayBuffer(FOOT_BYTES));
  foot.setUint32(0, frames.count, true);
  foot.setUint8(4, NO_FLAGS);
  foot.setUint32(5, SEEKABLE_MAGIC, true);
  await file.write(new Uint8Array(foot.buffer));
}

/** Constants of MurmurHash3 (Appleby, 2011), which is in the public domain. */
const MULTIPLIERS = [0xcc9e2d51, 0x1b873593, 0x85ebca6b, 0xc2b2ae35];

/**
 * A hash of the list of frames that an index must contain. The hashes of two different lists are equal with a
 * probability of 2^-64 where damage has made the difference. The list itself would grow with the file.
 */
export class ListedFrames {
  count = 0;
  /** Whether the content size of every frame is known. */
  knowsContent = true;
  readonly #stored = new Uint32Array(2);
  readonly #content = new Uint32Array(2);
  /** Whether a length is 4 GiB or more, which an index cannot contain. */
  #isTooLong = false;

  /** Adds a frame. `contentBytes` is undefined if it is not known. */
  add({ storedBytes, contentBytes }: { storedBytes: number; contentBytes?: number }): void {
    this.count++;
    if (storedBytes >= 2 ** 32 || (contentBytes ?? 0) >= 2 ** 32) this.#isTooLong = true;
    mix(this.#stored, storedBytes);
    if (contentBytes === undefined) this.knowsContent = false;
    else mix(this.#content, contentBytes);
  }

  /** Returns whether an index that lists `others` is right. */
  isListedAs(others: ListedFrames): boolean {
    const isEqual = (a: Uint32Array, b: Uint32Array) => a[0] === b[0] && a[1] === b[1];
    return this.count === others.count && !this.#isTooLong && isEqual(this.#stored, others.#stored) &&
      (!this.knowsContent || isEqual(this.#content, others.#content));
  }
}

function mix(hash: Uint32Array, word: number): void {
  for (let lane = 0; lane < 2; lane++) {
    const mixed = Math.imul(hash[lane] ^ Math.imul(word, MULTIPLIERS[lane]), MULTIPLIERS[lane + 2]);
    hash[lane] = ((mixed << 13) | (mixed >>> 19)) + 1;
  }
}

/**
 * Reads an index and compares it with `frames`, the frames in front of it. The program does not seek, so the
 * index serves only to detect damage. An index without checksums must list exactly these frames.
 *
 * @throws {FormatError} if it lists other frames, or the file is cut
 */
export async function checkSeekTable(file: PlainSource, frames: ListedFrames): Promise<void> {
  const { path, offsetBytes: startBytes } = file;
  const bodyBytes = littleEndian((await peekAll(file, HEAD_BYTES, startBytes)).subarray(4));
  const entriesBytes = bodyBytes - FOOT_BYTES;
  const hasForm = entriesBytes === frames.count * PIECE_ENTRY_BYTES;
  const pass = async (lenBytes: number) => {
    if (await file.skip(lenBytes) < lenBytes) throw cutFrame(file, startBytes);
  };
  await pass(HEAD_BYTES);
  // Another program may use the same magic number for other data.
  if (entriesBytes < 0) return await pass(bodyBytes);
  const listed = hasForm ? await readEntries(file, frames.count, startBytes) : undefined;
  if (!hasForm) await pass(entriesBytes);
  const foot = await peekAll(file, FOOT_BYTES, startBytes);
  const isPlain = foot[4] === NO_FLAGS && littleEndian(foot.subarray(5)) === SEEKABLE_MAGIC;
  const agrees = isPlain && littleEndian(foot.subarray(0, 4)) === frames.count && listed !== undefined &&
    frames.isListedAs(listed);
  if ((hasForm || isPlain) && !agrees) {
    const place = { path, offsetBytes: startBytes };
    throw damagedFrame(place, "an index of other frames than those in front of it");
  }
  await pass(FOOT_BYTES);
}

async function readEntries(file: PlainSource, count: number, startBytes: number): Promise<ListedFrames> {
  const listed = new ListedFrames();
  for (let left = count; left > 0;) {
    const lenBytes = Math.min(left, ENTRIES_AT_A_TIME) * PIECE_ENTRY_BYTES;
    const entries = await peekAll(file, lenBytes, startBytes);
    const fields = new DataView(entries.buffer, entries.byteOffset, lenBytes);
    for (let at = 0; at < lenBytes; at += PIECE_ENTRY_BYTES) {
      listed.add(entryAt(fields, at));
    }
    await file.skip(lenBytes);
    left -= lenBytes / PIECE_ENTRY_BYTES;
  }
  return listed;
}

function entryAt(fields: DataView, at: number): PieceLengths {
  return { storedBytes: fields.getUint32(at, true), contentBytes: fields.getUint32(at + 4, true) };
}
