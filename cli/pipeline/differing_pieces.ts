/** Finds the bytes of a disk that differ from the bytes that a restore would write. */

import type { Core } from "../core.ts";
import type { WritableDisk } from "../disks/disk.ts";
import { SECTOR_BYTES } from "../sector.ts";
import { Batch } from "./batch.ts";
import { readDisk } from "./disk_reader.ts";

/**
 * The size of the pieces that are compared: the unit of most file systems and holes. Other blocks are
 * compared in sectors.
 */
const PAGE_BYTES = 4096;

/**
 * The shortest hole that is made inside a block with data: each hole costs a system call and divides the file
 * further.
 */
const HOLE_BYTES = 64 * 1024;

/** The number of bytes that are compared at a time. */
const WINDOW_BYTES = 1024 * 1024;

/** The marks of pieces. The core sets SAME and DATA. */
const SAME = 0;
const DATA = 1;
const HOLE = 2;

/** A part of a disk. */
export interface DiskRange {
  offsetBytes: number;
  lenBytes: number;
}

/** A part of a disk that differs from the bytes that it is to hold. */
export interface DifferingPart extends DiskRange {
  /** True if all bytes of the part are to be zero. */
  zero: boolean;
}

/** Compares a disk piece by piece with the bytes that it is to hold. */
export class DifferingPieces {
  readonly #core: Core;
  readonly #source: Parameters<typeof readDisk>[0];
  /** The present content of the disk. The blocks of this batch are the pieces. */
  readonly #held: Batch;
  /** The addresses of the pieces that the disk is to hold. */
  readonly #wantedTablePtr: number;
  readonly #wantedTable: Uint32Array;
  /** The address of one mark for each piece. */
  readonly #differsPtr: number;
  readonly #differs: Uint8Array;

  /**
   * @param held the present content of the disk
   * @param options.blockBytes the block size of the archives
   * @param options.capacityBytes the number of bytes of the disk that are compared; no byte after them is
   *   read
   */
  constructor(
    core: Core,
    held: NonNullable<WritableDisk["held"]>,
    { blockBytes, capacityBytes }: { blockBytes: number; capacityBytes: number },
  ) {
    this.#core = core;
    this.#source = {
      path: held.path,
      capacityBytes,
      read: (into, offsetBytes) => held.read(into, offsetBytes),
      extentAt: async (offsetBytes) => {
        const { endBytes, zero } = await held.extentAt(offsetBytes);
        return { endBytes: Math.min(endBytes, capacityBytes), zero };
      },
    };
    const pieceBytes = blockBytes % PAGE_BYTES === 0 ? PAGE_BYTES : SECTOR_BYTES;
    this.#held = new Batch(core, pieceBytes, WINDOW_BYTES);
    const { capacity } = this.#held;
    this.#wantedTablePtr = core.alloc(capacity * 4);
    this.#wantedTable = core.words(this.#wantedTablePtr, capacity);
    this.#differsPtr = core.alloc(capacity);
    this.#differs = core.bytes(this.#differsPtr, capacity);
  }

  /**
   * Yields the parts of a range in which the disk differs, in ascending order. Parts that cannot be read
   * count as different. The caller may write a part before it asks for the next one.
   *
   * @param range a range that begins at a block
   * @param wantedPtr the address of the bytes that the disk is to hold, padded with zeros to whole blocks;
   *   undefined if all of them are zero
   */
  async *in({ offsetBytes, lenBytes }: DiskRange, wantedPtr?: number): AsyncGenerator<DifferingPart> {
    const core = this.#core;
    const held = this.#held;
    const { blockBytes: pieceBytes } = held;
    const firstPiece = offsetBytes / pieceBytes;
    const endBytes = offsetBytes + lenBytes;
    const endPiece = Math.ceil(endBytes / pieceBytes);
    for (let piece = firstPiece; held.start(piece, endPiece); piece = held.end) {
      const { count } = held;
      for (let i = 0; i < count; i++) {
        this.#wantedTable[i] = wantedPtr === undefined
          ? core.ZERO
          : wantedPtr + (piece + i - firstPiece) * pieceBytes;
      }
      core.dropZeros(this.#wantedTablePtr, count, pieceBytes);
      if (await this.#read()) {
        held.dropZeros();
        core.diffBlocks(held.run, { ...held.run, tablePtr: this.#wantedTablePtr }, this.#differsPtr);
      } else {
        this.#differs.fill(DATA, 0, count);
      }
      this.#markHoles(wantedPtr === undefined ? 1 : HOLE_BYTES / pieceBytes);
      for (const { from, to, zero } of this.#runs()) {
        const beginBytes = (piece + from) * pieceBytes;
        const partBytes = Math.min((piece + to) * pieceBytes, endBytes) - beginBytes;
        yield { offsetBytes: beginBytes, lenBytes: partBytes, zero };
      }
    }
  }

  /**
   * Changes the marks of runs of at least `fewest` pieces that differ and are to be zero to {@linkcode HOLE}.
   */
  #markHoles(fewest: number): void {
    const { count } = this.#held;
    for (let from = 0; from < count;) {
      let to = from;
      while (to < count && this.#differs[to] === DATA && this.#wantedTable[to] === this.#core.ZERO) to++;
      if (to - from >= fewest) this.#differs.fill(HOLE, from, to);
      from = Math.max(to, from + 1);
    }
  }

  /** Yields the runs of pieces that differ, by their indexes in the window. */
  *#runs(): Generator<{ from: number; to: number; zero: boolean }> {
    const { count } = this.#held;
    for (let from = 0; from < count;) {
      const mark = this.#differs[from];
      let to = from + 1;
      while (to < count && this.#differs[to] === mark) to++;
      if (mark !== SAME) yield { from, to, zero: mark === HOLE };
      from = to;
    }
  }

  /**
   * Reads the window. Returns false if that fails, because a disk that cannot be read can often be written.
   */
  async #read(): Promise<boolean> {
    const { first, end } = this.#held;
    try {
      await readDisk(this.#source, this.#held, { start: first, end });
      return true;
    } catch {
      return false;
    }
  }
}
