/** Chain to disk. */

import type { Core } from "../core.ts";
import type { WritableDisk } from "../disks/disk.ts";
import { MismatchError } from "../errors.ts";
import { Batch, SMALL_BATCH_BYTES } from "./batch.ts";
import { assertPadding, type Chain } from "./chain.ts";
import { convey } from "./conveyor.ts";
import { Checkpoint, type RunOptions, shortRingOf } from "./run.ts";

/** How zero blocks are handled. */
export interface RestoreOptions extends RunOptions {
  /** Leave zero blocks as they are on a disk that is not new; right only if they are zero there already. */
  omitZeroBlocks?: boolean;
}

/** What a restore did. */
export interface RestoreResult {
  blocks: number;
  /** Blocks whose bytes were written. */
  writtenBlocks: number;
  /** Zero blocks, written or not. */
  zeroBlocks: number;
  /** Blocks without a record in a chain of rdiffs; they stay as they are. */
  absentBlocks: number;
}

/**
 * Reads a whole chain without writing anything, so that a damaged archive is found before a disk that holds data is
 * touched.
 *
 * @throws {FormatError} if an archive is damaged or not whole
 */
export async function proveReadable(core: Core, chain: Chain, options: RunOptions = {}): Promise<void> {
  const checkpoint = new Checkpoint(options);
  const batch = new Batch(core, chain.header.blockBytes, SMALL_BATCH_BYTES);
  for (let first = 0; batch.start(first, chain.header.blockCount); first = chain.nextFrom(batch.end)) {
    await chain.take(batch);
    assertPadding(batch, chain);
    await checkpoint.passBatch(batch, chain.header);
  }
  await chain.finish();
}

/** @throws {MismatchError} if the disk is smaller than the one that was dumped */
export function assertRoom(chain: Chain, disk: WritableDisk): void {
  const { capacityBytes } = chain.header;
  if (disk.capacityBytes >= capacityBytes) return;
  throw new MismatchError(
    `Cannot restore to disk "${disk.path}": it has ${disk.capacityBytes} bytes, ${capacityBytes} are needed`,
  );
}

/**
 * Writes what a chain leads to onto a disk; blocks without a record are not touched.
 *
 * @throws {MismatchError} if the disk is smaller than the one that was dumped
 * @throws {FormatError} if an archive is damaged or not whole
 */
export async function restore(
  core: Core,
  { chain, disk }: { chain: Chain; disk: WritableDisk },
  options: RestoreOptions = {},
): Promise<RestoreResult> {
  const { blockCount, blockBytes, capacityBytes } = chain.header;
  assertRoom(chain, disk);
  const checkpoint = new Checkpoint(options);
  const ring = shortRingOf(
    Batch.bytesFor(blockBytes, SMALL_BATCH_BYTES),
    () => new Batch(core, blockBytes, SMALL_BATCH_BYTES),
  );
  const result: RestoreResult = {
    blocks: blockCount,
    writtenBlocks: 0,
    zeroBlocks: 0,
    absentBlocks: blockCount,
  };
  const skipZeros = disk.fresh || options.omitZeroBlocks === true;

  let first = 0;
  const take = async (batch: Batch) => {
    if (!batch.start(first, blockCount)) return false;
    await chain.take(batch);
    assertPadding(batch, chain);
    first = chain.nextFrom(batch.end);
    return true;
  };
  const write = async (batch: Batch) => {
    batch.dropZeros();
    for (let block = batch.first; block < batch.end;) {
      const end = runEnd(batch, block);
      const entry = batch.table[block - batch.first];
      const count = end - block;
      if (entry !== core.ABSENT) result.absentBlocks -= count;
      if (entry === core.ZERO) result.zeroBlocks += count;
      if (entry !== core.ABSENT && !(entry === core.ZERO && skipZeros)) {
        // The slots of zero blocks are free; zeros are written from there.
        const from = batch.slots(block, end);
        if (entry === core.ZERO) from.fill(0);
        const offset = block * blockBytes;
        await disk.write(from.subarray(0, Math.min(from.length, capacityBytes - offset)), offset);
        result.writtenBlocks += count;
      }
      block = end;
    }
  };
  await convey(ring, take, [
    { each: write },
    { each: (batch) => checkpoint.passBatch(batch, chain.header) },
  ]);
  await chain.finish();
  await disk.sync();
  return result;
}

/** End of the run of blocks of one kind (data, zero, absent) that begins at `block`. */
function runEnd(batch: Batch, block: number): number {
  const kind = (at: number) => Math.min(batch.table[at - batch.first], KIND_DATA);
  let end = block + 1;
  while (end < batch.end && kind(end) === kind(block)) end++;
  return end;
}

/** ZERO and ABSENT are 0 and 1, every address is larger. */
const KIND_DATA = 2;
