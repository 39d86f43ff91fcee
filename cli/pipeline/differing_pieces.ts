/** Which bytes of a disk differ from those that it is to have. */

import type { Core } from "../core.ts";
import type { WritableDisk } from "../disks/disk.ts";
import { Batch } from "./batch.ts";
import { readDisk } from "./disk_reader.ts";

/** The unit of file systems and of most holes. Blocks that are no multiple of it are compared by sectors. */
const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;

/** The fewest zeros in a block with data that are worth a hole: each costs a system call, and divides the file. */
const HOLE_BYTES = 64 * 1024;

/** Bytes that are compared at a time. */
const WINDOW_BYTES = 1024 * 1024;

/** What is known of a piece: the first two as the core marks them. */
const SAME = 0;
const DATA = 1;
const HOLE = 2;

/** A part of a disk. */
export interface DiskRange {
  offsetBytes: number;
  lenBytes: number;
}

/** A part of a disk that differs from what it is to be. */
export interface DifferingPart extends DiskRange {
  /** All of it is to be zero. */
  zero: boolean;
}

/** Compares a disk with what is to be written to it, piece by piece. */
export class DifferingPieces {
  readonly #core: Core;
  readonly #source: Parameters<typeof readDisk>[0];
  /** What the disk holds. Its blocks are the pieces that are compared. */
  readonly #held: Batch;
  /** Where the pieces lie that the disk is to hold. */
  readonly #wantedTablePtr: number;
  readonly #wantedTable: Uint32Array;
  /** One byte a piece: one of the marks. */
  readonly #differsPtr: number;
  readonly #differs: Uint8Array;

  /**
   * @param held what the disk holds
   * @param options.blockBytes of the archives
   * @param options.capacityBytes bytes of the disk that count; nothing behind them is read
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
   * The parts of a range in which the disk differs, in ascending order. What cannot be read differs. The next part is looked for
   * when the caller is done with the one before, so that the disk may be written meanwhile.
   *
   * @param wantedPtr where the bytes lie that the disk is to hold, zeros behind the capacity included; absent for zeros
   * @param range begins at a block
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

  /** Marks with {@linkcode HOLE} at least `fewest` neighbours that differ and are to be zero. */
  #markHoles(fewest: number): void {
    const { count } = this.#held;
    for (let from = 0; from < count;) {
      let to = from;
      while (to < count && this.#differs[to] === DATA && this.#wantedTable[to] === this.#core.ZERO) to++;
      if (to - from >= fewest) this.#differs.fill(HOLE, from, to);
      from = Math.max(to, from + 1);
    }
  }

  /** The runs of pieces that differ, by their numbers in the window. */
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

  /** False if the disk does not give all of the window: it may take what is written all the same. */
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
