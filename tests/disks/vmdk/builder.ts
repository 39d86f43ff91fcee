/**
 * An independent writer of VMDK files for the tests, which follows VMware's technical note and shares no code
 * with `cli/`. It keeps whole files in memory, so it is for small disks only.
 */

import { Buffer } from "node:buffer";

const SECTOR = 512;
const GRAIN = 128;
const ENTRIES = 512;
const ZEROS = new Uint8Array(GRAIN * SECTOR);

/** The choices of a test. */
export interface SparseShape {
  /**
   * The grain numbers in the order of their place in the file. The default is all grains that are not zero,
   * ascending.
   */
  order?: number[];
  /** The grains that get the table entry 1 (zeros), with the flag for it. */
  zeroed?: number[];
  /** Leave out empty tables: their directory entry is 0. */
  sparseTables?: boolean;
  /** The sector count in the extent line, if it is not that of the disk. */
  lineSectors?: number;
  /** A descriptor in place of the usual one. */
  descriptor?: string;
  /** Do not fill the last grain. */
  shortLastGrain?: boolean;
}

/** A finished image, with the places that a test may damage. */
export interface SparseImage {
  bytes: Uint8Array;
  /** The byte where the (primary) grain directory begins. */
  directoryBytes: number;
  /** Returns the byte where the table entry of a grain begins. */
  entryBytes(grain: number): number;
  overheadBytes: number;
}

/** Returns a descriptor with the given extent lines. */
export function descriptorText(
  extents: string[],
  { createType = "monolithicFlat", header = [], ddb = ['ddb.adapterType = "lsilogic"'] }: {
    createType?: string;
    header?: string[];
    ddb?: string[];
  } = {},
): string {
  return [
    "# Disk DescriptorFile",
    "version=1",
    'encoding="UTF-8"',
    "CID=3f2a90c1",
    "parentCID=ffffffff",
    `createType="${createType}"`,
    ...header,
    "",
    "# Extent description",
    ...extents,
    "",
    "# The Disk Data Base",
    "#DDB",
    "",
    ...ddb,
    "",
  ].join("\n");
}

/** Returns a monolithicSparse file with the contents `disk`, which are whole sectors. */
export function buildSparse(disk: Uint8Array, shape: SparseShape = {}): SparseImage {
  const sectors = disk.length / SECTOR;
  const tables = Math.ceil(sectors / (GRAIN * ENTRIES));
  const directorySectors = Math.ceil((tables * 4) / SECTOR);
  const redundant = 21;
  const primary = redundant + directorySectors + 4 * tables;
  const overhead = roundUp(primary + directorySectors + 4 * tables, GRAIN);
  const grains = Math.ceil(sectors / GRAIN);
  const zeroed = new Set(shape.zeroed ?? []);
  const order = shape.order ?? Array.from({ length: grains }, (_, grain) => grain)
    .filter((grain) => !zeroed.has(grain) && !isZero(grainOf(disk, grain)));

  const lastStored = order.at(-1);
  let fileBytes = (overhead + order.length * GRAIN) * SECTOR;
  if (shape.shortLastGrain && lastStored !== undefined) {
    fileBytes -= GRAIN * SECTOR - grainOf(disk, lastStored).length;
  }
  const bytes = new Uint8Array(fileBytes);
  const view = new DataView(bytes.buffer);

  bytes.set([0x4b, 0x44, 0x4d, 0x56]);
  view.setUint32(4, zeroed.size > 0 ? 2 : 1, true);
  view.setUint32(8, zeroed.size > 0 ? 7 : 3, true);
  const fields: [number, number][] = [[12, sectors], [20, GRAIN], [28, 1], [36, 20], [48, redundant], [
    56,
    primary,
  ]];
  for (const [offset, value] of [...fields, [64, overhead]]) view.setBigUint64(offset, BigInt(value), true);
  view.setUint32(44, ENTRIES, true);
  bytes.set([0x0a, 0x20, 0x0d, 0x0a], 73);
  const line = `RW ${shape.lineSectors ?? sectors} SPARSE "any-name.vmdk"`;
  const text = shape.descriptor ?? descriptorText([line], { createType: "monolithicSparse" });
  bytes.set(new TextEncoder().encode(text), SECTOR);

  const used = new Set([...order, ...zeroed].map((grain) => Math.floor(grain / ENTRIES)));
  for (const directory of [redundant, primary]) {
    const firstTable = directory + directorySectors;
    for (let table = 0; table < tables; table++) {
      if (shape.sparseTables && !used.has(table)) continue;
      view.setUint32(directory * SECTOR + table * 4, firstTable + 4 * table, true);
    }
    order.forEach((grain, place) =>
      view.setUint32(firstTable * SECTOR + grain * 4, overhead + place * GRAIN, true)
    );
    for (const grain of zeroed) view.setUint32(firstTable * SECTOR + grain * 4, 1, true);
  }
  order.forEach((grain, place) => bytes.set(grainOf(disk, grain), (overhead + place * GRAIN) * SECTOR));
  return {
    bytes,
    directoryBytes: primary * SECTOR,
    entryBytes: (grain) => (primary + directorySectors) * SECTOR + grain * 4,
    overheadBytes: overhead * SECTOR,
  };
}

/** Whether a grain is all zeros. */
export function isZero(grain: Uint8Array): boolean {
  return Buffer.compare(grain, ZEROS.subarray(0, grain.length)) === 0;
}

function grainOf(disk: Uint8Array, grain: number): Uint8Array {
  return disk.subarray(grain * GRAIN * SECTOR, (grain + 1) * GRAIN * SECTOR);
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
