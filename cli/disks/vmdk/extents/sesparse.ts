/**
 * seSparse extents: the snapshots that ESXi writes on VMFS-6 and above 2 TB. Numbers of 64 bits,
 * little-endian:
 *
 * ```
 * 0 magic  8 version  16 capacity  24 grainSize: 8  32 grainTableSize: 64  40 flags: 0  48 four times 0
 * 80 volatile header  96 journal header  112 journal  128 grain directory  144 grain tables
 * 160 free bitmap  176 back map  192 grains        places and sizes in sectors
 * ```
 *
 * The four highest bits of an entry are its tag. A directory entry `1000000000000005` is table 5; a table
 * entry `3004000000000001` is a grain, number 1 << 12 | 004. The format of the journal is not known, so a
 * file that needs its journal is refused.
 *
 * VMware does not document this format. Source: block/vmdk.c of qemu, and the reader of xen-orchestra.
 */

import type { FormatError } from "../../../errors.ts";
import { SECTOR_BYTES } from "../../../sector.ts";
import { cannotOpen, cannotRead } from "../../refusal.ts";
import type { ExtentFile, ExtentReader } from "./extent.ts";
import { GrainExtent } from "./grains/extent.ts";
import { type EntriesAt, type GrainLayout, ZEROS } from "./grains/tables.ts";
import type { TableCache } from "./grains/table_cache.ts";

const VERSION = 0x0000000200000001n;
const VOLATILE_MAGIC = 0xcafecafen;
const GRAIN_SECTORS = 8;
const GRAIN_BYTES = GRAIN_SECTORS * SECTOR_BYTES;
const TABLE_SECTORS = 64;
const TABLE_BYTES = TABLE_SECTORS * SECTOR_BYTES;
const TABLE_ENTRIES = TABLE_BYTES / 8;
/** The limit that keeps byte offsets below 2^53. */
const OFFSET_LIMIT_SECTORS = 2n ** 44n - 1n;

/** A region of the file. */
interface Region {
  beginBytes: number;
  /** The size in the header. The file need not contain all of the region of grains. */
  sizeBytes: number;
}

/** Makes the error for a field, by its place in the file. */
type RefuseField = (offsetBytes: number, reason: string) => FormatError;

/**
 * Opens a seSparse extent whose line has `sizeBytes`.
 * @throws {FormatError} if its headers are unusable, or its journal must be replayed
 */
export function openSeSparseExtent(
  file: ExtentFile,
  { sizeBytes, cache }: { sizeBytes: number; cache: TableCache },
): ExtentReader {
  return new GrainExtent(file, { layout: readLayout(file, sizeBytes), sizeBytes, cache });
}

function readLayout(file: ExtentFile, sizeBytes: number): GrainLayout {
  const { path, sizeBytes: fileBytes } = file;
  if (fileBytes < 2 * SECTOR_BYTES) throw cannotOpen(path, `the file ends after ${fileBytes} bytes`);
  const view = new DataView(new ArrayBuffer(2 * SECTOR_BYTES));
  file.image().read(new Uint8Array(view.buffer), 0);
  const field = (offsetBytes: number) => view.getBigUint64(offsetBytes, true);
  const refuse: RefuseField = (offsetBytes, reason) => cannotOpen(path, reason, { offsetBytes });

  if (field(8) !== VERSION) {
    throw refuse(8, `the header has version ${field(8) >> 32n}.${field(8) & 0xffffffffn}, only 2.1 is known`);
  }
  for (
    const [offsetBytes, name, wanted] of [
      [24, "grain size", BigInt(GRAIN_SECTORS)],
      [32, "grain table size", BigInt(TABLE_SECTORS)],
      [40, "flags field", 0n],
      [48, "first reserved field", 0n],
      [56, "second reserved field", 0n],
      [64, "third reserved field", 0n],
      [72, "fourth reserved field", 0n],
      [80, "place of the volatile header", 1n],
    ] as const
  ) {
    if (field(offsetBytes) === wanted) continue;
    throw refuse(offsetBytes, `the ${name} is ${field(offsetBytes)}, only ${wanted} is known`);
  }
  if (field(16) * BigInt(SECTOR_BYTES) < BigInt(sizeBytes)) {
    throw refuse(16, `the extent line has ${sizeBytes / SECTOR_BYTES} sectors, the header only ${field(16)}`);
  }
  if (field(SECTOR_BYTES) !== VOLATILE_MAGIC) {
    throw refuse(SECTOR_BYTES, `the volatile header begins with 0x${field(SECTOR_BYTES).toString(16)}`);
  }
  if (field(SECTOR_BYTES + 24) !== 0n) {
    throw refuse(SECTOR_BYTES + 24, "the journal must be replayed first; open it once with VMware");
  }

  const region = (offsetBytes: number, what: string, neededBytes: number): Region => {
    const [place, size] = [field(offsetBytes), field(offsetBytes + 8)];
    const fits = place >= 2n && place <= OFFSET_LIMIT_SECTORS && size <= OFFSET_LIMIT_SECTORS;
    const found = { beginBytes: Number(place) * SECTOR_BYTES, sizeBytes: Number(size) * SECTOR_BYTES };
    if (fits && found.sizeBytes >= neededBytes) return found;
    throw refuse(offsetBytes, `${what} at sector ${place} with ${size} sectors cannot be used`);
  };
  const grainCount = Math.ceil(sizeBytes / GRAIN_BYTES);
  const tableCount = Math.ceil(grainCount / TABLE_ENTRIES);
  const directory = region(128, "the grain directory", tableCount * 8);
  const tables = region(144, "the region of grain tables", 0);
  const grains = region(192, "the region of grains", 0);
  if (directory.beginBytes + tableCount * 8 > fileBytes) {
    const found = `the file has ${Math.floor(fileBytes / SECTOR_BYTES)} sectors`;
    throw refuse(
      128,
      `the grain directory at sector ${field(128)} needs ${tableCount * 8} bytes, ${found}`,
    );
  }
  return {
    grainBytes: GRAIN_BYTES,
    tableEntries: TABLE_ENTRIES,
    tableBytes: TABLE_BYTES,
    directoryBytes: directory.beginBytes,
    directoryEntryBytes: 8,
    tablePlaces: (entries, at) => tablePlaces(entries, { path, fileBytes, region: tables, ...at }),
    grainPlaces: (entries, at) =>
      grainPlaces(entries, { path, fileBytes, region: grains, grainCount, ...at }),
  };
}

