/** Collects the faults that a survey finds in an archive, and the blocks that each of them affects. */

/** A place at which an archive is damaged. */
export interface ArchiveFault {
  /** Path of the archive. */
  path: string;
  /**
   * Offset of the place in the file, in bytes. In a compressed file, the offset of the gzip member or zstd
   * frame, unless `inContainer` is set.
   */
  offsetBytes: number;
  /** The compressed container is damaged. The records in it may be intact. */
  inContainer: boolean;
  /** What the format requires at this place. */
  expected: string;
  /** What the file holds there. */
  found: string;
  /**
   * The first block that has no record because of the damage. Equal to `end` if no block lacks a record: then
   * the damage is in the content of a record, which only the MD5 shows.
   */
  start: number;
  /** The block after the last one that has no record because of the damage. */
  end: number;
}

/** The largest number of faults that are listed. */
export const MAX_FAULTS = 1000;

interface PendingFault {
  fault: ArchiveFault;
  /** The offset in the stream. */
  streamBytes: number;
}

/** Collects the faults of one archive. */
export class FaultLog {
  /** The first {@linkcode MAX_FAULTS} faults in the order of the file. */
  readonly faults: ArchiveFault[] = [];
  /** The number of all faults. */
  count = 0;
  readonly #path: string;
  /** The faults whose blocks are not known yet, because the next record after them was not found. */
  readonly #pending: PendingFault[] = [];
  /** The pending faults of the container that were found after its last readable piece. */
  readonly #fresh: PendingFault[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  /** True if a pending fault explains why records are missing. */
  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /**
   * Adds a fault.
   *
   * @param streamBytes the offset in the stream: the blocks of the fault are assigned with the next record
   *   found at or after it
   */
  note(
    { offsetBytes, inContainer, expected, found }: Omit<ArchiveFault, "path" | "start" | "end">,
    streamBytes: number,
  ): void {
    const fault = { path: this.#path, offsetBytes, inContainer, expected, found, start: 0, end: 0 };
    this.count++;
    if (this.faults.length < MAX_FAULTS) this.faults.push(fault);
    if (this.#pending.length >= MAX_FAULTS) return;
    const open = { fault, streamBytes };
    this.#pending.push(open);
    if (inContainer) this.#fresh.push(open);
  }

  /**
   * Is called when the stream continues after faults of the container. If it is `joined`, no bytes were lost,
   * and these faults affect no blocks.
   */
  continueStream({ joined }: { joined: boolean }): void {
    const fresh = this.#fresh.splice(0);
    if (!joined) return;
    for (const open of fresh) this.#pending.splice(this.#pending.indexOf(open), 1);
  }

  /**
   * Assigns the blocks from `start` to before `end` to all pending faults up to the offset `toBytes` in the
   * stream.
   */
  assignBlocks({ start, end, toBytes }: { start: number; end: number; toBytes: number }): void {
    for (let i = this.#pending.length - 1; i >= 0; i--) {
      const { fault, streamBytes } = this.#pending[i];
      if (streamBytes > toBytes) continue;
      fault.start = start;
      fault.end = end;
      this.#pending.splice(i, 1);
    }
  }
}
