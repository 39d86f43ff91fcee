/** An independent writer of streamOptimized VMDKs for the tests. It shares no code with `cli/`. */

import zlib from "node:zlib";
import { descriptorText, isZero } from "./builder.ts";

const SECTOR = 512;
const GRAIN = 65536;
const ENTRIES = 512;

/** The choices of a test. */
export interface StreamShape {
  /**
   * `footer` is the layout of VMware and VirtualBox, `front` that of open-vmdk, with the tables before the
   * grains.
   */
  layout?: "footer" | "front";
  /**
   * The grain numbers in the order of their place in the file. The default is all grains that are not zero,
   * ascending.
   */
  order?: number[];
  /** Fill the last grain up before it is compressed. */
  padLast?: boolean;
  /** The stored form of a grain, in place of zlib's. */
  deflate?: (grain: Uint8Array, number: number) => Uint8Array;
  /** The marker of a grain, in place of its sector and size. */
  marker?: (grain: number, sector: number, size: number) => { sector: number; size: number };
  /** Bytes in place of the usual descriptor. */
  descriptor?: string;
  /** The number of zeros behind the end. */
  paddingSectors?: number;
  version?: number;
}

/** A finished image, with the places that a test may damage. */
export interface StreamImage {
  bytes: Uint8Array<ArrayBuffer>;
  directoryBytes: number;
  /** Returns the byte where the table entry of a grain begins. */
  entryBytes(grain: number): number;
  /** The byte where the footer begins; undefined without one. */
  footerBytes?: number;
  /** The byte where the marker of each grain begins. */
  places: Map<number, number>;
}

/** Returns a streamOptimized file with the contents `disk`, which are whole sectors. */
export function buildStream(disk: Uint8Array, shape: StreamShape = {}): StreamImage {
  const { layout = "footer", deflate = (grain) => zlib.deflateSync(grain), padLast = true } = shape;
  const sectors = disk.length / SECTOR;
  const grains = Math.ceil(disk.length / GRAIN);
  const tables = Math.ceil(grains / ENTRIES);
  const order = shape.order ?? Array.from({ length: grains }, (_, grain) => grain)
    .filter((grain) => !isZero(disk.subarray(grain * GRAIN, (grain + 1) * GRAIN)));

  const out = new Sectors();
  out.skip(128);
  const directory = new Uint32Array(tables);
  const tableEntries = Array.from({ length: tables }, () => new Uint32Array(ENTRIES));
  let directorySector = 21;
  const directorySectors = Math.ceil(tables * 4 / SECTOR);
  if (layout === "front") {
    for (let table = 0; table < tables; table++) directory[table] = 21 + directorySectors + 4 * table;
    out.skip(Math.max(0, 21 + directorySectors + 4 * tables - 128));
  }
  const places = new Map<number, number>();
  const flushTable = (table: number) => {
    if (layout === "front" || tableEntries[table].every((entry) => entry === 0)) return;
    out.add(marker(4, 1));
    directory[table] = out.sector;
    out.add(bytesOf(tableEntries[table]));
  };
  const inOrder = order.every((grain, i) => i === 0 || grain > order[i - 1]);
  let table = 0;
  for (const grain of order) {
    const owner = Math.floor(grain / ENTRIES);
    for (; inOrder && table < owner; table++) flushTable(table);
    let content = disk.subarray(grain * GRAIN, (grain + 1) * GRAIN);
    if (padLast && content.length < GRAIN) {
      const padded = new Uint8Array(GRAIN);
      padded.set(content);
      content = padded;
    }
    const stored = deflate(content, grain);
    const { sector, size } = shape.marker?.(grain, grain * 128, stored.length) ??
      { sector: grain * 128, size: stored.length };
    const item = new Uint8Array(12 + stored.length);
    const view = new DataView(item.buffer);
    view.setBigUint64(0, BigInt(sector), true);
    view.setUint32(8, size, true);
    item.set(stored, 12);
    tableEntries[owner][grain % ENTRIES] = out.sector;
    places.set(grain, out.sector * SECTOR);
    out.add(item);
  }
  for (; table < tables; table++) flushTable(table);

  const header = headerBytes({ sectors, version: shape.version ?? 3 });
  const headerView = new DataView(header.buffer);
  let footerBytes: number | undefined;
  if (layout === "footer") {
    out.add(marker(directorySectors, 2));
    directorySector = out.sector;
    out.add(bytesOf(directory));
    const footer = header.slice();
    new DataView(footer.buffer).setBigUint64(56, BigInt(directorySector), true);
    headerView.setBigUint64(56, 2n ** 64n - 1n, true);
    out.add(marker(1, 3));
    footerBytes = out.sector * SECTOR;
    out.add(footer);
  } else {
    headerView.setBigUint64(56, 21n, true);
  }
  out.skip(1 + (shape.paddingSectors ?? 0));

  const bytes = out.bytes();
  bytes.set(header);
  const text = shape.descriptor ??
    descriptorText([`RW ${sectors} SPARSE "generated-stream.vmdk"`], { createType: "streamOptimized" });
  bytes.set(new TextEncoder().encode(text), SECTOR);
  if (layout === "front") {
    bytes.set(bytesOf(directory), 21 * SECTOR);
    tableEntries.forEach((entries, i) => bytes.set(bytesOf(entries), directory[i] * SECTOR));
  }
  return {
    bytes,
    directoryBytes: directorySector * SECTOR,
    entryBytes: (grain) => directory[Math.floor(grain / ENTRIES)] * SECTOR + grain % ENTRIES * 4,
    footerBytes,
    places,
  };
}

/** A file that grows by whole sectors. */
class Sectors {
  sector = 0;
  readonly #parts: [number, Uint8Array][] = [];

  add(bytes: Uint8Array): void {
    this.#parts.push([this.sector, bytes]);
    this.sector += Math.ceil(bytes.length / SECTOR);
  }

  skip(sectors: number): void {
    this.sector += sectors;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.sector * SECTOR);
    for (const [sector, bytes] of this.#parts) all.set(bytes, sector * SECTOR);
    return all;
  }
}

function headerBytes({ sectors, version }: { sectors: number; version: number }): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(SECTOR);
  const view = new DataView(header.buffer);
  header.set([0x4b, 0x44, 0x4d, 0x56]);
  view.setUint32(4, version, true);
  view.setUint32(8, 0x30001, true);
  const fields: [number, number][] = [[12, sectors], [20, 128], [28, 1], [36, 20], [64, 128]];
  for (const [offset, value] of fields) view.setBigUint64(offset, BigInt(value), true);
  view.setUint32(44, ENTRIES, true);
  header.set([0x0a, 0x20, 0x0d, 0x0a], 73);
  view.setUint16(77, 1, true);
  return header;
}

function marker(value: number, type: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(value), true);
  view.setUint32(12, type, true);
  return bytes;
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer);
}
