import { assert, assertEquals, assertThrows } from "@std/assert";
import { Regions } from "../../cli/core/regions.ts";
import { seeded } from "../disks/helpers.ts";

Deno.test("Regions.allocate() uses the lowest gap that is large enough, aligned", () => {
  const regions = new Regions(10, 1000);
  const a = regions.allocate(100, 64);
  const b = regions.allocate(100, 64);
  assertEquals([a, b], [64, 192]);
  assertEquals(regions.allocate(4, 4), 12);
  regions.free(a);
  assertEquals(regions.allocate(90, 64), 64);
  assertEquals(regions.usedBytes, 90 + 100 + 4);
});

Deno.test("Regions refuses lengths that do not fit or are invalid, and freeing memory that is not in use", () => {
  const regions = new Regions(0, 128);
  regions.allocate(64, 64);
  assertThrows(() => regions.allocate(65, 64), RangeError, "65 bytes are wanted, 64 are free in one piece");
  for (const lenBytes of [-1, 0.5, NaN, 2 ** 60]) {
    assertThrows(() => regions.allocate(lenBytes, 64), RangeError);
  }
  assertThrows(() => regions.free(64), RangeError, "no region begins at 64");
  regions.free(0);
  assertThrows(() => regions.free(0), RangeError);
});

Deno.test("Regions never allocates memory twice, and has one gap again when everything is freed", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seeded(seed);
    const regions = new Regions(64, 100_000);
    const used = new Map<number, number>();
    for (let step = 0; step < 400; step++) {
      if (used.size > 0 && random(2) === 0) {
        const ptr = [...used.keys()][random(used.size)];
        regions.free(ptr);
        used.delete(ptr);
        continue;
      }
      const lenBytes = random(3000);
      const align = 2 ** random(8);
      let ptr: number;
      try {
        ptr = regions.allocate(lenBytes, align);
      } catch {
        continue;
      }
      assertEquals(ptr % align, 0, `seed ${seed}`);
      for (const [other, otherBytes] of used) {
        assert(
          ptr + Math.max(1, lenBytes) <= other || other + otherBytes <= ptr,
          `seed ${seed}: regions overlap`,
        );
      }
      used.set(ptr, Math.max(1, lenBytes));
    }
    for (const ptr of used.keys()) regions.free(ptr);
    assertEquals([regions.usedBytes, regions.largestGapBytes], [0, 100_000 - 64], `seed ${seed}`);
  }
});
