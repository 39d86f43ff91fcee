/** What a survey finds wrong with one archive, and what it costs. */

/** What is wrong with an archive at one place. */
export interface ArchiveFault {
  path: string;
  /** Where in the file; in a compressed one where the member or frame begins, unless `inContainer`. */
  offsetBytes: number;
  /** The container is damaged there, and perhaps not the records that it holds. */
  inContainer: boolean;
  expected: string;
  found: string;
  /** Blocks from `start` to before `end` have no record for that: none, if what it harms is known by its MD5 alone. */
  start: number;
  end: number;
}

/** Faults that are told one by one. */
export const MAX_FAULTS = 1000;

interface PendingFault {
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
  readonly #pending: PendingFault[] = [];
  /** Those of them of the container that were found behind its last piece. */
  readonly #fresh: PendingFault[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether blocks are missing for reasons that are told. */
  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Takes a fault at `streamBytes` of the stream. */
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

  /** The stream goes on behind the container's last faults, without a gap if it is `joined`: then they cost nothing. */
  continueStream({ joined }: { joined: boolean }): void {
    const fresh = this.#fresh.splice(0);
    if (!joined) return;
    for (const open of fresh) this.#pending.splice(this.#pending.indexOf(open), 1);
  }

  /** The faults up to `toBytes` of the stream cost the blocks from `start` to before `end`. */
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
