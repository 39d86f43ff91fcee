/**
 * A new streamOptimized VMDK, as ovftool and vSphere import it: compressed grains, written from front to back.
 *
 * ```
 * 0       header, which refers to the footer; descriptor
 * 128     { grains, marker, grain table }    for each 32 MiB of the disk that are not all zero
 *         marker, grain directory            0 for a table that is left out
 *         marker, footer                     the header again, with the place of the directory
 *         end of stream                      a sector of zeros
 * ```
 *
 * Directories and tables name the sector behind the marker of a table, and the marker of a grain. This is the layout of
 * VMware's own files and VirtualBox's; 7-Zip reads no other. Source: VMware's technical note "Virtual Disk Format 5.0".
 */

import { UsageError } from "../../../errors.ts";
import { SECTOR_BYTES } from "../../../sector.ts";
import type { WritableDisk } from "../../disk.ts";
import { REGION_BYTES } from "./grain_collector.ts";
import { createImage, type ImageFile, type OpenOutput } from "../../image_file.ts";
import { createGrainVmdk, type GrainFile, type NewGrainVmdk } from "./grain_disk.ts";
import type { PackedGrains } from "./grain_pack.ts";
import {
  DESCRIPTOR_SECTOR,
  FILE_LIMIT_SECTORS,
  formatEntries,
  formatSparseHeader,
  GRAIN_BYTES,
  GRAIN_SECTORS,
  TABLE_COVERAGE_BYTES,
  TABLE_ENTRIES,
} from "./sparse_header.ts";
import { MARKER } from "../extents/hosted/marker.ts";
import { formatItem, grainsOf, ITEM_LIMIT_BYTES } from "./stream_items.ts";

/** The number of sectors in front of the first grain, as in VMware's files. */
const OVERHEAD_SECTORS = 128;

/** Packs grains on the available threads; see `packGrains` in `grain_pack.ts`. */
export interface GrainPacking {
  /** The number of calls that may be under way at a time, at least 1. */
  ahead: number;
  /** Packs grains and returns the size of their items in bytes. */
  pack(given: PackedGrains): Promise<number>;
}

/** Packs grains on this thread. */
const HERE: GrainPacking = {
  ahead: 1,
  pack: async (given) => (await import("./grain_pack.ts")).packGrains(given),
};

/** Grains that are packed and written, with the memory for both. */
interface GrainRun {
  readonly grains: Uint8Array;
  readonly items: Uint8Array;
  /** Settles when the items are written. */
  written: Promise<void>;
}

class StreamFile implements GrainFile {
  /** Every write goes through a region, so that other threads deflate it while the caller goes on. */
  readonly takesWrites = false;
  readonly #image: ImageFile;
  readonly #capacityBytes: number;
  readonly #packing: GrainPacking;
  /** The runs in the order of their use, the oldest first. They are used again in turn. */
  readonly #runs: GrainRun[] = [];
  /** Settles when everything that was put so far is written. */
  #written: Promise<void> = Promise.resolve();
  #endSector = OVERHEAD_SECTORS;
  /** The table in which grains are entered now, and its number, which is undefined before the first grain. */
  readonly #table = new Uint32Array(TABLE_ENTRIES);
  #tableIndex?: number;
  readonly #directory: Uint32Array;
  #stopped = false;

  constructor(
    image: ImageFile,
    { capacityBytes, packing }: { capacityBytes: number; packing: GrainPacking },
  ) {
    this.#image = image;
    this.#capacityBytes = capacityBytes;
    this.#packing = packing;
    this.#directory = new Uint32Array(Math.ceil(capacityBytes / TABLE_COVERAGE_BYTES));
  }

  async region(): Promise<Uint8Array> {
    const run = this.#runs.length < this.#packing.ahead ? newRun() : this.#runs.shift()!;
    await run.written;
    this.#runs.push(run);
    return run.grains;
  }

