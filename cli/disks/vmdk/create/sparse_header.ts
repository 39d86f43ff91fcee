/** The header of the sparse VMDKs that we write; `extents/hosted/header.ts` draws it and reads it. */

import { SECTOR_BYTES } from "../../../sector.ts";
/** What all of VMware's products write, and every reader takes. */
export const GRAIN_SECTORS = 128;
export const GRAIN_BYTES = GRAIN_SECTORS * SECTOR_BYTES;
export const TABLE_ENTRIES = 512;
export const TABLE_SECTORS = (TABLE_ENTRIES * 4) / SECTOR_BYTES;
/** What one grain table covers of the disk: 32 MiB. */
export const TABLE_COVERAGE_BYTES = TABLE_ENTRIES * GRAIN_BYTES;
/** The embedded descriptor, behind the header. */
export const DESCRIPTOR_SECTOR = 1;
export const DESCRIPTOR_SECTORS = 20;
/** Tables have 32-bit numbers of sectors. */
export const FILE_LIMIT_SECTORS = 2 ** 32;

const NEWLINES_VALID = 1 << 0;
const REDUNDANT_TABLES = 1 << 1;
const COMPRESSED = 1 << 16;
const MARKERS = 1 << 17;
const DEFLATE = 1;
/** Stands for: the footer tells. */
const IN_FOOTER = 0xffffffffffffffffn;

/** What differs from one to the other. */
export interface NewSparseHeader {
  /** Compressed grains with markers. ESXi takes no lower version than 3 for them, VirtualBox none but 1 without. */
  compressed: boolean;
  capacityBytes: number;
  /** Left out where there is none. */
  redundantDirectorySector?: number;
  /** Left out where the footer tells. */
  directorySector?: number;
  /** Sectors in front of the first grain. */
  overheadSectors: number;
}

/** The 512 bytes of a header, or of a footer. */
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

/** Numbers of sectors as a grain table or directory has them. */
export function formatEntries(sectors: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil((sectors.length * 4) / SECTOR_BYTES) * SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < sectors.length; i++) view.setUint32(i * 4, sectors[i], true);
  return bytes;
}
