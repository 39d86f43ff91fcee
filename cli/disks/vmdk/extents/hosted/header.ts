/**
 * The header of a hosted sparse extent, "KDMV": 512 bytes, little-endian; the fields after the magic are not
 * aligned.
 *
 * ```
 *  0 u32 magic "KDMV"       28 u64 descriptorOffset   56 u64 gdOffset, or -1: see the footer
 *  4 u32 version            36 u64 descriptorSize     64 u64 overHead: sectors before the first grain
 *  8 u32 flags              44 u32 numGTEsPerGT       72 u8  uncleanShutdown
 * 12 u64 capacity           48 u64 rgdOffset          73 u8[4] 0A 20 0D 0A
 * 20 u64 grainSize                                    77 u16 compressAlgorithm
 * ```
 *
 * Offsets and sizes are sectors in the file, and bytes in {@linkcode SparseHeader}.
 *
 * Source: VMware's technical note "Virtual Disk Format 5.0".
 */

import type { FormatError } from "../../../../errors.ts";
import { SECTOR_BYTES } from "../../../../sector.ts";
import { cannotOpen } from "../../../refusal.ts";
import { CAPACITY_LIMIT_BYTES, DESCRIPTOR_LIMIT_BYTES } from "../../descriptor/descriptor.ts";

export const SPARSE_HEADER_BYTES = 512;

const NEWLINES_VALID = 1 << 0;
const ZERO_GRAINS = 1 << 2;
const COMPRESSED = 1 << 16;
const MARKERS = 1 << 17;
/** Flags 0 to 15 may be ignored. Of the others, only these two are known. */
const INCOMPATIBLE = 0xffff0000 & ~(COMPRESSED | MARKERS);
const NEWLINES = [0x0a, 0x20, 0x0d, 0x0a];
/** The gdOffset of a file whose directory is named in its footer. */
const IN_FOOTER = 0xffffffffffffffffn;

const CAPACITY_LIMIT_SECTORS = BigInt(CAPACITY_LIMIT_BYTES / SECTOR_BYTES);
const DESCRIPTOR_LIMIT_SECTORS = BigInt(DESCRIPTOR_LIMIT_BYTES / SECTOR_BYTES);
const GRAIN_LIMIT_SECTORS = 2048n;
const TABLE_LIMIT_ENTRIES = 65536n;
/** The limit of tables: 2^22 tables of 32 MiB cover 128 TiB. */
const DIRECTORY_LIMIT_ENTRIES = 2n ** 22n;
/** The limit that keeps byte offsets below 2^53. Larger ones are refused, because they would be rounded. */
const OFFSET_LIMIT_SECTORS = 2n ** 44n - 1n;

/** The contents of the header, checked against the limits and the size of the file. */
export interface SparseHeader {
  capacityBytes: number;
  /** The size of a grain, a power of two from 512 bytes to 1 MiB. */
  grainBytes: number;
  /** The number of entries of a grain table, a power of two. */
  tableEntries: number;
  /** The number of entries of the grain directory: the grain tables that the file has or could have. */
  tableCount: number;
  /** The embedded descriptor, padded with NULs. */
  descriptor?: { offsetBytes: number; sizeBytes: number };
  /** The place of the grain directory; undefined if the footer has it. */
  directoryOffsetBytes?: number;
  /** The byte before which no grain lies. */
  overheadBytes: number;
  /** Whether an entry of 1 means a grain of zeros. */
  zeroGrains: boolean;
  /** Whether grains are deflated and have markers: streamOptimized. */
  compressed: boolean;
  /** Whether the writer did not close the file. */
  uncleanShutdown: boolean;
}

/** Makes the error for a field, by its place in the header. */
type RefuseField = (offsetBytes: number, reason: string) => FormatError;

/**
 * Reads the header, 512 bytes at byte `beginBytes` of the file `path` of `fileBytes` bytes.
 * @throws {FormatError} if it is unusable
 */
export function parseSparseHeader(
  bytes: Uint8Array,
  { path, fileBytes, beginBytes = 0 }: { path: string; fileBytes: number; beginBytes?: number },
): SparseHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SPARSE_HEADER_BYTES);
  const what = beginBytes === 0 ? "" : "in the footer, ";
  const refuse: RefuseField = (offsetBytes, reason) =>
    cannotOpen(path, what + reason, { offsetBytes: beginBytes + offsetBytes });

  const version = view.getUint32(4, true);
  if (version < 1 || version > 3) throw refuse(4, `the header has version ${version}, at most 3 is known`);
  const flags = view.getUint32(8, true);
  const compressed = checkFlags(flags, view.getUint16(77, true), refuse);
  if ((flags & NEWLINES_VALID) !== 0 && !NEWLINES.every((byte, index) => bytes[73 + index] === byte)) {
    throw refuse(73, "the file was changed by a text-mode transfer");
  }
  const shape = readShape(view, refuse);
  return {
    ...shape,
    ...readPlaces(view, { tableCount: shape.tableCount, fileBytes, refuse }),
    zeroGrains: (flags & ZERO_GRAINS) !== 0,
    compressed,
    uncleanShutdown: bytes[72] !== 0,
  };
}

