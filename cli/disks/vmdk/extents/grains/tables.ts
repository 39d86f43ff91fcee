/**
 * Finds the grains of a sparse extent: grain directory → grain table → place in the file.
 *
 * ```
 * directory (read in pages)   table (read when needed)         file
 * [ 0 | 35 | 39 | ... ] ────→ [ 0 | 1 | 13440 | ... ] ──────→  sector 13440: one grain
 *   └ no table: absent          │   └ zeros
 *                               └ absent
 * ```
 *
 * The format decodes the entries ({@linkcode GrainLayout}). A place is a byte of the file, or {@linkcode
 * ABSENT} or {@linkcode ZEROS}. These two cannot be places, because every file begins with a header.
 */

import type { ExtentFile } from "../extent.ts";
import type { TableCache } from "./table_cache.ts";

/** Stands for a grain or table that the file does not contain. */
export const ABSENT = 0;
/** Stands for a grain or table that reads as zeros. */
export const ZEROS = 1;

/** The layout of the tables of a format. All numbers are bounded and checked against the file. */
export interface GrainLayout {
  /** The size of a grain, a power of two. */
  grainBytes: number;
  /** The number of grains in a table. */
  tableEntries: number;
  /** The size of a table in the file. */
  tableBytes: number;
  /**
   * The place of the directory, and the size of its entries. The file contains all entries that are needed.
   */
  directoryBytes: number;
  directoryEntryBytes: number;
  /**
   * Returns the places of tables, which lie in the file.
   * @throws {FormatError} if one does not
   */
  tablePlaces(entries: DataView, at: EntriesAt): Float64Array;
  /**
   * Returns the places of grains, which lie in the file. Entries behind the last grain of the extent are
   * ignored.
   * @throws {FormatError} if one does not lie in the file
   */
  grainPlaces(entries: DataView, at: EntriesAt): Float64Array;
}

/**
 * The position of entries of a directory or a table: the number of the first one, and its place in the file.
 */
export interface EntriesAt {
  first: number;
  entriesBytes: number;
}

/** The number of directory entries that are read and checked together. */
const PAGE_ENTRIES = 4096;
/** The bytes of tables that are read together. */
const BATCH_BYTES = 1 << 16;
/** The number of tables that one search for the end of a run may read. A longer run is returned in parts. */
const TABLES_PER_SEARCH = 64;

/** The directory and the tables of one sparse extent. */
export class GrainTables {
  readonly #file: ExtentFile;
  readonly #layout: GrainLayout;
  /** The number of grains of the extent. */
  readonly #grainCount: number;
  readonly #tableCount: number;
  readonly #cache: TableCache;
  /** The owner of the directory's pages in the cache; this object owns the tables. */
  readonly #directory = {};
  /** A table of absent grains. Most tables of large disks are like this, and share its memory. */
  #absent?: Float64Array;

  constructor(
    file: ExtentFile,
    { layout, grainCount, cache }: { layout: GrainLayout; grainCount: number; cache: TableCache },
  ) {
    this.#file = file;
    this.#layout = layout;
    this.#grainCount = grainCount;
    this.#tableCount = Math.ceil(grainCount / layout.tableEntries);
    this.#cache = cache;
  }

  /** Returns the place of grain number `grain`. */
  placeOf(grain: number): number {
    const { tableEntries } = this.#layout;
    const table = this.#tableAt(Math.floor(grain / tableEntries));
    return typeof table === "number" ? table : table[grain % tableEntries];
  }

  /**
   * Returns the first grain behind a run of grains that are like `grain`: absent, zeros, or stored in the
   * file. With `together`, each stored grain of the run lies directly behind the one before it.
   */
  endOfRun(grain: number, { together }: { together: boolean }): number {
    const { tableEntries, grainBytes } = this.#layout;
    const place = this.placeOf(grain);
    let next = grain + 1;
    for (let searched = 0; next < this.#grainCount && searched < TABLES_PER_SEARCH;) {
      const index = Math.floor(next / tableEntries);
      const first = index * tableEntries;
      const end = Math.min(first + tableEntries, this.#grainCount);
      const table = this.#tableAt(index);
      if (typeof table === "number") {
        if (table !== place) break;
        next = end;
        continue;
      }
      searched++;
      if (place <= ZEROS) { while (next < end && table[next - first] === place) next++; }
      else if (!together) { while (next < end && table[next - first] > ZEROS) next++; }
      else while (next < end && table[next - first] === place + (next - grain) * grainBytes) next++;
      if (next < end) break;
    }
    return next;
  }

  /** Returns the places of the grains of a table, or the value that holds for all of them. */
  #tableAt(index: number): Float64Array | typeof ABSENT | typeof ZEROS {
    const place = this.#tablePlace(index);
    if (place === ABSENT || place === ZEROS) return place;
    return this.#cache.get(this, index, () => this.#loadTable(index, place));
  }

  #tablePlace(index: number): number {
    const first = index - index % PAGE_ENTRIES;
    return this.#cache.get(this.#directory, first, () => this.#loadPage(first))[index - first];
  }

  #loadPage(first: number): Float64Array {
    const { directoryBytes, directoryEntryBytes } = this.#layout;
    const count = Math.min(PAGE_ENTRIES, this.#tableCount - first);
    const bytes = new Uint8Array(count * directoryEntryBytes);
    const entriesBytes = directoryBytes + first * directoryEntryBytes;
    this.#file.image().read(bytes, entriesBytes);
    return this.#layout.tablePlaces(new DataView(bytes.buffer), { first, entriesBytes });
  }

  #loadTable(index: number, place: number): Float64Array {
    const { tableBytes, tableEntries } = this.#layout;
    const raw = this.#cache.raw(this, {
      beginBytes: place,
      lengthBytes: tableBytes,
      read: () => {
        const bytes = new Uint8Array(this.#batchBytes(index, place));
        this.#file.image().read(bytes, place);
        return bytes;
      },
    });
    if (isZero(raw)) return this.#absent ??= new Float64Array(tableEntries);
    const entries = new DataView(raw.buffer, raw.byteOffset, raw.length);
    return this.#layout.grainPlaces(entries, { first: index * tableEntries, entriesBytes: place });
  }

  /** Returns the size of the tables that lie behind each other from `place` on and are read together. */
  #batchBytes(index: number, place: number): number {
    const { tableBytes } = this.#layout;
    let count = 1;
    while (
      (count + 1) * tableBytes <= BATCH_BYTES && index + count < this.#tableCount &&
      (index + count) % PAGE_ENTRIES !== 0 && this.#tablePlace(index + count) === place + count * tableBytes
    ) count++;
    return count * tableBytes;
  }
}

/**
 * Whether a table is all zeros. This is a loop, because `every` calls a function for each word and takes
 * twenty times as long.
 */
function isZero(table: Uint8Array): boolean {
  const words = new Uint32Array(table.buffer, table.byteOffset, table.length / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
