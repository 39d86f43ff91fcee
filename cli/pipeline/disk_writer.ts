/** Writes runs of blocks to a disk; of a disk that exists, only the parts that differ. */

import type { Core } from "../core.ts";
import type { WritableDisk } from "../disks/disk.ts";
import { DifferingPieces } from "./differing_pieces.ts";

/** A run of blocks of one kind. */
export interface BlockSpan {
  first: number;
  /** The first block after the run. */
  end: number;
  /** True if all blocks of the run are zero. */
  zero: boolean;
}

/** Writes to one disk and counts the blocks. */
export class DiskWriter {
  /** The number of blocks of which at least a part was written. */
  writtenBlocks = 0;
  /**
   * The number of blocks that the disk held already; undefined if the present content of the disk is not
   * compared.
   */
  unchangedBlocks?: number;
  readonly #disk: WritableDisk;
  readonly #blockBytes: number;
  readonly #capacityBytes: number;
  readonly #differing?: DifferingPieces;

  /** @param options.capacityBytes the number of bytes that are written; the disk may be larger */
  constructor(
    core: Core,
    disk: WritableDisk,
    options: { blockBytes: number; capacityBytes: number },
  ) {
    this.#disk = disk;
    this.#blockBytes = options.blockBytes;
    this.#capacityBytes = options.capacityBytes;
    if (disk.held === undefined || disk.fresh) return;
    this.#differing = new DifferingPieces(core, disk.held, options);
    this.unchangedBlocks = 0;
  }

  /**
   * Writes a run of blocks. Holes of the disk stay where zeros are written, and zeros become holes where the
   * disk can have them.
   *
   * @param slots the bytes of the blocks in the core's memory; for zero blocks memory that may be overwritten
   */
  async write({ first, end, zero }: BlockSpan, slots: Uint8Array): Promise<void> {
    const offsetBytes = first * this.#blockBytes;
    const lenBytes = Math.min((end - first) * this.#blockBytes, this.#capacityBytes - offsetBytes);
    if (this.#differing === undefined) {
      if (zero) slots.fill(0);
      await this.#disk.write(slots.subarray(0, lenBytes), offsetBytes);
      this.writtenBlocks += end - first;
      return;
    }
    const writtenBefore = this.writtenBlocks;
    let countedTo = first;
    for await (
      const part of this.#differing.in({ offsetBytes, lenBytes }, zero ? undefined : slots.byteOffset)
    ) {
      const partEnd = part.offsetBytes + part.lenBytes;
      if (part.zero && this.#disk.writeZeros !== undefined) {
        await this.#disk.writeZeros(part.offsetBytes, part.lenBytes);
      } else {
        if (zero) slots.fill(0, 0, part.lenBytes);
        const begin = zero ? 0 : part.offsetBytes - offsetBytes;
        await this.#disk.write(slots.subarray(begin, begin + part.lenBytes), part.offsetBytes);
      }
      // Several parts may lie in one block.
      const endBlock = Math.ceil(partEnd / this.#blockBytes);
      this.writtenBlocks += endBlock - Math.max(countedTo, Math.floor(part.offsetBytes / this.#blockBytes));
      countedTo = endBlock;
    }
    this.unchangedBlocks! += end - first - (this.writtenBlocks - writtenBefore);
  }
}