function checkFlags(flags: number, algorithm: number, refuse: RefuseField): boolean {
  const shown = `the header has the flags 0x${flags.toString(16)}`;
  if ((flags & INCOMPATIBLE) !== 0) throw refuse(8, `${shown}, some of which are unknown`);
  const compressed = (flags & COMPRESSED) !== 0;
  // Readers disagree on compressed grains without markers, and markers without compression have no meaning.
  if (compressed !== ((flags & MARKERS) !== 0)) {
    throw refuse(8, `${shown}, compression and markers go together`);
  }
  if (algorithm !== (compressed ? 1 : 0)) {
    const wanted = compressed ? "1 (deflate)" : "0 (none)";
    throw refuse(77, `the compression algorithm is ${algorithm}, ${wanted} is wanted`);
  }
  return compressed;
}

/**
 * Reads the sizes of the disk, of its grains and of its tables. Each number is bounded before another is
 * computed from it.
 */
function readShape(
  view: DataView,
  refuse: RefuseField,
): Pick<SparseHeader, "capacityBytes" | "grainBytes" | "tableEntries" | "tableCount"> {
  const capacity = view.getBigUint64(12, true);
  if (capacity < 1n || capacity > CAPACITY_LIMIT_SECTORS) {
    throw refuse(12, `the capacity is ${capacity} sectors, 1 to ${CAPACITY_LIMIT_SECTORS} are accepted`);
  }
  const grain = view.getBigUint64(20, true);
  if (!isPowerOfTwo(grain) || grain > GRAIN_LIMIT_SECTORS) {
    throw refuse(
      20,
      `the grain size is ${grain} sectors, a power of two up to ${GRAIN_LIMIT_SECTORS} is wanted`,
    );
  }
  const entries = BigInt(view.getUint32(44, true));
  if (!isPowerOfTwo(entries) || entries > TABLE_LIMIT_ENTRIES) {
    throw refuse(
      44,
      `a grain table has ${entries} entries, a power of two up to ${TABLE_LIMIT_ENTRIES} is wanted`,
    );
  }
  const coverage = grain * entries;
  const tables = (capacity + coverage - 1n) / coverage;
  if (tables > DIRECTORY_LIMIT_ENTRIES) {
    const limit = DIRECTORY_LIMIT_ENTRIES;
    throw refuse(12, `the grain directory would have ${tables} entries, at most ${limit} are accepted`);
  }
  return {
    capacityBytes: Number(capacity) * SECTOR_BYTES,
    grainBytes: Number(grain) * SECTOR_BYTES,
    tableEntries: Number(entries),
    tableCount: Number(tables),
  };
}

/**
 * Reads the places in the file. The file must contain everything that the header promises, to the last byte.
 */
function readPlaces(
  view: DataView,
  { tableCount, fileBytes, refuse }: { tableCount: number; fileBytes: number; refuse: RefuseField },
): Pick<SparseHeader, "descriptor" | "directoryOffsetBytes" | "overheadBytes"> {
  const place = (field: number, what: string, lengthBytes: number): number => {
    const sector = view.getBigUint64(field, true);
    const offsetBytes = Number(sector) * SECTOR_BYTES;
    if (sector <= OFFSET_LIMIT_SECTORS && offsetBytes + lengthBytes <= fileBytes) return offsetBytes;
    const found = `the file has ${Math.floor(fileBytes / SECTOR_BYTES)} sectors`;
    throw refuse(field, `${what} at sector ${sector} needs ${lengthBytes} bytes, ${found}`);
  };

  const descriptorSectors = view.getBigUint64(36, true);
  if (descriptorSectors > DESCRIPTOR_LIMIT_SECTORS) {
    const limit = DESCRIPTOR_LIMIT_SECTORS;
    throw refuse(36, `the descriptor has ${descriptorSectors} sectors, at most ${limit} are accepted`);
  }
  const sizeBytes = Number(descriptorSectors) * SECTOR_BYTES;
  const hasDescriptor = view.getBigUint64(28, true) !== 0n && sizeBytes > 0;

  const directory = view.getBigUint64(56, true);
  if (directory === 0n) throw refuse(56, "it has no grain directory");
  const overhead = view.getBigUint64(64, true);
  if (overhead > OFFSET_LIMIT_SECTORS) {
    throw refuse(64, `the first grain is said to lie at sector ${overhead}`);
  }
  return {
    descriptor: hasDescriptor
      ? { offsetBytes: place(28, "the descriptor", sizeBytes), sizeBytes }
      : undefined,
    directoryOffsetBytes: directory === IN_FOOTER
      ? undefined
      : place(56, "the grain directory", tableCount * 4),
    // A file without grains may end before the place of the first one.
    overheadBytes: Number(overhead) * SECTOR_BYTES,
  };
}

function isPowerOfTwo(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n;
}
