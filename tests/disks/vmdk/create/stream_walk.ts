/**
 * An independent reader of streamOptimized files, which follows VMware's technical note. It reads them from
 * front to back, as from a pipe, and then by the tables. It shares no code with `cli/`, checks everything,
 * and keeps all of a small disk.
 */

import { assert, assertEquals } from "@std/assert";
import { inflateSync } from "node:zlib";

const SECTOR = 512;
const GRAIN = 65536;
const TABLE = 32 * 1024 * 1024;

/** The contents that were found. */
export interface WalkedStream {
  disk: Uint8Array;
  /** The number of stored grains. */
  grains: number;
  tables: number;
  descriptor: string;
}

/** Reads a whole file. */
export function walkStream(file: Uint8Array): WalkedStream {
  assertEquals(file.length % SECTOR, 0, "whole sectors");
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  const u32 = (at: number) => view.getUint32(at, true);
  const text = (at: number, length: number) =>
    new TextDecoder().decode(file.subarray(at, at + length)).split("\0")[0];

  assertEquals([text(0, 4), u32(4), u32(8), view.getUint16(77, true)], ["KDMV", 3, 0x30001, 1]);
  assertEquals(view.getBigUint64(56, true), 2n ** 64n - 1n, "gdOffset");
  assertEquals([u64(20), u64(28), u64(36), u32(44), u64(48), u64(64)], [128, 1, 20, 512, 0, 128]);
  const disk = new Uint8Array(u64(12) * SECTOR);

  const grainAt = new Map<number, number>();
  const tableAt = new Map<number, number>();
  let directoryAt = 0;
  let footerAt = 0;
  let lastGrain = -1;
  let at = 128 * SECTOR;
  for (;;) {
    const first = u64(at);
    const size = u32(at + 8);
    if (size > 0) {
      const grain = first / 128;
      assert(Number.isInteger(grain) && grain > lastGrain, `grain ${grain} after ${lastGrain}`);
      const bytes = inflateSync(file.subarray(at + 12, at + 12 + size));
      assertEquals(bytes.length, GRAIN, "a whole grain");
      assert(bytes.some((byte) => byte !== 0), "a grain that is not zero");
      const room = disk.subarray(grain * GRAIN, grain * GRAIN + GRAIN);
      room.set(bytes.subarray(0, room.length));
      assert(bytes.subarray(room.length).every((byte) => byte === 0), "zeros behind the disk");
      grainAt.set(grain, at / SECTOR);
      lastGrain = grain;
      const end = at + Math.ceil((12 + size) / SECTOR) * SECTOR;
      assert(end - at <= 129 * SECTOR, "a grain that open-vmdk has room for");
      assert(file.subarray(at + 12 + size, end).every((byte) => byte === 0), "zeros up to the sector");
      at = end;
      continue;
    }
    assert(file.subarray(at + 16, at + SECTOR).every((byte) => byte === 0), "zeros behind a marker");
    const type = u32(at + 12);
    at += SECTOR;
    if (type === 0) break;
    if (type === 1) tableAt.set(Math.floor(lastGrain / 512), at / SECTOR);
    if (type === 2) directoryAt = at;
    if (type === 3) footerAt = at;
    assert(type <= 3 && footerAt <= at, `marker ${type}`);
    assertEquals(first, type === 1 ? 4 : type === 2 ? Math.ceil(disk.length / TABLE / 128) : 1);
    at += first * SECTOR;
  }
  assertEquals(
    [at, footerAt],
    [file.length, file.length - 2 * SECTOR],
    "the end of the stream ends the file",
  );

  const footer = file.slice(footerAt, footerAt + SECTOR);
  assertEquals(new DataView(footer.buffer).getBigUint64(56, true), BigInt(directoryAt / SECTOR));
  footer.set(file.subarray(56, 64), 56);
  assertEquals(footer, file.slice(0, SECTOR), "the footer is the header");
  for (let table = 0; table * TABLE < disk.length; table++) {
    const sector = u32(directoryAt + table * 4);
    assertEquals(sector, tableAt.get(table) ?? 0, `table ${table}`);
    for (let i = 0; i < 512 && sector !== 0; i++) {
      assertEquals(
        u32(sector * SECTOR + i * 4),
        grainAt.get(table * 512 + i) ?? 0,
        `grain ${table * 512 + i}`,
      );
    }
  }
  return { disk, grains: grainAt.size, tables: tableAt.size, descriptor: text(SECTOR, 20 * SECTOR) };
}
