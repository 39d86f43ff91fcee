/** Two archives of one kind against each other, and the rdiff between two dumps. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink } from "../archive/bytes.ts";
import { formatSeriesId, type Generation } from "../archive/header.ts";
import { comparableSeconds, formatTimeStamp } from "../archive/time_stamp.ts";
import type { Core } from "../core.ts";
import { MismatchError } from "../errors.ts";
import type { DigestReader, DumpReader } from "./archive_reader.ts";
import { DumpWriter } from "./archive_writer.ts";
import { Batch } from "./batch.ts";
import { assertSameDisk } from "./chain.ts";
import { Checkpoint, type RunOptions } from "./run.ts";

/** What two archives have in common. */
export interface CompareResult {
  /** Sizes and every block agree. */
  same: boolean;
  /** Blocks of the disk of the first. */
  blocks: number;
  differentBlocks: number;
  firstDifferentBlock?: number;
  /** Fields of the headers that differ, for people; series and time do not make archives different. */
  headerDifferences: string[];
}

/** Compares two dumps or two rdiffs block by block. @throws {FormatError} if one is damaged or not whole */
export async function compareDumps(
  core: Core,
  [a, b]: readonly [DumpReader, DumpReader],
  options: RunOptions = {},
): Promise<CompareResult> {
  if (a.header.full !== b.header.full) {
    throw new MismatchError(`Cannot compare "${a.path}" and "${b.path}": one is a dump, the other an rdiff`);
  }
  const result = startResult(a.header, b.header);
  if (!result.same) return result;
  const { blockCount, blockBytes } = a.header;
  const checkpoint = new Checkpoint(options);
  const [batchA, batchB] = [new Batch(core, blockBytes), new Batch(core, blockBytes)];
  const differentPtr = core.alloc(batchA.capacity);
  for (
    let first = 0;
    batchA.start(first, blockCount);
    first = Math.max(batchA.end, Math.min(a.nextBlock, b.nextBlock))
  ) {
    batchB.start(first, blockCount);
    await a.take(batchA);
    await b.take(batchB);
    batchA.dropZeros();
    batchB.dropZeros();
    addDifferences(
      result,
      first,
      core.diffBlocks(batchA, batchB, differentPtr),
      core.bytes(differentPtr, batchA.count),
    );
    await checkpoint.passBatch(batchA, a.header);
  }
  await a.finish();
  await b.finish();
  return result;
}

/** Compares two digests. @throws {FormatError} if one is damaged or not whole */
export async function compareDigests(
  core: Core,
  [a, b]: readonly [DigestReader, DigestReader],
  options: RunOptions = {},
): Promise<CompareResult> {
  const result = startResult(a.header, b.header);
  if (!result.same) return result;
  const { blockCount, blockBytes } = a.header;
  const checkpoint = new Checkpoint(options);
  const capacity = 65536;
  const [ptrA, ptrB, differentPtr] = [
    core.alloc(capacity * 16),
    core.alloc(capacity * 16),
    core.alloc(capacity),
  ];
  for (let first = 0; first < blockCount; first += capacity) {
    const count = Math.min(capacity, blockCount - first);
    await a.take(ptrA, count);
    await b.take(ptrB, count);
    addDifferences(
      result,
      first,
      core.diffDigests(ptrA, ptrB, count, differentPtr),
      core.bytes(differentPtr, count),
    );
    await checkpoint.pass({ doneBlocks: first + count, totalBlocks: blockCount, blockBytes });
  }
  await a.finish();
  await b.finish();
  return result;
}

/**
 * Writes the rdiff that leads from a newer dump back to an older one of the same series.
 *
 * @throws {MismatchError} if the two are not an older and a newer dump of one series
 */
