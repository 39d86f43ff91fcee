import { assert, assertEquals } from "@std/assert";
import {
  GrainCollector,
  type GrainStore,
  REGION_BYTES,
} from "../../../../cli/disks/vmdk/create/grain_collector.ts";
import { assertSameBytes, noise, seeded } from "../../helpers.ts";

const GRAIN = 65536;

/** Keeps the grains that it gets, and overwrites the region afterwards. */
class Kept implements GrainStore {
  readonly takesWrites: boolean;
  readonly disk: Uint8Array;
  nextGrain = 0;
  #region = new Uint8Array(REGION_BYTES).fill(0xee);

  constructor(capacityBytes: number, { takesWrites }: { takesWrites: boolean }) {
    this.takesWrites = takesWrites;
    this.disk = new Uint8Array(Math.ceil(capacityBytes / GRAIN) * GRAIN);
  }

  region(): Uint8Array {
    return this.#region;
  }

  put(grains: Uint8Array, firstGrain: number): Promise<void> {
    assert(firstGrain >= this.nextGrain, `grain ${firstGrain} after ${this.nextGrain}`);
    assert(grains.length > 0 && grains.length % GRAIN === 0, `${grains.length} bytes`);
    const isRegion = grains.buffer === this.#region.buffer;
    assert(isRegion || this.takesWrites, "a write as it is");
    const begin = firstGrain * GRAIN;
    const regions = Math.ceil((begin + grains.length) / REGION_BYTES) - Math.floor(begin / REGION_BYTES);
    if (isRegion) assertEquals(regions, 1, "a region ends at a multiple of its length");
    this.disk.set(grains, begin);
    this.nextGrain = firstGrain + grains.length / GRAIN;
    this.#region.fill(0xee);
    return Promise.resolve();
  }
}

for (const takesWrites of [true, false]) {
  Deno.test(`GrainCollector puts each grain once, ${takesWrites ? "partly without" : "always through"} a region`, async () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = seeded(seed);
      const capacityBytes = 1 + random(50 * GRAIN);
      const expected = new Uint8Array(capacityBytes);
      const store = new Kept(capacityBytes, { takesWrites });
      const collector = new GrainCollector("a.vmdk", store);
      const longest = [100, GRAIN, 4 * GRAIN, 40 * GRAIN][seed % 4];
      for (let at = 0; at < capacityBytes;) {
        // Gaps, and some writes that begin and end at grains.
        if (random(3) === 0) at += random(longest);
        if (random(2) === 0) at = Math.ceil(at / GRAIN) * GRAIN;
        const end = random(2) === 0
          ? at + random(longest)
          : Math.ceil((at + random(longest)) / GRAIN) * GRAIN;
        const bytes = noise(Math.min(Math.max(0, capacityBytes - at), end - at), at + seed);
        if (bytes.length > 0) {
          await collector.write(bytes, at);
          expected.set(bytes, at);
        }
        at = Math.max(end, at + 1);
      }
      await collector.flush();
      await collector.flush();
      assertSameBytes(store.disk.subarray(0, capacityBytes), expected, `seed ${seed}`);
      assert(store.disk.subarray(capacityBytes).every((byte) => byte === 0), `seed ${seed}: behind the disk`);
    }
  });
}
