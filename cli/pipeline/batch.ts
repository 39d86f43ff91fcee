/**
 * A batch is a run of consecutive blocks that is read, processed and written as a whole. Readers fill
 * batches, the core works on whole batches, and writers write them.
 *
 *      table   | ptr | 0 | ptr | 1 | ...      the address of each block; ZERO and ABSENT are not addresses
 *               |           |
 *      slots   [block first+0][  ...  ][block first+2][ ... ]     block i of the batch has slot i
 *      digests [16 bytes][16 bytes] ...                            a zero block has sixteen zero bytes
 */

import type { PassingHash } from "../archive/bytes.ts";
import type { BlockRun, Core } from "../core.ts";
import type { Crew } from "../workers/crew.ts";
import { settleAll } from "../settle_all.ts";

/**
 * The most bytes of slots that a batch has if a block is not larger. With 24 blocks of 1 MiB, of which half
 * are zero, all lanes of the MD5 kernel are in use.
 */
export const BATCH_BYTES = 24 * 1024 * 1024;
/**
 * The same for batches that are processed in pairs. Unused lanes of the MD5 kernel cost less than the memory
 * of two full batches.
 */
export const HALF_BATCH_BYTES = BATCH_BYTES / 2;
/** The same for batches that are not hashed. */
export const SMALL_BATCH_BYTES = BATCH_BYTES / 4;
/** The same for batches of a disk of a server, on a whole conveyor: more than its reads under way. */
const SERVER_RING_BYTES = 40 * 1024 * 1024;

/**
 * Returns the most bytes of a batch that is read from `disk`: `mostBytes`, or half of them for a disk of a
 * server, whose connections take memory, too, and which is slower than hashing.
 */
export function batchBytesOf({ overlaps }: { overlaps?: boolean }, mostBytes = BATCH_BYTES): number {
  return overlaps ? mostBytes / 2 : mostBytes;
}

/** Returns the memory of a conveyor that reads from `disk`, if it is not to be `ringBytes`. */
export function ringBytesOf({ overlaps }: { overlaps?: boolean }, ringBytes?: number): number | undefined {
  return overlaps ? SERVER_RING_BYTES : ringBytes;
}

/**
 * The most blocks of a batch. More than 2 MiB of small blocks do not stay in the processor's caches: blocks
 * of 512 bytes are then hashed at 0.6 of the speed.
 */
const BATCH_BLOCKS = 4096;

/** The memory of a run of blocks. All of it lies in the core's memory. */
export class Batch {
  readonly core: Core;
  readonly blockBytes: number;
  /** The largest number of blocks of a run. */
  readonly capacity: number;
  /** The number of the first block of the run. */
  first = 0;
  /** The number of blocks of the run, at most `capacity`. */
  count = 0;
  readonly tablePtr: number;
  readonly slotsPtr: number;
  readonly digestsPtr: number;
  readonly offsetsPtr: number;
  /**
   * The offsets of the records of the blocks in the archive that they were read from, and after these the end
   * of the last record. The reader sets them and documents from where they count.
   */
  readonly offsets: Uint32Array;
  /** For each block its address, `core.ZERO` or `core.ABSENT`. */
  readonly table: Uint32Array;
  /** The MD5s, 16 bytes for each block. */
  readonly digests: Uint8Array;
  #free: Promise<void> = Promise.resolve();

  /** @param mostBytes the most bytes of slots, if a block is not larger */
  constructor(core: Core, blockBytes: number, mostBytes = BATCH_BYTES) {
    this.core = core;
    this.blockBytes = blockBytes;
    this.capacity = capacityFor(blockBytes, mostBytes);
    this.tablePtr = core.alloc(this.capacity * 4);
    this.slotsPtr = core.alloc(this.capacity * blockBytes);
    this.digestsPtr = core.alloc(this.capacity * 16);
    this.offsetsPtr = core.alloc((this.capacity + 1) * 4);
    this.table = core.words(this.tablePtr, this.capacity);
    this.offsets = core.words(this.offsetsPtr, this.capacity + 1);
    this.digests = core.bytes(this.digestsPtr, this.capacity * 16);
  }