  /**
   * Returns at once: `grains` is the region that `region` returned last, and is not returned again before it
   * is written.
   */
  put(grains: Uint8Array, firstGrain: number): Promise<void> {
    const run = this.#runs.at(-1)!;
    const packed = this.#packing.pack({ grains, into: run.items, firstSector: firstGrain * GRAIN_SECTORS });
    const before = this.#written;
    run.written = this.#written = (async () => {
      // Both are waited for, because the run is used again when this promise settles.
      const [, result] = await Promise.allSettled([before, packed]);
      await before;
      if (result.status === "rejected") throw result.reason;
      if (!this.#stopped) await this.#append(run.items.subarray(0, result.value));
    })();
    // The error is thrown by the next call that awaits the promise; until then it must not count as
    // unhandled.
    this.#written.catch(() => {});
    return Promise.resolve();
  }

  async finish(descriptor: Uint8Array): Promise<void> {
    await this.#written;
    await this.#writeTable();
    const directorySector = this.#endSector + 1;
    await this.#write(formatItem(MARKER.grainDirectory, formatEntries(this.#directory)));
    const header = {
      compressed: true,
      capacityBytes: this.#capacityBytes,
      overheadSectors: OVERHEAD_SECTORS,
    };
    await this.#write(formatItem(MARKER.footer, formatSparseHeader({ ...header, directorySector })));
    await this.#write(new Uint8Array(SECTOR_BYTES));
    await this.#image.write(descriptor, DESCRIPTOR_SECTOR * SECTOR_BYTES);
    await this.#image.write(formatSparseHeader(header), 0);
    this.#image.sync();
  }

  async settle(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled([this.#written]);
  }

  /** Writes the items of grains, and each table when its last grain is written. */
  async #append(items: Uint8Array): Promise<void> {
    for (const { sector, atBytes } of grainsOf(items)) {
      const grain = sector / GRAIN_SECTORS;
      const index = Math.floor(grain / TABLE_ENTRIES);
      if (index !== this.#tableIndex) {
        await this.#writeTable();
        this.#tableIndex = index;
      }
      this.#table[grain % TABLE_ENTRIES] = this.#endSector + atBytes / SECTOR_BYTES;
    }
    await this.#write(items);
  }

  async #writeTable(): Promise<void> {
    if (this.#tableIndex === undefined) return;
    this.#directory[this.#tableIndex] = this.#endSector + 1;
    await this.#write(formatItem(MARKER.grainTable, formatEntries(this.#table)));
    this.#table.fill(0);
  }

  async #write(sectors: Uint8Array): Promise<void> {
    const endSector = this.#endSector + sectors.length / SECTOR_BYTES;
    if (endSector > FILE_LIMIT_SECTORS) {
      throw new UsageError(
        `Cannot write disk "${this.#image.path}": a streamOptimized VMDK ends at 2 TiB of compressed data, ` +
          `choose another format`,
      );
    }
    await this.#image.write(sectors, this.#endSector * SECTOR_BYTES);
    this.#endSector = endSector;
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#image[Symbol.dispose]();
  }
}

/** Makes a run in shared memory, for other threads. */
function newRun(): GrainRun {
  const itemsBytes = (REGION_BYTES / GRAIN_BYTES) * ITEM_LIMIT_BYTES;
  return {
    grains: new Uint8Array(new SharedArrayBuffer(REGION_BYTES)),
    items: new Uint8Array(new SharedArrayBuffer(itemsBytes)),
    written: Promise.resolve(),
  };
}

/**
 * Makes the VMDK `path`, a name that ends in `.vmdk`.
 * @throws {UsageError} if the name or the metadata cannot be written in a descriptor
 */
export function createStreamVmdk(
  path: string,
  { openOutput, packing = HERE, ...disk }: Omit<NewGrainVmdk, "createType"> & {
    openOutput: OpenOutput;
    packing?: GrainPacking;
  },
): Promise<WritableDisk & AsyncDisposable> {
  const { capacityBytes } = disk;
  return createGrainVmdk(path, { ...disk, createType: "streamOptimized" }, async () => {
    const image = createImage(await openOutput(path), { path, sizeBytes: 0 });
    return new StreamFile(image, { capacityBytes, packing });
  });
}
