/** What a survey finds wrong with one archive, and what it costs. */

/** A place at which an archive is damaged. */
export interface ArchiveFault {
  /** Path of the archive. */
  path: string;
  /**
   * Offset of the place in the file, in bytes. In a compressed file, the offset of the gzip member or zstd frame, unless
   * `inContainer` is set.
   */
  offsetBytes: number;
  /** The compressed container is damaged. The records in it may be intact. */
  inContainer: boolean;
  /** What the format requires at this place. */
  expected: string;
  /** What the file holds there. */
  found: string;
  /**
   * The first block that has no record because of the damage. Equal to `end` if no block lacks a record: then the damage is in
   * the content of a record, which only the MD5 shows.
   */
  start: number;
  /** The block after the last one that has no record because of the damage. */
  end: number;
}

/** Faults that are told one by one. */
export const MAX_FAULTS = 1000;

interface OpenFault {
  fault: ArchiveFault;
  /** Offset in the stream. */
  streamBytes: number;
}

/** Collects the faults of one archive. */
export class FaultLog {
  /** In their order in the file, the first {@linkcode MAX_FAULTS}. */
  readonly faults: ArchiveFault[] = [];
  /** Faults in all. */
  count = 0;
  readonly #path: string;
  /** Faults whose blocks are not known before the next record is found. */
  readonly #open: OpenFault[] = [];
  /** Those of them of the container that were found behind its last piece. */
  readonly #fresh: OpenFault[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether blocks are missing for reasons that are told. */
  get hasOpen(): boolean {
    return this.#open.length > 0;
  }

  /** Takes a fault at `streamBytes` of the stream. */
  note(
    { offsetBytes, inContainer, expected, found }: Omit<ArchiveFault, "path" | "start" | "end">,
    streamBytes: number,
  ): void {
    const fault = { path: this.#path, offsetBytes, inContainer, expected, found, start: 0, end: 0 };
    this.count++;
    if (this.faults.length < MAX_FAULTS) this.faults.push(fault);
    if (this.#open.length >= MAX_FAULTS) return;
    const open = { fault, streamBytes };
    this.#open.push(open);
    if (inContainer) this.#fresh.push(open);
  }

  /** The stream goes on behind the container's last faults, without a gap if it is `joined`: then they cost nothing. */
  goOn({ joined }: { joined: boolean }): void {
    const fresh = this.#fresh.splice(0);
    if (!joined) return;
    for (const open of fresh) this.#open.splice(this.#open.indexOf(open), 1);
  }

  /** The faults up to `toBytes` of the stream cost the blocks from `start` to before `end`. */
  close({ start, end, toBytes }: { start: number; end: number; toBytes: number }): void {
    for (let i = this.#open.length - 1; i >= 0; i--) {
      const { fault, streamBytes } = this.#open[i];
      if (streamBytes > toBytes) continue;
      fault.start = start;
      fault.end = end;
      this.#open.splice(i, 1);
    }
  }
}
