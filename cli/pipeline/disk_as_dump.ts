/** Reads a disk as the first member of a chain, in the place of a dump. */

import type { DumpHeader } from "../archive/header.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import type { Batch } from "./batch.ts";
import type { ChainReader } from "./chain.ts";
import { readDisk } from "./disk_reader.ts";

/** The methods of a disk that are used. */
export type ReadableImage = Pick<ReadableDisk, "path" | "capacityBytes" | "overlaps" | "extentAt" | "read">;

/** Returns the first `capacityBytes` bytes of a disk as a disk. */
export function beginningOfDisk(disk: ReadableImage, capacityBytes: number): ReadableImage {
  return {
    path: disk.path,
    capacityBytes,
    overlaps: disk.overlaps,
    read: (into, offsetBytes) => disk.read(into, offsetBytes),
    extentAt: async (offsetBytes) => {
      const { endBytes, zero } = await disk.extentAt(offsetBytes);
      return { endBytes: Math.min(endBytes, capacityBytes), zero };
    },
  };
}

/** A disk that holds the generation that `header` describes. The disk may be larger than that. */
export class DiskAsDump implements ChainReader {
  readonly path: string;
  readonly header: DumpHeader;
  readonly #disk: ReadableImage;
  #nextBlock = 0;

  constructor(disk: ReadableImage, header: DumpHeader) {
    this.path = disk.path;
    this.header = { ...header, full: true };
    this.#disk = beginningOfDisk(disk, header.capacityBytes);
  }

  get nextBlock(): number {
    return this.#nextBlock;
  }

  /** Reads the blocks of a batch whose entries are absent. */
  async take(batch: Batch): Promise<void> {
    const { first, table, count, core } = batch;
    for (let i = 0; i < count;) {
      const isAbsent = (at: number) => table[at] === core.ABSENT;
      let end = i + 1;
      while (end < count && isAbsent(end) === isAbsent(i)) end++;
      if (isAbsent(i)) await readDisk(this.#disk, batch, { start: first + i, end: first + end });
      i = end;
    }
    this.#nextBlock = batch.end;
  }

  /** Does nothing: a disk has no end that could be wrong. */
  finish(): Promise<void> {
    return Promise.resolve();
  }
}
