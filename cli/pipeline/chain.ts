/** A list of archives, newest first, read as one: for each block the last archive that has a record decides. */

import { type DumpHeader, formatSeriesId, type Generation } from "../archive/header.ts";
import { comparableSeconds, formatTimeStamp } from "../archive/time_stamp.ts";
import { formatError, MismatchError } from "../errors.ts";
import type { DumpReader } from "./archive_reader.ts";
import type { RecordOrigin } from "./record_sink.ts";
import type { Batch } from "./batch.ts";

/** Something that was read from a file and describes a generation. */
export interface ArchiveIdentity {
  readonly path: string;
  readonly header: Generation & { capacityBytes?: number; full?: boolean };
}

/** Archives that are read at a time: each takes a file descriptor and memory. */
export const MAX_CHAIN = 800;

/** Archives of a list that leave memory for batches as large, and threads as many, as are best. */
export const MANY_ARCHIVES = 40;

/** Archives that belong together. */
export class Chain {
  readonly readers: readonly DumpReader[];
  /** What the chain leads to: the header of the last archive with the full flag of the first. */
  readonly header: DumpHeader;

  /**
   * @param readers at least one: a dump or an rdiff, then rdiffs, each older than the one before
   * @throws {MismatchError} if they do not form a chain
   */
  constructor(readers: readonly DumpReader[]) {
    const [first] = readers;
    for (let i = 1; i < readers.length; i++) assertFollows(readers[i - 1], readers[i], first);
    this.readers = readers;
    this.header = { ...readers[readers.length - 1].header, full: first.header.full };
  }

  /** Bytes of slots of a batch for which `mostBytes` would be right with few archives. */
  batchBytes(mostBytes: number): number {
    return this.isLong ? mostBytes / 2 : mostBytes;
  }

  /** The archives take memory that batches and threads would have otherwise. */
  get isLong(): boolean {
    return this.readers.length > MANY_ARCHIVES;
  }

  /** The first block from `block` on that may have a record: rdiffs can name few blocks of a very large disk. */
  nextFrom(block: number): number {
    return Math.max(block, Math.min(...this.readers.map((reader) => reader.nextBlock)));
  }

  /**
   * Fills the blocks of a batch; in a chain of rdiffs blocks may stay absent. With `changed`, one byte a block, tells
   * where the records of the dump stand that nothing in the list replaces.
   */
  async take(batch: Batch, changed?: Uint8Array): Promise<RecordOrigin | undefined> {
    const [first, ...others] = this.readers;
    // The last archive comes first: what it has, the others only pass over.
    for (const reader of others.reverse()) await reader.take(batch);
    const { table, count, core } = batch;
    for (let i = 0; changed !== undefined && i < count; i++) changed[i] = table[i] === core.ABSENT ? 0 : 1;
    const beginBytes = first.offsetBytes;
    await first.take(batch);
    if (changed === undefined || !first.header.full) return undefined;
    return { source: first.source, beginBytes, offsets: batch.offsets, changed: changed.subarray(0, count) };
  }

  /** Reads every archive to its end. @throws {FormatError} if one is not whole */
  async finish(): Promise<void> {
    for (const reader of this.readers) await reader.finish();
  }
}

function assertFollows(newer: DumpReader, older: DumpReader, first: DumpReader): void {
  if (older.header.full) {
    throw new MismatchError(
      `Cannot combine archives: "${older.path}" is a dump, only the first of the list ("${first.path}") may be one`,
    );
  }
  assertSameDisk(first, older);
  assertOlder(newer, older);
}

/** @throws {MismatchError} unless the second is of an older generation than the first */
export function assertOlder(newer: ArchiveIdentity, older: ArchiveIdentity): void {
  const gap = comparableSeconds(newer.header.time) - comparableSeconds(older.header.time);
  // The original gave a dump the time of its parent when both were made within one second.
  if (gap > 0 || (gap === 0 && newer.header.full === true)) return;
  throw new MismatchError(
    `Cannot combine archives: "${older.path}" (${formatTimeStamp(older.header.time)}) is not older than ` +
      `"${newer.path}" (${formatTimeStamp(newer.header.time)}); the list goes from the newest to the oldest`,
  );
}

/** @throws {MismatchError} unless both are of one series and of disks of one size */
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

/** @throws {MismatchError} unless both are of one generation of one series */
export function assertSameGeneration(a: ArchiveIdentity, b: ArchiveIdentity): void {
  assertSameDisk(a, b);
  if (comparableSeconds(a.header.time) === comparableSeconds(b.header.time)) return;
  throw new MismatchError(
    `"${a.path}" and "${b.path}" are of different generations: ` +
      `${formatTimeStamp(a.header.time)} against ${formatTimeStamp(b.header.time)}`,
  );
}

/**
 * What lies behind the capacity in the last block must be zero: nothing else can be written back.
 *
 * @throws {FormatError} if it is not
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
