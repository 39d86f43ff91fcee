/**
 * Where the grains of a sparse extent lie: grain directory → grain table → sector, all 32-bit sector numbers.
 *
 * ```
 * directory (in memory)     table (read when needed, a few kept)      file
 * [ 0 | 35 | 39 | ... ] ──→ [ 0 | 1 | 13440 | ... ] ───────────────→  sector 13440: one grain
 *   └ no table: zeros         │   └ zeros, if the flag allows it
 *                             └ unallocated: zeros
 * ```
 */

import type { ImageFile } from "./image_file.ts";
import { cannotOpen, cannotRead } from "./refusal.ts";
import type { SparseHeader } from "./vmdk_sparse_header.ts";

const SECTOR_BYTES = 512;
/** Tables kept: 512 of the usual 2 KiB, which cover 16 GiB of the disk. */
const CACHE_BYTES = 1 << 20;
/** Tables that one search for the end of a run may read; a longer run is told in parts. */
const TABLES_PER_SEARCH = 64;

/** The lookup tables of one sparse extent. */
export class GrainTables {
  readonly #image: ImageFile;
  readonly #header: SparseHeader;
  readonly #capacityBytes: number;
  /** Grains that the disk has; entries behind them mean nothing. */
  readonly #grainCount: number;
  /** Sector of each table, 0 for none. */
  readonly #directory: Uint32Array;
  /** In the order of use, the oldest first. */
  readonly #cache = new Map<number, Uint32Array>();
  readonly #cacheSize: number;

  /**
   * Reads the directory and checks that every table lies in the file. `capacityBytes` is the disk's size, at most
   * that of the header.
   * @throws {FormatError} if one does not
   */
  constructor(image: ImageFile, { header, capacityBytes }: { header: SparseHeader; capacityBytes: number }) {
    this.#image = image;
    this.#header = header;
    this.#capacityBytes = capacityBytes;
    this.#grainCount = Math.ceil(capacityBytes / header.grainBytes);
    this.#cacheSize = Math.max(2, Math.floor(CACHE_BYTES / (header.tableEntries * 4)));
    this.#directory = this.#readDirectory(header.directoryOffsetBytes!);
  }

  /** Byte of the file where grain number `grain` lies; 0 if it reads as zeros. */
  locate(grain: number): number {
    const { tableEntries } = this.#header;
    const table = this.#table(Math.floor(grain / tableEntries));
    return table === undefined ? 0 : table[grain % tableEntries] * SECTOR_BYTES;
  }

  /** The first grain after a run of grains that, like `grain`, all have a place in the file or all read as zeros. */
  endOfRun(grain: number): number {
    const { tableEntries } = this.#header;
    const zero = this.locate(grain) === 0;
    let next = grain + 1;
    for (let tablesRead = 0; next < this.#grainCount && tablesRead < TABLES_PER_SEARCH;) {
      const index = Math.floor(next / tableEntries);
      const tableEnd = Math.min((index + 1) * tableEntries, this.#grainCount);
      if (this.#directory[index] === 0) {
        if (!zero) break;
        next = tableEnd;
        continue;
      }
      const table = this.#table(index)!;
      tablesRead++;
      while (next < tableEnd && (table[next % tableEntries] === 0) === zero) next++;
      if (next < tableEnd) break;
    }
    return next;
  }

  #readDirectory(offsetBytes: number): Uint32Array {
    const { tableCount, tableEntries, zeroGrains } = this.#header;
    const fileBytes = this.#image.sizeBytes;
    const directory = this.#readEntries(offsetBytes, tableCount);
    for (const [index, sector] of directory.entries()) {
      if (sector === 0) continue;
      if (sector === 1 && zeroGrains) {
        directory[index] = 0;
      } else if (sector === 1 || sector * SECTOR_BYTES + tableEntries * 4 > fileBytes) {
        const sectors = Math.floor(fileBytes / SECTOR_BYTES);
        throw cannotOpen(
          this.#image.path,
          `grain table ${index} lies at sector ${sector}, the file has ${sectors}`,
          {
            offsetBytes: offsetBytes + index * 4,
          },
        );
      }
    }
    return directory;
  }

  #table(index: number): Uint32Array | undefined {
    const sector = this.#directory[index];
    if (sector === 0) return undefined;
    const table = this.#cache.get(index) ?? this.#readTable(index, sector * SECTOR_BYTES);
    this.#cache.delete(index);
    this.#cache.set(index, table);
    if (this.#cache.size > this.#cacheSize) this.#cache.delete(this.#cache.keys().next().value!);
    return table;
  }

  /** A table with every entry checked: 0 for zeros, otherwise a grain inside the file. */
  #readTable(index: number, offsetBytes: number): Uint32Array {
    const { tableEntries, grainBytes, overheadBytes, zeroGrains } = this.#header;
    const { path, sizeBytes } = this.#image;
    const table = this.#readEntries(offsetBytes, tableEntries);
    for (const [slot, sector] of table.entries()) {
      const grain = index * tableEntries + slot;
      if (sector === 0 || grain >= this.#grainCount) continue;
      const where = { offsetBytes: offsetBytes + slot * 4 };
      const atBytes = sector * SECTOR_BYTES;
      // The last grain counts up to the capacity only, and some writers do not fill it.
      const lengthBytes = Math.min(grainBytes, this.#capacityBytes - grain * grainBytes);
      if (sector === 1 && zeroGrains) {
        table[slot] = 0;
      } else if (atBytes < Math.max(overheadBytes, 2 * SECTOR_BYTES)) {
        throw cannotRead(path, `grain ${grain} lies in the metadata, at sector ${sector}`, where);
      } else if (atBytes + lengthBytes > sizeBytes) {
        const sectors = Math.floor(sizeBytes / SECTOR_BYTES);
        throw cannotRead(path, `grain ${grain} lies at sector ${sector}, the file has ${sectors}`, where);
      }
    }
    return table;
  }

  #readEntries(offsetBytes: number, count: number): Uint32Array {
    const bytes = new Uint8Array(count * 4);
    this.#image.read(bytes, offsetBytes);
    const view = new DataView(bytes.buffer);
    return Uint32Array.from({ length: count }, (_, index) => view.getUint32(index * 4, true));
  }
}
