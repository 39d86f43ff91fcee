/**
 * Independent writers of ESXi's snapshot extents, COWD and seSparse, for the tests. They share no code with
 * `cli/`.
 */

import { isZero } from "./builder.ts";

const SECTOR = 512;

/** The choices of a test. */
export interface EsxShape {
  /**
   * The numbers of the units that the extent stores, in the order of their place. The default is all units
   * that are not zero, ascending.
   */
  order?: number[];
  /** The units that are marked as zeros. */
  zeroed?: number[];
}

/** A finished extent, with the places that a test may damage. */
export interface EsxImage {
  bytes: Uint8Array<ArrayBuffer>;
  directoryBytes: number;
  /** Returns the byte where the table entry of a grain begins; its table must exist. */
  entryBytes(grain: number): number;
}

function unitsOf(disk: Uint8Array, unitBytes: number, { order, zeroed = [] }: EsxShape): number[] {
  if (order !== undefined) return order;
  const units = Array.from({ length: Math.ceil(disk.length / unitBytes) }, (_, unit) => unit);
  return units.filter((unit) =>
    !zeroed.includes(unit) && !isZero(disk.subarray(unit * unitBytes, (unit + 1) * unitBytes))
  );
}

/** Returns a COWD extent with grains of one sector. Tables and grains lie in the order of their first use. */
export function buildCowd(disk: Uint8Array, shape: EsxShape = {}): EsxImage {
  const sectors = disk.length / SECTOR;
  const order = unitsOf(disk, SECTOR, shape);
  const tables = Math.ceil(sectors / 4096);
  let next = 4 + Math.ceil(tables * 4 / SECTOR);
  const tableSectors = new Map<number, number>();
  const entries: [grain: number, sector: number][] = [];
  const tableOf = (grain: number) => {
    const table = Math.floor(grain / 4096);
    if (tableSectors.has(table)) return;
    tableSectors.set(table, next);
    next += 32;
  };
  for (const grain of order) {
    tableOf(grain);
    entries.push([grain, next++]);
  }
  for (const grain of shape.zeroed ?? []) {
    tableOf(grain);
    entries.push([grain, 1]);
  }

  const bytes = new Uint8Array(next * SECTOR);
  const view = new DataView(bytes.buffer);
  bytes.set([0x43, 0x4f, 0x57, 0x44]);
  [1, 3, sectors, 1, 4, tables, next].forEach((value, i) => view.setUint32(4 + i * 4, value, true));
  for (const [table, sector] of tableSectors) view.setUint32(4 * SECTOR + table * 4, sector, true);
  const entryBytes = (grain: number) =>
    tableSectors.get(Math.floor(grain / 4096))! * SECTOR + grain % 4096 * 4;
  for (const [grain, sector] of entries) {
    view.setUint32(entryBytes(grain), sector, true);
    if (sector > 1) bytes.set(disk.subarray(grain * SECTOR, (grain + 1) * SECTOR), sector * SECTOR);
  }
  return { bytes, directoryBytes: 4 * SECTOR, entryBytes };
}

const GRAIN = 4096;

/** Returns a seSparse extent. Regions have 1 MiB, or less where the tests do not need it. */
export function buildSeSparse(
  disk: Uint8Array,
  shape: EsxShape & { unmapped?: number[] } = {},
): EsxImage {
  const sectors = disk.length / SECTOR;
  const order = unitsOf(disk, GRAIN, shape);
  const grains = Math.ceil(sectors / 8);
  const tables = Math.ceil(grains / 4096);
  const regions: [field: number, sector: number, size: number][] = [
    [80, 1, 1], // volatile header
    [96, 2, 2], // journal header
    [112, 4, 4], // journal
    [128, 8, 8 * Math.ceil(tables / 64)], // directory
  ];
  const add = (field: number, size: number) => {
    const [, sector, before] = regions[regions.length - 1];
    regions.push([field, sector + before, size]);
    return sector + before;
  };
  const tablesSector = add(144, 64 * tables);
  add(160, 8);
  add(176, 8);
  const grainsSector = add(192, grains * 8);

  // Slots and tables are numbered by their use.
  const tableNumbers = new Map<number, number>();
  const entries: [grain: number, entry: bigint, slot?: number][] = [];
  const tableOf = (grain: number) => {
    const table = Math.floor(grain / 4096);
    if (!tableNumbers.has(table)) tableNumbers.set(table, tableNumbers.size);
  };
  order.forEach((grain, slot) => {
    tableOf(grain);
    entries.push([grain, 3n << 60n | BigInt(slot & 0xfff) << 48n | BigInt(slot >> 12), slot]);
  });
  for (const [tag, numbers] of [[2n, shape.zeroed ?? []], [1n, shape.unmapped ?? []]] as const) {
    for (const grain of numbers) {
      tableOf(grain);
      entries.push([grain, tag << 60n | 5n << 48n]);
    }
  }

  const bytes = new Uint8Array((grainsSector + Math.max(1, order.length) * 8) * SECTOR);
  const view = new DataView(bytes.buffer);
  const set = (offset: number, value: bigint) => view.setBigUint64(offset, value, true);
  set(0, 0xcafebaben);
  set(8, 0x0000000200000001n);
  set(16, BigInt(sectors));
  set(24, 8n);
  set(32, 64n);
  for (const [field, sector, size] of regions) {
    set(field, BigInt(sector));
    set(field + 8, BigInt(size));
  }
  set(SECTOR, 0xcafecafen);
  const directoryBytes = 8 * SECTOR;
  for (const [table, number] of tableNumbers) {
    set(directoryBytes + table * 8, 0x1000000000000000n | BigInt(number));
  }
  const entryBytes = (grain: number) =>
    (tablesSector + 64 * tableNumbers.get(Math.floor(grain / 4096))!) * SECTOR + grain % 4096 * 8;
  for (const [grain, entry, slot] of entries) {
    set(entryBytes(grain), entry);
    if (slot === undefined) continue;
    bytes.set(disk.subarray(grain * GRAIN, (grain + 1) * GRAIN), (grainsSector + slot * 8) * SECTOR);
  }
  return { bytes, directoryBytes, entryBytes };
}
