/**
 * Describes what is wrong with a record, for messages. The core reads records and stops at the first one that
 * is not canonical. The functions here then parse that record again, slowly, to name the difference
 * (FORMAT.md, "Dump and rdiff" and "Digest").
 */

import { quote } from "./fields.ts";

/** What the reader expected at the place at which the core stopped. */
export interface WantedRecord {
  /**
   * True for a dump, in which every block has a record; false for an rdiff, in which any later block may
   * follow.
   */
  full: boolean;
  /** The lowest block number that may follow; in a dump the only one. */
  nextBlock: number;
  /** The number of blocks of the disk. */
  blockCount: number;
  blockBytes: number;
}

const MAX_TOKEN_BYTES = 20;
const CANONICAL_INDEX = /^(0|[1-9][0-9]{0,15})$/;

/** Returns what was expected and what was found, for the dump or rdiff record at the start of `bytes`. */
export function explainDumpRecord(
  bytes: Uint8Array,
  wanted: WantedRecord,
): { expected: string; found: string } {
  const { full, nextBlock, blockCount, blockBytes } = wanted;
  const indexWanted = nextBlock >= blockCount
    ? `the end of the file after block ${blockCount - 1}`
    : full
    ? `the record of block ${nextBlock}`
    : `the record of a block from ${nextBlock} to ${blockCount - 1}`;
  const index = token(bytes, 0);
  const block = Number(index.text);
  if (!CANONICAL_INDEX.test(index.text)) return { expected: indexWanted, found: quote(index.text) };
  if (block < nextBlock || block >= blockCount || (full && block !== nextBlock)) {
    return { expected: indexWanted, found: `the record of block ${block}` };
  }
  const flag = token(bytes, index.end);
  if (flag.text !== "0" && flag.text !== "1") {
    return { expected: `the zero flag of block ${block}`, found: quote(flag.text) };
  }
  const length = token(bytes, flag.end);
  return { expected: `the length ${blockBytes} of block ${block}`, found: quote(length.text) };
}

/** Returns what was expected and what was found, for the digest record of `block` at the start of `bytes`. */
export function explainDigestRecord(bytes: Uint8Array, block: number): { expected: string; found: string } {
  const flag = token(bytes, 0);
  if (flag.text !== "0" && flag.text !== "1") {
    return { expected: `the zero flag of block ${block}`, found: quote(flag.text) };
  }
  const length = token(bytes, flag.end);
  if (length.text !== "16") {
    return { expected: `the length 16 of the MD5 of block ${block}`, found: quote(length.text) };
  }
  return { expected: `the MD5 of block ${block}`, found: "sixteen zero bytes" };
}

function token(bytes: Uint8Array, start: number): { text: string; end: number } {
  const limit = Math.min(bytes.length, start + MAX_TOKEN_BYTES);
  const zero = bytes.subarray(0, limit).indexOf(0, start);
  const end = zero < 0 ? limit : zero;
  return { text: String.fromCharCode(...bytes.subarray(start, end)), end: end + 1 };
}
