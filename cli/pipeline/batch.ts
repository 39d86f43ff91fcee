/**
 * A batch: a run of consecutive blocks on its way through the program. Every reader fills batches, the core works on
 * whole batches, every writer writes them.
 *
 *      table   | ptr | 0 | ptr | 1 | ...      where each block lies; ZERO and ABSENT are no addresses
 *               |           |
 *      slots   [block first+0][  ...  ][block first+2][ ... ]     block i of the batch has slot i
 *      digests [16 bytes][16 bytes] ...                            a zero block has sixteen zero bytes
 */

import type { Core } from "../core.ts";

/** Bytes of slots a batch has, if a block is no larger: 24 blocks of 1 MiB keep all lanes of the MD5 kernel busy. */
const BATCH_BYTES = 24 * 1024 * 1024;
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
  /** An address, `core.ZERO` or `core.ABSENT` for each block. */
  readonly table: Uint32Array;
  /** 16 bytes for each block. */
  readonly digests: Uint8Array;

  constructor(core: Core, blockBytes: number) {
    this.core = core;
    this.blockBytes = blockBytes;
    this.capacity = Math.min(BATCH_BLOCKS, Math.max(1, Math.floor(BATCH_BYTES / blockBytes)));
    this.tablePtr = core.alloc(this.capacity * 4);
    this.slotsPtr = core.alloc(this.capacity * blockBytes);
    this.digestsPtr = core.alloc(this.capacity * 16);
    this.table = core.words(this.tablePtr, this.capacity);
    this.digests = core.bytes(this.digestsPtr, this.capacity * 16);
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

  /** Computes the digest of every block that is there. */
  hash(): void {
    this.core.md5Blocks(this.tablePtr, this.count, this.blockBytes, this.digestsPtr);
  }
}
