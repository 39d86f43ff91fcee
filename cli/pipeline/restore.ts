/** Restores the generation to which a chain leads to a disk. */

import type { PassingHash } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import type { WritableDisk } from "../disks/disk.ts";
import { MismatchError } from "../errors.ts";
import { Batch, BATCH_BYTES, SMALL_BATCH_BYTES } from "./batch.ts";
import { assertPadding, type Chain } from "./chain.ts";
import { convey } from "./conveyor.ts";
import { DiskWriter } from "./disk_writer.ts";
import { Checkpoint, crewOf, type RunOptions, shortRingOf } from "./run.ts";

/** The handling of zero blocks. */
export interface RestoreOptions extends RunOptions {
  /**
   * Do not write zero blocks to a disk that is not new. The result is right only if these blocks of the disk
   * are zero already.
   */
  omitZeroBlocks?: boolean;
}

/** The blocks of a restore. */
export interface RestoreCounts {
  /** Blocks of the disk that was dumped. */
  blocks: number;
  /** Blocks that were written. */
  writtenBlocks: number;
  /** Blocks that the disk held already; absent if its content was not compared. */
  unchangedBlocks?: number;
  /** Blocks whose bytes are all zero, written or not. */
  zeroBlocks: number;
  /** Blocks without a record in a list of rdiffs alone. They stay as they are. */
  absentBlocks: number;
}

/**
 * Reads a whole chain and writes nothing, so that a damaged archive is found before a disk that holds data is
 * changed. `root` is updated with the MD5s of all blocks if the chain begins with a dump.
 *
 * @throws {FormatError} if an archive is damaged or incomplete
 */
export async function proveReadable(
  owner: Core,
  { chain, root }: { chain: Chain; root?: PassingHash },
  options: RunOptions = {},
): Promise<void> {
  await using core = owner.scope();
  await conveyChain(core, { chain, root }, options, () => {});
}

/** Checks the size of a disk. @throws {MismatchError} if the disk is smaller than the one that was dumped */
export function assertRoom(chain: Chain, disk: WritableDisk): void {
  const { capacityBytes } = chain.header;
  if (disk.capacityBytes >= capacityBytes) return;
  throw new MismatchError(
    `Cannot restore to disk "${disk.path}": it has ${disk.capacityBytes} bytes, ${capacityBytes} are needed`,
  );
}

/**
 * Writes the generation to which a chain leads to a disk. Blocks without a record are not changed. If the
 * present content of the disk can be read (`held`), only the parts that differ are written. `root` is updated
 * with the MD5s of all blocks if the chain begins with a dump.
 *
 * @throws {MismatchError} if the disk is smaller than the one that was dumped
 * @throws {FormatError} if an archive is damaged or incomplete
 */
export async function restore(
  owner: Core,
  { chain, disk, root }: { chain: Chain; disk: WritableDisk; root?: PassingHash },
  options: RestoreOptions = {},
): Promise<RestoreCounts> {
  await using core = owner.scope();
  const { blockCount, blockBytes, capacityBytes } = chain.header;
  assertRoom(chain, disk);
  const result: RestoreCounts = {
    blocks: blockCount,
    writtenBlocks: 0,
    zeroBlocks: 0,
    absentBlocks: blockCount,
  };
  const skipZeros = disk.fresh || options.omitZeroBlocks === true;
  const writer = new DiskWriter(core, disk, { blockBytes, capacityBytes });

  const write = async (batch: Batch) => {
    batch.dropZeros();
    for (let block = batch.first; block < batch.end;) {
      const end = runEnd(batch, block);
      const entry = batch.table[block - batch.first];
      const count = end - block;
      if (entry !== core.ABSENT) result.absentBlocks -= count;
      if (entry === core.ZERO) result.zeroBlocks += count;
      if (entry !== core.ABSENT && !(entry === core.ZERO && skipZeros)) {
        // The slots of zero blocks hold nothing that is needed, so zeros can be written from there.
        await writer.write({ first: block, end, zero: entry === core.ZERO }, batch.slots(block, end));
      }
      block = end;
    }
  };
  await conveyChain(core, { chain, root }, options, write);
  await disk.sync();
  const { writtenBlocks, unchangedBlocks } = writer;
  return { ...result, writtenBlocks, ...(unchangedBlocks === undefined ? {} : { unchangedBlocks }) };
}

/** Reads a chain to its end and calls `use` with each batch. */
async function conveyChain(
  core: Core,
  { chain, root }: { chain: Chain; root?: PassingHash },
  options: RunOptions,
  use: (batch: Batch) => void | Promise<void>,
): Promise<void> {
  const { blockCount, blockBytes } = chain.header;
  const crew = crewOf(core, options);
  const checkpoint = new Checkpoint(options);
  const batchBytes = chain.batchBytes(root === undefined ? SMALL_BATCH_BYTES : BATCH_BYTES);
  const ring = shortRingOf(blockBytes, () => new Batch(core, blockBytes, batchBytes));
  let first = 0;
  const take = async (batch: Batch) => {
    if (!batch.start(first, blockCount)) return false;
    await chain.take(batch);
    assertPadding(batch, chain);
    first = chain.nextFrom(batch.end);
    return true;
  };
  const hash = { together: true, each: (batch: Batch) => batch.hash(crew) };
  const updateRoot = { each: (batch: Batch) => batch.updateHash(root) };
  await convey(ring, take, [
    ...(root === undefined ? [] : [hash, updateRoot]),
    { each: use },
    { each: (batch) => checkpoint.passBatch(batch, chain.header) },
  ]);
  await chain.finish();
}

/** Returns the end of the run of blocks of one kind (data, zero, absent) that begins at `block`. */
function runEnd(batch: Batch, block: number): number {
  const kind = (at: number) => Math.min(batch.table[at - batch.first], KIND_DATA);
  let end = block + 1;
  while (end < batch.end && kind(end) === kind(block)) end++;
  return end;
}

/** ZERO and ABSENT are 0 and 1; every address is larger. */
const KIND_DATA = 2;
