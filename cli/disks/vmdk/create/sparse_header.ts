/** Writes the header of sparse VMDKs; `extents/hosted/header.ts` draws and reads it. */

import { SECTOR_BYTES } from "../../../sector.ts";
/** The size that all of VMware's products write, and that every reader accepts. */
export const GRAIN_SECTORS = 128;
export const GRAIN_BYTES = GRAIN_SECTORS * SECTOR_BYTES;
export const TABLE_ENTRIES = 512;
export const TABLE_SECTORS = (TABLE_ENTRIES * 4) / SECTOR_BYTES;
/** The bytes of the disk that one grain table covers: 32 MiB. */
export const TABLE_COVERAGE_BYTES = TABLE_ENTRIES * GRAIN_BYTES;
/** The place of the embedded descriptor, behind the header. */
export const DESCRIPTOR_SECTOR = 1;
export const DESCRIPTOR_SECTORS = 20;
/** The limit of the file's size, because tables have 32-bit sector numbers. */
export const FILE_LIMIT_SECTORS = 2 ** 32;

const NEWLINES_VALID = 1 << 0;
const REDUNDANT_TABLES = 1 << 1;
const COMPRESSED = 1 << 16;
const MARKERS = 1 << 17;
const DEFLATE = 1;
/** The place of the directory in a header whose file has a footer. */
const IN_FOOTER = 0xffffffffffffffffn;

/** The fields in which the headers differ. */
export interface NewSparseHeader {
  /**
   * Compressed grains with markers. For these ESXi accepts no lower version than 3; without compression
   * VirtualBox accepts only version 1.
   */
  compressed: boolean;
  capacityBytes: number;
  /** Absent if there is none. */
  redundantDirectorySector?: number;
  /** Absent if the footer has it. */
  directorySector?: number;
  /** The number of sectors in front of the first grain. */
  overheadSectors: number;
}

/** Returns the 512 bytes of a header or a footer. */
export function formatSparseHeader(header: NewSparseHeader): Uint8Array<ArrayBuffer> {
  const { compressed, capacityBytes, redundantDirectorySector, directorySector, overheadSectors } = header;
  const bytes = new Uint8Array(SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  const setSectors = (offset: number, sectors: number | bigint) =>
    view.setBigUint64(offset, BigInt(sectors), true);
  bytes.set([0x4b, 0x44, 0x4d, 0x56]);
  view.setUint32(4, compressed ? 3 : 1, true);
  view.setUint32(
    8,
    NEWLINES_VALID | (redundantDirectorySector === undefined ? 0 : REDUNDANT_TABLES) |
      (compressed ? COMPRESSED | MARKERS : 0),
    true,
  );
  setSectors(12, capacityBytes / SECTOR_BYTES);
  setSectors(20, GRAIN_SECTORS);
  setSectors(28, DESCRIPTOR_SECTOR);
  setSectors(36, DESCRIPTOR_SECTORS);
  view.setUint32(44, TABLE_ENTRIES, true);
  setSectors(48, redundantDirectorySector ?? 0);
  setSectors(56, directorySector ?? IN_FOOTER);
  setSectors(64, overheadSectors);
  bytes.set([0x0a, 0x20, 0x0d, 0x0a], 73);
  view.setUint16(77, compressed ? DEFLATE : 0, true);
  return bytes;
}

/** Returns sector numbers in the form of a grain table or a directory. */
export function formatEntries(sectors: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil((sectors.length * 4) / SECTOR_BYTES) * SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < sectors.length; i++) view.setUint32(i * 4, sectors[i], true);
  return bytes;
}
