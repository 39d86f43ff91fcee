/**
 * A batch: a run of consecutive blocks on its way through the program. Every reader fills batches, the core works on
 * whole batches, every writer writes them.
 *
 *      table   | ptr | 0 | ptr | 1 | ...      where each block lies; ZERO and ABSENT are no addresses
 *               |           |
 *      slots   [block first+0][  ...  ][block first+2][ ... ]     block i of the batch has slot i
 *      digests [16 bytes][16 bytes] ...                            a zero block has sixteen zero bytes
 */

import type { PassingHash } from "../archive/bytes.ts";
import type { BlockRun, Core } from "../core.ts";
import type { Crew } from "../workers/crew.ts";
import { settleAll } from "../settle_all.ts";

/** Bytes of slots a batch has, if a block is no larger: 24 blocks of 1 MiB, half of them zero, fill all lanes of the MD5 kernel. */
export const BATCH_BYTES = 24 * 1024 * 1024;
/** As much where two batches go together: some lanes unused cost less than the memory. */
export const HALF_BATCH_BYTES = BATCH_BYTES / 2;
/** As much where nothing is hashed. */
export const SMALL_BATCH_BYTES = BATCH_BYTES / 4;
/** Small blocks in more than 2 MiB leave the processor's caches: 512-byte blocks then hash at 0.6 of the speed. */
const BATCH_BLOCKS = 4096;

/** Memory for a run of blocks. All regions lie in the core's memory. */
export class Batch {
  readonly core: Core;
  readonly blockBytes: number;
  /** Blocks that fit. */
  readonly capacity: number;
  /** First block of the run. */
  first = 0;
  /** Blocks of the run, at most `capacity`. */
  count = 0;
  readonly tablePtr: number;
  readonly slotsPtr: number;
  readonly digestsPtr: number;
  readonly offsetsPtr: number;
  /** Where the record of each block begins in the archive that was read for it, and where the last one ends. */
  readonly offsets: Uint32Array;
  /** An address, `core.ZERO` or `core.ABSENT` for each block. */
  readonly table: Uint32Array;
  /** 16 bytes for each block. */
  readonly digests: Uint8Array;
  #free: Promise<void> = Promise.resolve();

  /** `mostBytes`: of slots, if a block is no larger */
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

  /** Core memory that the slots of one batch take. */
  static bytesFor(blockBytes: number, mostBytes = BATCH_BYTES): number {
    return capacityFor(blockBytes, mostBytes) * blockBytes;
  }

  /** Resolves when nobody named to {@linkcode usedBy} is at it any more. */
  get free(): Promise<void> {
    return this.#free;
  }

  /** Somebody is at it until `use` settles. */
  usedBy(use: Promise<void>): void {
    this.#free = settleAll([this.#free, use]);
    // Who fails at something else first does not wait for it.
    this.#free.catch(() => {});
  }

  /** First block after the run. */
  get end(): number {
    return this.first + this.count;
  }

  /** Address of the slot of `block`. */
  slotPtr(block: number): number {
    return this.slotsPtr + (block - this.first) * this.blockBytes;
  }

  /** The slots of the blocks from `start` to before `end`. */
  slots(start: number, end: number): Uint8Array {
    return this.core.bytes(this.slotPtr(start), (end - start) * this.blockBytes);
  }

  /** Moves on to the run that begins at `first` and ends before `totalBlocks`; false if there is none. All blocks are absent. */
  start(first: number, totalBlocks: number): boolean {
    this.first = first;
    this.count = Math.min(this.capacity, totalBlocks - first);
    this.table.fill(this.core.ABSENT, 0, this.count);
    return this.count > 0;
  }

  /** Finds the zero blocks; returns how many blocks are neither zero nor absent. */
  dropZeros(): number {
    return this.core.dropZeros(this.tablePtr, this.count, this.blockBytes);
  }

  /** Finds the zero blocks and computes the digests of the others. */
  async hash(crew: Crew): Promise<void> {
    // Disks have long stretches of nothing: no thread need be asked for them.
    if (!this.#hasData()) return void this.allDigests.fill(0);
    await crew.run({ kind: "hash", run: this.run, digestsPtr: this.digestsPtr });
  }

  #hasData(): boolean {
    const { table, count, core } = this;
    for (let i = 0; i < count; i++) if (table[i] !== core.ZERO && table[i] !== core.ABSENT) return true;
    return false;
  }

  /** How many blocks are zero, as far as that is known; of those only whose byte in `selected` is not 0. */
  countZeros(selected?: Uint8Array): number {
    const { table, count } = this;
    let zeros = 0;
    for (let i = 0; i < count; i++) if (table[i] === this.core.ZERO && selected?.[i] !== 0) zeros++;
    return zeros;
  }

  /** The digests of the run, in order. */
  get allDigests(): Uint8Array {
    return this.digests.subarray(0, this.count * 16);
  }

  /** Tells a hash the digests of the run; they stay as they are until it resolves. */
  updateHash(hash: PassingHash | undefined): Promise<void> {
    const told = hash?.update([this.allDigests]) ?? Promise.resolve();
    // Who does something else first may fail at that.
    told.catch(() => {});
    return told;
  }

  /** What the core needs to know of it, for other threads. */
  get run(): BlockRun {
    const { tablePtr, count, blockBytes, first } = this;
    return { tablePtr, count, blockBytes, first };
  }
}

function capacityFor(blockBytes: number, mostBytes: number): number {
  return Math.min(BATCH_BLOCKS, Math.max(1, Math.floor(mostBytes / blockBytes)));
}
