/**
 * A list of archives, the newest first, that is read like one archive. If several archives have a record of a
 * block, the last of them in the list, which is the oldest, supplies it.
 */

import type { ByteSource } from "../archive/bytes.ts";
import { type DumpHeader, formatSeriesId, type Generation } from "../archive/header.ts";
import { comparableSeconds, formatTimeStamp } from "../archive/time_stamp.ts";
import { formatError, MismatchError } from "../errors.ts";
import type { DumpReader } from "./archive_reader.ts";
import type { RecordOrigin } from "./record_sink.ts";
import type { Batch } from "./batch.ts";

/** The header of an archive and the path that messages name. */
export interface ArchiveIdentity {
  readonly path: string;
  readonly header: Generation & { capacityBytes?: number; full?: boolean };
}

/** The largest number of archives that are read at the same time. Each takes a file descriptor and memory. */
export const MAX_CHAIN = 800;

/** The largest number of archives that leave enough memory for batches of full size and for all threads. */
export const MANY_ARCHIVES = 40;

/** A member of a chain: an archive, or a disk that is read like a dump. */
export interface ChainReader extends ArchiveIdentity, Pick<DumpReader, "nextBlock" | "take" | "finish"> {
  readonly header: DumpHeader;
  /** The bytes of an archive, and the offset of the next record in them; a disk has none. */
  readonly source?: ByteSource;
  readonly offsetBytes?: number;
}

/** The archives of a chain and the generation to which they lead. */
export class Chain<Reader extends ChainReader = ChainReader> {
  readonly readers: readonly Reader[];
  /**
   * The header of the generation to which the chain leads: the header of the last archive, with the full flag
   * of the first one.
   */
  readonly header: DumpHeader;

  /**
   * @param readers at least one: a dump or an rdiff, then rdiffs, each older than the one before it
   * @throws {MismatchError} if they do not form a chain
   */
  constructor(readers: readonly Reader[]) {
    const [first] = readers;
    for (let i = 1; i < readers.length; i++) assertFollows(readers[i - 1], readers[i], first);
    this.readers = readers;
    this.header = { ...readers[readers.length - 1].header, full: first.header.full };
  }

  /** Returns the bytes of slots of a batch: `mostBytes`, or half of it if the chain is long. */
  batchBytes(mostBytes: number): number {
    return this.isLong ? mostBytes / 2 : mostBytes;
  }

  /** True if the archives take so much memory that batches must be smaller and threads fewer. */
  get isLong(): boolean {
    return this.readers.length > MANY_ARCHIVES;
  }

  /**
   * Returns the first block from `block` on that may have a record. The blocks before it can be skipped: an
   * rdiff may have few records for a very large disk.
   */
  nextFrom(block: number): number {
    return Math.max(block, Math.min(...this.readers.map((reader) => reader.nextBlock)));
  }

  /**
   * Reads the blocks of a batch. In a chain of rdiffs, blocks may stay absent.
   *
   * @param changed gets one byte for each block: 0 if no rdiff has a record of the block
   * @returns the places of the records of the dump, if `changed` is given and the chain begins with a dump
   */
  async take(batch: Batch, changed?: Uint8Array): Promise<RecordOrigin | undefined> {
    const [first, ...others] = this.readers;
    // The last archive is read first, because its blocks replace those of the others, which are then skipped.
    for (const reader of others.reverse()) await reader.take(batch);
    const { table, count, core } = batch;
    for (let i = 0; changed !== undefined && i < count; i++) changed[i] = table[i] === core.ABSENT ? 0 : 1;
    const { source, offsetBytes: beginBytes } = first;
    await first.take(batch);
    if (changed === undefined || !first.header.full) return undefined;
    if (source === undefined || beginBytes === undefined) return undefined;
    return { source, beginBytes, offsets: batch.offsets, changed: changed.subarray(0, count) };
  }

  /**
   * Reads every archive to its end. @throws {FormatError} if an archive is incomplete or has more data than
   * it should
   */
  async finish(): Promise<void> {
    for (const reader of this.readers) await reader.finish();
  }
}

function assertFollows(newer: ChainReader, older: ChainReader, first: ChainReader): void {
  if (older.header.full) {
    throw new MismatchError(
      `Cannot combine archives: "${older.path}" is a dump, only the first of the list ("${first.path}") may be one`,
    );
  }
  assertSameDisk(first, older);
  assertOlder(newer, older);
}

/**
 * Checks the order of two archives. @throws {MismatchError} unless the second is of an older generation than
 * the first
 */
export function assertOlder(newer: ArchiveIdentity, older: ArchiveIdentity): void {
  const gap = comparableSeconds(newer.header.time) - comparableSeconds(older.header.time);
  // The original program gives a dump the time of its parent if both are made within one second.
  if (gap > 0 || (gap === 0 && newer.header.full === true)) return;
  throw new MismatchError(
    `Cannot combine archives: "${older.path}" (${formatTimeStamp(older.header.time)}) is not older than ` +
      `"${newer.path}" (${formatTimeStamp(newer.header.time)}); the list goes from the newest to the oldest`,
  );
}

/**
 * Checks that two archives are of the same disk. @throws {MismatchError} unless series and sizes are equal
 */
export function assertSameDisk(a: ArchiveIdentity, b: ArchiveIdentity): void {
  const differ = (what: string, inA: string | number, inB: string | number) =>
    new MismatchError(`Cannot combine "${a.path}" and "${b.path}": ${what} ${inA} against ${inB}`);
  const [x, y] = [a.header, b.header];
  if (x.blockBytes !== y.blockBytes) throw differ("block size", x.blockBytes, y.blockBytes);
  if (x.blockCount !== y.blockCount) throw differ("number of blocks", x.blockCount, y.blockCount);
  if (x.capacityBytes !== undefined && y.capacityBytes !== undefined && x.capacityBytes !== y.capacityBytes) {
    throw differ("capacity in bytes", x.capacityBytes, y.capacityBytes);
  }
  const [seriesX, seriesY] = [formatSeriesId(x.seriesId), formatSeriesId(y.seriesId)];
  if (seriesX !== seriesY) throw differ("series", seriesX, seriesY);
}

/**
 * Checks that two archives are of the same generation. @throws {MismatchError} unless series, sizes and time
 * are equal
 */
export function assertSameGeneration(a: ArchiveIdentity, b: ArchiveIdentity): void {
  assertSameDisk(a, b);
  if (comparableSeconds(a.header.time) === comparableSeconds(b.header.time)) return;
  throw new MismatchError(
    `"${a.path}" and "${b.path}" are of different generations: ` +
      `${formatTimeStamp(a.header.time)} against ${formatTimeStamp(b.header.time)}`,
  );
}

/**
 * Checks that the bytes of the last block after the capacity are zero: a restore cannot write them, so other
 * bytes would be lost.
 *
 * @throws {FormatError} if one of them is not zero
 */
export function assertPadding(batch: Batch, chain: Chain): void {
  const { blockCount, blockBytes, capacityBytes } = chain.header;
  const last = blockCount - 1;
  const padding = blockCount * blockBytes - capacityBytes;
  if (padding === 0 || batch.end !== blockCount || batch.table[last - batch.first] <= batch.core.ABSENT) {
    return;
  }
  if (batch.slots(last, blockCount).subarray(blockBytes - padding).some((byte) => byte !== 0)) {
    throw formatError("archives", {
      path: chain.readers.map((reader) => reader.path).join(" "),
      expected: `zeros behind the capacity of ${capacityBytes} bytes in block ${last}`,
      found: "data",
    });
  }
}
