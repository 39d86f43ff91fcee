/** A disk that lives in memory, tells the extents it was told, and remembers what was asked of it. */

import { ADAPTER, type Extent, type ReadableDisk, type WritableDisk } from "../../cli/disks/disk.ts";

/** A stretch of bytes. */
export interface Range {
  start: number;
  end: number;
}

/** Contents and character of the disk. */
export interface MemoryDiskOptions {
  /** Ascending, the last one ends at the capacity; without them all is data. */
  extents?: readonly Extent[];
  fresh?: boolean;
}

/** Both a source and a target. */
export class MemoryDisk implements ReadableDisk, WritableDisk {
  readonly path = "memory";
  readonly files: readonly string[] = [];
  readonly format = "memory";
  readonly adapterType = ADAPTER.unknown;
  readonly metadata: ReadonlyMap<string, string> = new Map();
  readonly fresh: boolean;
  readonly keepsMetadata = true;
  readonly bytes: Uint8Array;
  readonly reads: Range[] = [];
  readonly writes: Range[] = [];
  synced = false;
  readonly #extents: readonly Extent[];

  constructor(bytes: Uint8Array, { extents, fresh = false }: MemoryDiskOptions = {}) {
    this.bytes = bytes;
    this.fresh = fresh;
    this.#extents = extents ?? [{ endBytes: bytes.length, zero: false }];
  }

  get capacityBytes(): number {
    return this.bytes.length;
  }

  extentAt(offsetBytes: number): Extent {
    const extent = this.#extents.find(({ endBytes }) => endBytes > offsetBytes);
    if (extent === undefined) throw new RangeError(`byte ${offsetBytes} of ${this.capacityBytes}`);
    return extent;
  }

  read(into: Uint8Array, offsetBytes: number): void {
    into.set(this.bytes.subarray(...this.#range(this.reads, into, offsetBytes)));
  }

  write(from: Uint8Array, offsetBytes: number): void {
    this.bytes.subarray(...this.#range(this.writes, from, offsetBytes)).set(from);
    this.synced = false;
  }

  writeMetadata(): void {}

  sync(): void {
    this.synced = true;
  }

  [Symbol.dispose](): void {}

  #range(log: Range[], { length }: Uint8Array, start: number): [number, number] {
    const end = start + length;
    if (start < 0 || end > this.capacityBytes) {
      throw new RangeError(`bytes ${start} to ${end} of ${this.capacityBytes}`);
    }
    log.push({ start, end });
    return [start, end];
  }
}
