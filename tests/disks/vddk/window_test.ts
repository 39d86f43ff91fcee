import { assertEquals } from "@std/assert";
import { windowOf } from "../../../cli/disks/vddk/disk.ts";

const KIB = 1024;
const range = { startBytes: 64 * KIB, endBytes: 256 * KIB };
/** Returns runs in KiB for runs in sectors of 512 bytes. */
const runs = (...given: [number, number][]) =>
  windowOf(given.map(([start, length]) => [start * 2, length * 2] as [number, number]), range)
    .runs.map(({ startBytes, endBytes }) => [startBytes / KIB, endBytes / KIB]);

Deno.test("windowOf() keeps runs, in order", () => {
  assertEquals(runs([64, 64], [192, 64]), [[64, 128], [192, 256]]);
  assertEquals(runs([192, 64], [64, 64]), [[64, 128], [192, 256]]);
  assertEquals(runs(), []);
});

Deno.test("windowOf() joins runs that touch or overlap", () => {
  assertEquals(runs([64, 64], [128, 64]), [[64, 192]]);
  assertEquals(runs([64, 128], [128, 32]), [[64, 192]]);
});

Deno.test("windowOf() cuts runs at the bounds of the query", () => {
  assertEquals(runs([0, 64]), []);
  assertEquals(runs([0, 1000]), [[64, 256]]);
  assertEquals(runs([256, 64]), []);
  assertEquals(runs([100, 0]), []);
});
