/**
 * A new monolithicSparse VMDK: grains as they are, in the order of the disk.
 *
 * ```
 * 0            header, written last
 * 1            descriptor
 * 21           redundant grain directory, then its tables
 *              grain directory, then its tables            equal to the first, but for the places of the tables
 * overHead     the grains that are not zero, one behind the other
 * ```
 *
 * Grains come in ascending order, so a table is written when the first grain of another table comes. A table
 * without grains is a hole of the file, but has its place, because VMware does not accept files without it.
 */

import { UsageError } from "../../../errors.ts";
import { SECTOR_BYTES } from "../../../sector.ts";
import type { WritableDisk } from "../../disk.ts";
import { REGION_BYTES } from "./grain_collector.ts";
import { createImage, type ImageFile, type OpenOutput } from "../../image_file.ts";
import { createGrainVmdk, type GrainFile, type NewGrainVmdk } from "./grain_disk.ts";
import {
  DESCRIPTOR_SECTOR,
  DESCRIPTOR_SECTORS,
  FILE_LIMIT_SECTORS,
  formatEntries,
  formatSparseHeader,
  GRAIN_BYTES,
  GRAIN_SECTORS,
  TABLE_COVERAGE_BYTES,
  TABLE_ENTRIES,
  TABLE_SECTORS,
} from "./sparse_header.ts";
import { isZero } from "./zero_bytes.ts";

/** The number of directory entries that are written together: those of 512 GiB. */
const DIRECTORY_PART = 16384;

/** The places in the file, in sectors. */
interface SparseLayout {
  tableCount: number;
  /** The redundant directory, then the one that readers use. */
  directories: readonly [redundant: number, primary: number];
  /** The distance from a directory to its first table. */
  directorySectors: number;
  overhead: number;
}

function layoutOf(capacityBytes: number): SparseLayout {
  const tableCount = Math.ceil(capacityBytes / TABLE_COVERAGE_BYTES);
  const directorySectors = Math.ceil((tableCount * 4) / SECTOR_BYTES);
  const redundant = DESCRIPTOR_SECTOR + DESCRIPTOR_SECTORS;
  const primary = redundant + directorySectors + tableCount * TABLE_SECTORS;
  const end = primary + directorySectors + tableCount * TABLE_SECTORS;
  const overhead = Math.ceil(end / GRAIN_SECTORS) * GRAIN_SECTORS;
  return { tableCount, directories: [redundant, primary], directorySectors, overhead };
}

class SparseFile implements GrainFile {
  readonly takesWrites = true;
  readonly #image: ImageFile;
  readonly #capacityBytes: number;
  readonly #layout: SparseLayout;
  #region?: Uint8Array;
  /** The table in which grains are entered now, and its number. */
  readonly #table = new Uint32Array(TABLE_ENTRIES);
  #tableIndex = 0;
  #nextSector: number;

  constructor(image: ImageFile, { capacityBytes, layout }: { capacityBytes: number; layout: SparseLayout }) {
    this.#image = image;
    this.#capacityBytes = capacityBytes;
    this.#layout = layout;
    this.#nextSector = layout.overhead;
  }

  /** There is only one region, because `put` returns when all of it is written. */
  region(): Uint8Array {
    return this.#region ??= new Uint8Array(REGION_BYTES);
  }

  async put(grains: Uint8Array, firstGrain: number): Promise<void> {
    const isZeroAt = (at: number) => isZero(grains.subarray(at, at + GRAIN_BYTES));
    for (let at = 0; at < grains.length;) {
      if (isZeroAt(at)) {
        at += GRAIN_BYTES;
        continue;
      }
      const begin = at;
      const sector = this.#nextSector;
      do {
        await this.#enter(firstGrain + at / GRAIN_BYTES);
        at += GRAIN_BYTES;
      } while (at < grains.length && !isZeroAt(at));
      await this.#image.write(grains.subarray(begin, at), sector * SECTOR_BYTES);
    }
  }

  async finish(descriptor: Uint8Array): Promise<void> {
    await this.#writeTable();
    await this.#writeDirectories();
    const { directories: [redundantDirectorySector, directorySector], overhead } = this.#layout;
    await this.#image.write(descriptor, DESCRIPTOR_SECTOR * SECTOR_BYTES);
    const header = formatSparseHeader({
      compressed: false,
      capacityBytes: this.#capacityBytes,
      redundantDirectorySector,
      directorySector,
      overheadSectors: overhead,
    });
    await this.#image.write(header, 0);
    this.#image.sync();
  }

  /** Assigns the next place to a grain. */
  async #enter(grain: number): Promise<void> {
    const index = Math.floor(grain / TABLE_ENTRIES);
    if (index !== this.#tableIndex) {
      await this.#writeTable();
      this.#table.fill(0);
      this.#tableIndex = index;
    }
    const sector = this.#nextSector;
    if (sector + GRAIN_SECTORS > FILE_LIMIT_SECTORS) {
      throw new UsageError(
        `Cannot write disk "${this.#image.path}": a monolithicSparse VMDK ends at 2 TiB of data, choose another format`,
      );
    }
    this.#table[grain % TABLE_ENTRIES] = sector;
    this.#nextSector = sector + GRAIN_SECTORS;
  }

  async #writeTable(): Promise<void> {
    const entries = formatEntries(this.#table);
    for (const directory of this.#layout.directories) {
      await this.#image.write(entries, this.#tableSector(directory, this.#tableIndex) * SECTOR_BYTES);
    }
  }

  async #writeDirectories(): Promise<void> {
    const { directories, tableCount } = this.#layout;
    for (const directory of directories) {
      for (let first = 0; first < tableCount; first += DIRECTORY_PART) {
        const part = { length: Math.min(DIRECTORY_PART, tableCount - first) };
        const sectors = Array.from(part, (_, i) => this.#tableSector(directory, first + i));
        await this.#image.write(formatEntries(sectors), directory * SECTOR_BYTES + first * 4);
      }
    }
  }

  #tableSector(directory: number, index: number): number {
    return directory + this.#layout.directorySectors + index * TABLE_SECTORS;
  }

  [Symbol.dispose](): void {
    this.#image[Symbol.dispose]();
  }
}

/**
 * Makes the VMDK `path`, a name that ends in `.vmdk`.
 * @throws {UsageError} if the name or the metadata cannot be written in a descriptor
 */
export function createSparseVmdk(
  path: string,
  disk: Omit<NewGrainVmdk, "createType"> & { openOutput: OpenOutput },
): Promise<WritableDisk> {
  const { capacityBytes, openOutput } = disk;
  return createGrainVmdk(path, { ...disk, createType: "monolithicSparse" }, async () => {
    const layout = layoutOf(capacityBytes);
    const sizeBytes = layout.overhead * SECTOR_BYTES;
    const image = createImage(await openOutput(path), { path, sizeBytes });
    return new SparseFile(image, { capacityBytes, layout });
  });
}
