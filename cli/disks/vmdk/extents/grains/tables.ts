/**
 * Where the grains of a sparse extent lie: grain directory → grain table → place in the file.
 *
 * ```
 * directory (read in pages)   table (read when needed)         file
 * [ 0 | 35 | 39 | ... ] ────→ [ 0 | 1 | 13440 | ... ] ──────→  sector 13440: one grain
 *   └ no table: absent          │   └ zeros
 *                               └ absent
 * ```
 *
 * What entries look like is the format's business ({@linkcode GrainLayout}): here, a place is a byte of the file, or
 * {@linkcode ABSENT} or {@linkcode ZEROS}, which no place can be since every file begins with a header.
 */

import type { ExtentFile } from "../extent.ts";
import type { TableCache } from "./table_cache.ts";

/** In the place of a grain or table that the file does not have. */
export const ABSENT = 0;
/** In the place of a grain or table that the file says to be zeros. */
export const ZEROS = 1;

/** How a format keeps its tables. All numbers are checked against the file and bounded. */
export interface GrainLayout {
  /** A power of two. */
  grainBytes: number;
  /** Grains in a table. */
  tableEntries: number;
  /** Bytes of a table in the file. */
  tableBytes: number;
  /** The directory: its place, and the bytes of an entry. It lies in the file as far as it is needed. */
  directoryBytes: number;
  directoryEntryBytes: number;
  /**
   * The places of tables; they lie in the file.
   * @throws {FormatError} if one does not
   */
  tablePlaces(entries: DataView, at: EntriesAt): Float64Array;
  /**
   * The places of grains; they lie in the file. Entries behind the last grain of the extent mean nothing.
   * @throws {FormatError} if one does not
   */
  grainPlaces(entries: DataView, at: EntriesAt): Float64Array;
}

/** Entries of a directory or a table: the number of the first one, and where it lies in the file. */
export interface EntriesAt {
  first: number;
  entriesBytes: number;
}

/** Directory entries that are read and checked at a time. */
const PAGE_ENTRIES = 4096;
/** Bytes of tables that are read at a time. */
const BATCH_BYTES = 1 << 16;
/** Tables that one search for the end of a run may read; a longer run is told in parts. */
const TABLES_PER_SEARCH = 64;

/** The lookup tables of one sparse extent. */
export class GrainTables {
  readonly #file: ExtentFile;
  readonly #layout: GrainLayout;
  /** Grains that the extent has. */
  readonly #grainCount: number;
  readonly #tableCount: number;
  readonly #cache: TableCache;
  /** Owns the pages of the directory, as this owns the tables. */
  readonly #directory = {};
  /** A table of absent grains: most tables of large disks are, and need no memory of their own. */
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

  /** The place of grain number `grain`. */
  placeOf(grain: number): number {
    const { tableEntries } = this.#layout;
    const table = this.#tableAt(Math.floor(grain / tableEntries));
    return typeof table === "number" ? table : table[grain % tableEntries];
  }

  /**
   * The first grain behind a run of grains that are like `grain`: absent, zeros, or in the file - each right behind
   * the one before it if they are to be `together`.
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

  /** The places of the grains of a table, or what holds for all of them. */
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

  /** Bytes of the tables that lie one behind the other from `place` on, as many as are read at a time. */
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

/** A loop: `every` calls a function for each word and takes twenty times as long. */
function isZero(table: Uint8Array): boolean {
  const words = new Uint32Array(table.buffer, table.byteOffset, table.length / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