  /** Returns the number of bytes of the slots of one batch. */
  static bytesFor(blockBytes: number, mostBytes = BATCH_BYTES): number {
    return capacityFor(blockBytes, mostBytes) * blockBytes;
  }

  /**
   * Resolves when all uses that were added with {@linkcode usedBy} have ended, so that the memory may be
   * changed.
   */
  get free(): Promise<void> {
    return this.#free;
  }

  /** Keeps the memory of the batch in use until `use` settles. */
  usedBy(use: Promise<void>): void {
    this.#free = settleAll([this.#free, use]);
    // If something else fails first, `free` is not awaited. Its rejection must not count as unhandled then.
    this.#free.catch(() => {});
  }

  /** The number of the first block after the run. */
  get end(): number {
    return this.first + this.count;
  }

  /** Returns the address of the slot of a block. */
  slotPtr(block: number): number {
    return this.slotsPtr + (block - this.first) * this.blockBytes;
  }

  /** Returns the slots of the blocks from `start` to before `end`. */
  slots(start: number, end: number): Uint8Array {
    return this.core.bytes(this.slotPtr(start), (end - start) * this.blockBytes);
  }

  /**
   * Sets the run to the blocks from `first` on, as many as fit and exist, and marks all of them as absent.
   * Returns false if there are none.
   */
  start(first: number, totalBlocks: number): boolean {
    this.first = first;
    this.count = Math.min(this.capacity, totalBlocks - first);
    this.table.fill(this.core.ABSENT, 0, this.count);
    return this.count > 0;
  }

  /**
   * Finds the zero blocks and sets their entries to ZERO. Returns the number of blocks that are neither zero
   * nor absent.
   */
  dropZeros(): number {
    return this.core.dropZeros(this.tablePtr, this.count, this.blockBytes);
  }

  /** Finds the zero blocks and computes the MD5s of the others. */
  async hash(crew: Crew): Promise<void> {
    // Disks have long runs of zero blocks. Their digests are set here, without a task for a thread.
    if (!this.#hasData()) return void this.allDigests.fill(0);
    await crew.run({ kind: "hash", run: this.run, digestsPtr: this.digestsPtr });
  }

  #hasData(): boolean {
    const { table, count, core } = this;
    for (let i = 0; i < count; i++) if (table[i] !== core.ZERO && table[i] !== core.ABSENT) return true;
    return false;
  }

  /**
   * Returns the number of entries that are ZERO. With `selected`, one byte for each block, blocks whose byte
   * is 0 are not counted.
   */
  countZeros(selected?: Uint8Array): number {
    const { table, count } = this;
    let zeros = 0;
    for (let i = 0; i < count; i++) if (table[i] === this.core.ZERO && selected?.[i] !== 0) zeros++;
    return zeros;
  }

  /** The MD5s of the run, in the order of the blocks. */
  get allDigests(): Uint8Array {
    return this.digests.subarray(0, this.count * 16);
  }

  /** Adds the MD5s of the run to a hash. They must not change before the promise resolves. */
  updateHash(hash: PassingHash | undefined): Promise<void> {
    const hashed = hash?.update([this.allDigests]) ?? Promise.resolve();
    // If something else fails first, the promise is not awaited. Its rejection must not count as unhandled
    // then.
    hashed.catch(() => {});
    return hashed;
  }

  /** The description of the run that the core's functions take, also on other threads. */
  get run(): BlockRun {
    const { tablePtr, count, blockBytes, first } = this;
    return { tablePtr, count, blockBytes, first };
  }
}

function capacityFor(blockBytes: number, mostBytes: number): number {
  return Math.min(BATCH_BLOCKS, Math.max(1, Math.floor(mostBytes / blockBytes)));
}
