/**
 * A small series, written by this file alone from the specification of the formats, so that each byte can be put
 * where the program would never write it.
 */

import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { noise } from "../disks/helpers.ts";

export const BLOCK_BYTES = 512;

/** A block's bytes, or undefined for zeros. */
export type Block = Uint8Array | undefined;

/** What one header says and its records hold. */
export interface Archive {
  blocks: Block[];
  /** Seconds after noon: the generation. */
  second: number;
  /** Byte that fills the series id. */
  series?: number;
  blockBytes?: number;
}

/** Block 0 never changes, 1 does in each generation, 2 and 3 turn from and to zeros, 4 changes only at last, 5 only at first. */
const [A, B, C, D, E, F] = [1, 2, 3, 4, 5, 6].map((seed) => noise(BLOCK_BYTES, seed));

/** Three generations of one disk. */
export const GENERATIONS: readonly Archive[] = [
  { second: 1, blocks: [A, B, undefined, C, undefined, D] },
  { second: 2, blocks: [A, C, E, undefined, undefined, F] },
  { second: 3, blocks: [A, D, E, B, C, F] },
];

/** Every file of the series by its name: `g0.dump`, `g0.digest`, `g0.rdiff`, `d0.raw` and so on, `all.bmp`. */
export function seriesFiles(): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = { "all.bmp": concat(token(6), [0b11111100]) };
  for (const [n, generation] of GENERATIONS.entries()) {
    files[`g${n}.dump`] = concat(...dump(generation));
    files[`g${n}.digest`] = concat(...digest(generation));
    files[`d${n}.raw`] = diskOf(generation);
    if (n > 0) files[`g${n - 1}.rdiff`] = concat(...rdiff(GENERATIONS[n - 1], generation));
  }
  return files;
}

/** A full dump: header, then a record for each block. */
export function dump(archive: Archive): Uint8Array[] {
  return [dumpHeader(archive, { full: true }), ...archive.blocks.map((block, i) => dumpRecord(i, block))];
}

/** The way from `newer` back to `older`: header, then a record for each block that differs. */
export function rdiff(older: Archive, newer: Archive): Uint8Array[] {
  const records = older.blocks.flatMap((block, i) => block === newer.blocks[i] ? [] : [dumpRecord(i, block)]);
  return [dumpHeader(older, { full: false }), ...records];
}

/** A digest: header, then a record for each block. */
export function digest(archive: Archive): Uint8Array[] {
  const header = concat(...sizes(archive), ...identity(archive));
  return [header, ...archive.blocks.map(digestRecord)];
}

/** Header of a dump or an rdiff. */
export function dumpHeader(archive: Archive, { full }: { full: boolean }): Uint8Array {
  return concat(...sizes(archive), token(3), token(full ? 1 : 0), ...identity(archive), token(0));
}

/** Record of a dump or an rdiff. */
export function dumpRecord(index: number, block: Block): Uint8Array {
  if (block === undefined) return concat(token(index), token(1));
  return concat(token(index), token(0), token(block.length), block);
}

/** Record of a digest. */
export function digestRecord(block: Block): Uint8Array {
  if (block === undefined) return token(1);
  return concat(token(0), token(16), createHash("md5").update(block).digest());
}

/** The raw image. */
export function diskOf({ blocks, blockBytes = BLOCK_BYTES }: Archive): Uint8Array {
  return concat(...blocks.map((block) => block ?? new Uint8Array(blockBytes)));
}

/** Text and the zero byte that ends it. */
export function token(value: number | string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

/** All parts in a row. */
export function concat(...parts: ArrayLike<number>[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** One gzip member. */
export function gzip(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(gzipSync(bytes));
}

/** `bytes` with all bits of the byte at `at` inverted; a negative `at` counts from the end. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at < 0 ? bytes.length + at : at] ^= 0xff;
  return copy;
}

function sizes({ blocks, blockBytes = BLOCK_BYTES }: Archive): Uint8Array[] {
  return [token(blocks.length), token(blockBytes)];
}

/** Series id, then 2013-06-30, a Sunday, 12:00:SS in summer time. */
function identity({ series = 0x5e, second }: Archive): Uint8Array[] {
  return [token(16), new Uint8Array(16).fill(series), ...[second, 0, 12, 30, 5, 113, 0, 180, 1].map(token)];
}