export async function rdiffBetween(
  core: Core,
  { older, newer, out }: { older: DumpReader; newer: DumpReader; out: ByteSink },
  options: RunOptions = {},
): Promise<{ blocks: number; records: number }> {
  for (const { path, header } of [older, newer]) {
    if (!header.full) {
      throw new MismatchError(`Cannot make an rdiff from "${path}": it is an rdiff, a dump is needed`);
    }
  }
  assertSameDisk(older, newer);
  if (comparableSeconds(older.header.time) >= comparableSeconds(newer.header.time)) {
    throw new MismatchError(
      `Cannot make an rdiff: "${older.path}" (${formatTimeStamp(older.header.time)}) is not older than ` +
        `"${newer.path}" (${formatTimeStamp(newer.header.time)})`,
    );
  }
  const { blockCount, blockBytes } = older.header;
  const checkpoint = new Checkpoint(options);
  const [oldBatch, newBatch] = [new Batch(core, blockBytes), new Batch(core, blockBytes)];
  const changedPtr = core.alloc(oldBatch.capacity);
  const rdiff = new DumpWriter(core, out, { ...older.header, full: false });
  for (let first = 0; oldBatch.start(first, blockCount); first = oldBatch.end) {
    newBatch.start(first, blockCount);
    await older.take(oldBatch);
    await newer.take(newBatch);
    oldBatch.dropZeros();
    newBatch.dropZeros();
    core.diffBlocks(oldBatch, newBatch, changedPtr);
    await rdiff.write(oldBatch, { selectPtr: changedPtr });
    await checkpoint.passBatch(oldBatch, older.header);
  }
  await older.finish();
  await newer.finish();
  await rdiff.finish();
  return { blocks: blockCount, records: rdiff.records };
}

/** Sets the bit of every block that an rdiff (or a dump) has a record for. */
export async function markRecords(
  core: Core,
  reader: DumpReader,
  bitmap: Bitmap,
  options: RunOptions = {},
): Promise<void> {
  const { blockCount, blockBytes } = reader.header;
  const checkpoint = new Checkpoint(options);
  const batch = new Batch(core, blockBytes);
  for (let first = 0; batch.start(first, blockCount); first = Math.max(batch.end, reader.nextBlock)) {
    await reader.take(batch);
    for (let i = 0; i < batch.count; i++) if (batch.table[i] !== core.ABSENT) bitmap.set(first + i);
    await checkpoint.passBatch(batch, reader.header);
  }
  await reader.finish();
}

function startResult(a: Generation & HeaderExtras, b: Generation & HeaderExtras): CompareResult {
  const headerDifferences: string[] = [];
  const note = (what: string, inA: string | number, inB: string | number) => {
    if (inA !== inB) headerDifferences.push(`${what}: ${inA} against ${inB}`);
    return inA === inB;
  };
  const sameSizes = [
    note("block size", a.blockBytes, b.blockBytes),
    note("number of blocks", a.blockCount, b.blockCount),
    note("capacity in bytes", a.capacityBytes ?? 0, b.capacityBytes ?? 0),
  ].every(Boolean);
  note("series", formatSeriesId(a.seriesId), formatSeriesId(b.seriesId));
  note("time", formatTimeStamp(a.time), formatTimeStamp(b.time));
  note("adapter type", a.adapterType ?? 0, b.adapterType ?? 0);
  note("metadata", metadataText(a.metadata), metadataText(b.metadata));
  return { same: sameSizes, blocks: a.blockCount, differentBlocks: 0, headerDifferences };
}

interface HeaderExtras {
  capacityBytes?: number;
  adapterType?: number;
  metadata?: ReadonlyMap<string, string>;
}

function metadataText(metadata: ReadonlyMap<string, string> = new Map()): string {
  return JSON.stringify([...metadata].sort());
}

function addDifferences(result: CompareResult, first: number, count: number, flags: Uint8Array): void {
  if (count === 0) return;
  result.same = false;
  result.differentBlocks += count;
  result.firstDifferentBlock ??= first + flags.indexOf(1);
}
