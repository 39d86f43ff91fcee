import { assert, assertEquals } from "@std/assert";
import { Bitmap } from "../../cli/archive/bitmap.ts";
import type { Extent } from "../../cli/disks/disk.ts";
import { surveyData } from "../../cli/pipeline/data_spread.ts";
import { Random } from "../../scripts/disk_image.ts";

const GIB = 1024 ** 3;
const always = () => true;

/** A disk of these stretches, each as long as it says, in turn. */
class Stretches {
  readonly extents: Extent[] = [];
  asked = 0;

  constructor(...stretches: [lenBytes: number, kind: "data" | "hole"][]) {
    let endBytes = 0;
    for (const [lenBytes, kind] of stretches) {
      this.extents.push({ endBytes: endBytes += lenBytes, zero: kind === "hole" });
    }
  }

  get capacityBytes(): number {
    return this.extents[this.extents.length - 1].endBytes;
  }

  extentAt(offsetBytes: number): Extent {
    this.asked++;
    return this.extents.find(({ endBytes }) => endBytes > offsetBytes)!;
  }

  /** Bytes of data from `start` to `end`, counted by stretches. */
  dataIn(start: number, end: number): number {
    let from = 0;
    let bytes = 0;
    for (const { endBytes, zero } of this.extents) {
      if (!zero) bytes += Math.max(0, Math.min(end, endBytes) - Math.max(start, from));
      from = endBytes;
    }
    return bytes;
  }
}

Deno.test("surveyData() counts what is no hole, wherever it lies", async () => {
  const disk = new Stretches([GIB, "data"], [98 * GIB, "hole"], [GIB, "data"]);
  const spread = await surveyData(disk, { goesOn: always });
  assertEquals(spread.totalBytes, 2 * GIB);
  const about = (gib: number) => Math.round(spread.bytesBefore(gib * GIB) / GIB * 10) / 10;
  assertEquals([0, 1, 50, 99, 99.5, 100].map(about), [0, 1, 1, 1, 1.5, 2]);
  assertEquals(spread.bytesBefore(200 * GIB), 2 * GIB);
});

Deno.test("surveyData() agrees with a count by stretches on drawn disks, within a part of the disk", async () => {
  const seed = 6;
  const random = new Random(seed);
  for (let round = 0; round < 60; round++) {
    const disk = new Stretches(
      ...Array.from({ length: 1 + random.below(60) }, (): [number, "data" | "hole"] => [
        1 + random.below([10, 5000, 3_000_000][random.below(3)]),
        random.below(2) === 0 ? "data" : "hole",
      ]),
    );
    const { capacityBytes } = disk;
    const startBytes = random.below(3) === 0 ? random.below(capacityBytes) : 0;
    const blockBytes = 512;
    const bits = new Bitmap(Math.ceil(capacityBytes / blockBytes));
    for (let i = 0; i < bits.bitCount; i++) if (random.below(3) > 0) bits.set(i);
    const changed = round % 2 === 0 ? undefined : { blocks: bits, blockBytes };
    const spread = await surveyData(disk, { startBytes, changed, goesOn: always });
    const dataBefore = (end: number) => {
      if (changed === undefined) return end <= startBytes ? 0 : disk.dataIn(startBytes, end);
      let bytes = 0;
      for (let i = 0; i < bits.bitCount; i++) {
        if (!bits.get(i)) continue;
        const [from, to] = [Math.max(startBytes, i * blockBytes), Math.min(end, (i + 1) * blockBytes)];
        if (from < to) bytes += disk.dataIn(from, to);
      }
      return bytes;
    };
    const name = `round ${round}, seed ${seed}`;
    assertEquals(Math.round(spread.totalBytes), dataBefore(capacityBytes), name);
    const partBytes = Math.ceil(capacityBytes / 1024);
    for (let i = 0; i <= 10; i++) {
      const at = Math.floor(capacityBytes * i / 10);
      assert(Math.abs(spread.bytesBefore(at) - dataBefore(at)) <= partBytes, `${name}, byte ${at}`);
    }
  }
});

Deno.test("surveyData() estimates what it had no time for from what it saw", async () => {
  // A quarter of what was seen is data.
  const stretches = Array.from(
    { length: 100 },
    (_, i): [number, "data" | "hole"] => i % 2 === 0 ? [1024, "data"] : [3072, "hole"],
  );
  const disk = new Stretches(...stretches);
  let times = 20;
  const spread = await surveyData(disk, { goesOn: () => times-- > 0 });
  assertEquals(disk.asked, 20);
  assertEquals(spread.totalBytes, disk.capacityBytes / 4);
  // And with no time at all, all may be.
  assertEquals((await surveyData(disk, { goesOn: () => false })).totalBytes, disk.capacityBytes);
});

Deno.test("surveyData() does with disks of one byte, and of nothing but holes", async () => {
  assertEquals((await surveyData(new Stretches([1, "data"]), { goesOn: always })).totalBytes, 1);
  const empty = await surveyData(new Stretches([4 * GIB * 1024, "hole"]), { goesOn: always });
  assertEquals([empty.totalBytes, empty.bytesBefore(GIB)], [0, 0]);
});
