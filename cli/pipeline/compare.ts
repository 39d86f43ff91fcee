/** Compares two archives of the same kind, and makes the rdiff between two dumps. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink } from "../archive/bytes.ts";
import { formatSeriesId, type Generation } from "../archive/header.ts";
import { comparableSeconds, formatTimeStamp } from "../archive/time_stamp.ts";
import type { Core } from "../core.ts";
import { MismatchError } from "../errors.ts";
import type { DigestReader, DumpReader } from "./archive_reader.ts";
import { DumpWriter } from "./dump_writer.ts";
import { Batch, HALF_BATCH_BYTES } from "./batch.ts";
import { assertSameDisk } from "./chain.ts";
import { convey } from "./conveyor.ts";
import { Checkpoint, crewOf, ringOf, type RunOptions } from "./run.ts";

/** The differences between two archives. */
export interface CompareResult {
  /** The sizes agree, and all blocks do. */
  same: boolean;
  /** Blocks of the disk of the first archive. */
  blocks: number;
  /** Blocks that differ; 0 if the sizes differ, because then no blocks are compared. */
  differentBlocks: number;
  /** The first block that differs, if one does. */
  firstDifferentBlock?: number;
  /**
   * A sentence for people about each field of the headers that differs. Series, time and metadata may differ.
   */
  headerDifferences: string[];
}

/** Compares two dumps or two rdiffs block by block. @throws {FormatError} if one is damaged or incomplete */
export async function compareDumps(
  owner: Core,
  [a, b]: readonly [DumpReader, DumpReader],
  options: RunOptions = {},
): Promise<CompareResult> {
  await using core = owner.scope();
  if (a.header.full !== b.header.full) {
    throw new MismatchError(`Cannot compare "${a.path}" and "${b.path}": one is a dump, the other an rdiff`);
  }
  const result = startResult(a.header, b.header);
  if (!result.same) return result;
  const nextFrom = (block: number) => Math.max(block, Math.min(a.nextBlock, b.nextBlock));
  await compareRuns(core, { a, b, nextFrom }, options, ({ batchA: { first, count }, different }) => {
    addDifferences(result, first, different.subarray(0, count));
  });
  await a.finish();
  await b.finish();
  return result;
}

/** Compares two digests. @throws {FormatError} if one is damaged or incomplete */
export async function compareDigests(
  owner: Core,
  [a, b]: readonly [DigestReader, DigestReader],
  options: RunOptions = {},
): Promise<CompareResult> {
  await using core = owner.scope();
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
    core.diffDigests(ptrA, ptrB, count, differentPtr);
    addDifferences(result, first, core.bytes(differentPtr, count));
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
 * @throws {FormatError} if one is damaged or incomplete
 */
export async function rdiffBetween(
  owner: Core,
  { older, newer, out }: { older: DumpReader; newer: DumpReader; out: ByteSink },
  options: RunOptions = {},
): Promise<{ blocks: number; records: number; zeroRecords: number }> {
  await using core = owner.scope();
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
  const rdiff = new DumpWriter(core, out, { ...older.header, full: false });
  const pair = { a: older, b: newer, nextFrom: (block: number) => block };
  await compareRuns(core, pair, options, async ({ batchA, differentPtr }) => {
    await rdiff.write(batchA, { selectPtr: differentPtr });
  });
  await older.finish();
  await newer.finish();
  await rdiff.finish();
  return { blocks: older.header.blockCount, records: rdiff.records, zeroRecords: rdiff.zeroRecords };
}

/** Sets the bits of all blocks of which an rdiff or a dump has a record. */
export async function markRecords(
  owner: Core,
  reader: DumpReader,
  bitmap: Bitmap,
  options: RunOptions = {},
): Promise<void> {
  await using core = owner.scope();
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

function startResult(a: Generation & OptionalFields, b: Generation & OptionalFields): CompareResult {
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

interface OptionalFields {
  capacityBytes?: number;
  adapterType?: number;
  metadata?: ReadonlyMap<string, string>;
}

function metadataText(metadata: ReadonlyMap<string, string> = new Map()): string {
  return JSON.stringify([...metadata].sort());
}

/** The same run of blocks in two archives. */
class ComparedRun {
  readonly batchA: Batch;
  readonly batchB: Batch;
  /** The address of one byte for each block: 1 if the blocks differ. */
  readonly differentPtr: number;
  readonly different: Uint8Array;

  constructor(core: Core, blockBytes: number) {
    this.batchA = new Batch(core, blockBytes, HALF_BATCH_BYTES);
    this.batchB = new Batch(core, blockBytes, HALF_BATCH_BYTES);
    this.differentPtr = core.alloc(this.batchA.capacity);
    this.different = core.bytes(this.differentPtr, this.batchA.capacity);
  }
}

/**
 * Reads two archives of one disk at the same time, compares them run by run and calls `use` with each run.
 *
 * @param nextFrom returns the first block from a given one on that is to be compared
 */
async function compareRuns(
  core: Core,
  { a, b, nextFrom }: { a: DumpReader; b: DumpReader; nextFrom: (block: number) => number },
  options: RunOptions,
  use: (run: ComparedRun) => void | Promise<void>,
): Promise<void> {
  const { blockCount, blockBytes } = a.header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const ring = ringOf(
    crew,
    2 * Batch.bytesFor(blockBytes, HALF_BATCH_BYTES),
    () => new ComparedRun(core, blockBytes),
  );
  let first = 0;
  const take = async ({ batchA, batchB }: ComparedRun) => {
    if (!batchA.start(first, blockCount) || !batchB.start(first, blockCount)) return false;
    await a.take(batchA);
    await b.take(batchB);
    first = nextFrom(batchA.end);
    return true;
  };
  const compare = ({ batchA, batchB, differentPtr }: ComparedRun) => {
    batchA.dropZeros();
    batchB.dropZeros();
    core.diffBlocks(batchA, batchB, differentPtr);
  };
  await convey(ring, take, [
    { each: compare },
    { each: use },
    { each: ({ batchA }) => checkpoint.passBatch(batchA, a.header) },
  ]);
}

function addDifferences(result: CompareResult, first: number, flags: Uint8Array): void {
  const at = flags.indexOf(1);
  if (at < 0) return;
  result.same = false;
  for (const flag of flags) result.differentBlocks += flag;
  result.firstDifferentBlock ??= first + at;
}