interface SeSparsePlacesOptions extends EntriesAt {
  path: string;
  fileBytes: number;
  region: Region;
}

function tablePlaces(
  entries: DataView,
  { path, fileBytes, region, first, entriesBytes }: SeSparsePlacesOptions,
): Float64Array {
  const places = new Float64Array(entries.byteLength / 8);
  for (let i = 0; i < places.length; i++) {
    const number = entries.getUint32(i * 8, true);
    const tag = entries.getUint32(i * 8 + 4, true);
    if (number === 0 && tag === 0) continue;
    const where = { offsetBytes: entriesBytes + i * 8 };
    if (tag !== 0x10000000) {
      throw cannotRead(path, `the entry of grain table ${first + i} is ${hex(entries, i)}`, where);
    }
    const inRegion = number * TABLE_BYTES;
    places[i] = region.beginBytes + inRegion;
    if (inRegion + TABLE_BYTES > region.sizeBytes || places[i] + TABLE_BYTES > fileBytes) {
      const found = `the file has room for ${roomFor(TABLE_BYTES, { region, fileBytes })}`;
      throw cannotRead(path, `grain table ${first + i} is number ${number}, ${found}`, where);
    }
  }
  return places;
}

function grainPlaces(
  entries: DataView,
  { path, fileBytes, region, first, entriesBytes, grainCount }: SeSparsePlacesOptions & {
    grainCount: number;
  },
): Float64Array {
  const places = new Float64Array(entries.byteLength / 8);
  const count = Math.min(places.length, grainCount - first);
  for (let i = 0; i < count; i++) {
    const low = entries.getUint32(i * 8, true);
    const high = entries.getUint32(i * 8 + 4, true);
    if (low === 0 && high === 0) continue;
    const where = { offsetBytes: entriesBytes + i * 8 };
    switch (high >>> 28) {
      case 1: // Unmapped by the guest; the number of the old grain is kept for writers only.
      case 2:
        places[i] = ZEROS;
        continue;
      case 3:
        break;
      default: // Also tag 0 (ask the parent) if any other bit is set.
        throw cannotRead(path, `the entry of grain ${first + i} is ${hex(entries, i)}`, where);
    }
    // The number is below 2^60 and is rounded above 2^53, where it is larger than every region.
    const slot = ((high & 0xffff) * 2 ** 32 + low) * 4096 + (high >>> 16 & 0xfff);
    const inRegion = slot * GRAIN_BYTES;
    places[i] = region.beginBytes + inRegion;
    if (inRegion + GRAIN_BYTES > region.sizeBytes || places[i] + GRAIN_BYTES > fileBytes) {
      const found = `the file has room for ${roomFor(GRAIN_BYTES, { region, fileBytes })}`;
      throw cannotRead(path, `grain ${first + i} is number ${BigInt(slot)}, ${found}`, where);
    }
  }
  return places;
}

function roomFor(bytes: number, { region, fileBytes }: { region: Region; fileBytes: number }): number {
  return Math.max(0, Math.floor(Math.min(region.sizeBytes, fileBytes - region.beginBytes) / bytes));
}

function hex(entries: DataView, i: number): string {
  return `0x${entries.getBigUint64(i * 8, true).toString(16).padStart(16, "0")}`;
}
