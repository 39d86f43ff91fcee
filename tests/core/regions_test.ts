import { assert, assertEquals, assertThrows } from "@std/assert";
import { Regions } from "../../cli/core/regions.ts";
import { seeded } from "../disks/helpers.ts";

Deno.test("Regions hands out the lowest gap that is large enough, aligned", () => {
  const regions = new Regions(10, 1000);
  const a = regions.take(100, 64);
  const b = regions.take(100, 64);
  assertEquals([a, b], [64, 192]);
  assertEquals(regions.take(4, 4), 12);
  regions.giveBack(a);
  assertEquals(regions.take(90, 64), 64);
  assertEquals(regions.usedBytes, 90 + 100 + 4);
});

Deno.test("Regions refuses what does not fit, lengths that are none, and what is not in use", () => {
  const regions = new Regions(0, 128);
  regions.take(64, 64);
  assertThrows(() => regions.take(65, 64), RangeError, "65 bytes are wanted, 64 are free in one piece");
  for (const lenBytes of [-1, 0.5, NaN, 2 ** 60]) assertThrows(() => regions.take(lenBytes, 64), RangeError);
  assertThrows(() => regions.giveBack(64), RangeError, "nothing begins at 64");
  regions.giveBack(0);
  assertThrows(() => regions.giveBack(0), RangeError);
});

Deno.test("Regions never hands out memory twice, and is whole again when all is given back", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seeded(seed);
    const regions = new Regions(64, 100_000);
    const used = new Map<number, number>();
    for (let step = 0; step < 400; step++) {
      if (used.size > 0 && random(2) === 0) {
        const ptr = [...used.keys()][random(used.size)];
        regions.giveBack(ptr);
        used.delete(ptr);
        continue;
      }
      const lenBytes = random(3000);
      const align = 2 ** random(8);
      let ptr: number;
      try {
        ptr = regions.take(lenBytes, align);
      } catch {
        continue;
      }
      assertEquals(ptr % align, 0, `seed ${seed}`);
      for (const [other, otherBytes] of used) {
        assert(
          ptr + Math.max(1, lenBytes) <= other || other + otherBytes <= ptr,
          `seed ${seed}: they overlap`,
        );
      }
      used.set(ptr, Math.max(1, lenBytes));
    }
    for (const ptr of used.keys()) regions.giveBack(ptr);
    assertEquals([regions.usedBytes, regions.largestGapBytes], [0, 100_000 - 64], `seed ${seed}`);
  }
});
