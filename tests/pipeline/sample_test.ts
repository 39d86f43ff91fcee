import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { Bitmap } from "../../cli/archive/bitmap.ts";
import { defaultSampleBlocks, drawSample, SeededRandom, shareCaught } from "../../cli/pipeline/sample.ts";
import { bitmapOf, blocksOf } from "./bitmaps.ts";

const KIB = 1024;
const MIB = 1024 * 1024;

Deno.test("SeededRandom is the same for the same seed, and another one for another", async () => {
  const draws = async (seed: string) => {
    const random = await SeededRandom.of(seed);
    return Array.from({ length: 20 }, () => random.below(1000));
  };
  assertEquals(await draws("a"), await draws("a"));
  assertNotEquals(await draws("a"), await draws("b"));
});

Deno.test("SeededRandom.below() gives every number below the limit about as often", async () => {
  const random = await SeededRandom.of("even");
  for (const limit of [1, 2, 3, 10, 1000]) {
    const counts = new Array(limit).fill(0);
    for (let i = 0; i < 1000 * limit; i++) counts[random.below(limit)]++;
    // Six standard deviations of 1000 expected.
    for (const count of counts) assert(Math.abs(count - 1000) < 6 * Math.sqrt(1000), `${limit}: ${counts}`);
  }
  // Two thirds of the words: rejected words would show as an excess in the lower half.
  const limit = 3 * 2 ** 30;
  let low = 0;
  for (let i = 0; i < 10_000; i++) {
    const number = random.below(limit);
    assert(Number.isInteger(number) && number >= 0 && number < limit, `${number}`);
    if (number < limit / 2) low++;
  }
  assert(Math.abs(low - 5000) < 300, `${low} of 10000 in the lower half`);
});

/** Samples at random, and in the order of the blocks. */
const WAYS = [{}, { mostAtRandom: 0 }];

Deno.test("SeededRandom.below() reaches beyond 32 bits", async () => {
  const random = await SeededRandom.of("wide");
  for (const limit of [2 ** 32 + 1, 3 * 2 ** 40, 2 ** 52]) {
    let low = 0;
    for (let i = 0; i < 10_000; i++) {
      const number = random.below(limit);
      assert(Number.isInteger(number) && number >= 0 && number < limit, `${number}`);
      if (number < limit / 3) low++;
    }
    assert(Math.abs(low - 3333) < 300, `${low} of 10000 in the lowest third of ${limit}`);
  }
});

Deno.test("drawSample() draws exactly as many blocks as it shall, none that is excluded", async () => {
  const random = await SeededRandom.of("exact");
  for (const bitCount of [1, 7, 8, 9, 64, 1000]) {
    for (const every of [1, 2, 3, 17, 2000]) {
      const excluded = bitmapOf(bitCount, (block) => block % every === every - 1);
      const blocks = bitCount - excluded.count();
      for (const sampleBlocks of new Set([0, Math.min(1, blocks), Math.floor(blocks / 2), blocks])) {
        for (const way of WAYS) {
          const sample = await drawSample(excluded, { sampleBlocks, random, ...way });
          const what = `${sampleBlocks} of ${bitCount} without every ${every}th`;
          assertEquals(sample.bitCount, bitCount, what);
          assertEquals(sample.count(), sampleBlocks, what);
          assertEquals(blocksOf(sample).filter((block) => excluded.get(block)), [], what);
        }
      }
      await assertRejects(() => drawSample(excluded, { sampleBlocks: blocks + 1, random }), RangeError);
    }
  }
});

Deno.test("drawSample() draws every set of blocks about as often", async () => {
  const random = await SeededRandom.of("sets");
  // Three of the five blocks 0, 2, 3, 6 and 9: ten sets.
  const candidates = [0, 2, 3, 6, 9];
  const excluded = bitmapOf(10, (block) => !candidates.includes(block));
  for (const way of WAYS) {
    const counts = new Map<string, number>();
    for (let i = 0; i < 10_000; i++) {
      const set = blocksOf(await drawSample(excluded, { sampleBlocks: 3, random, ...way })).join();
      counts.set(set, (counts.get(set) ?? 0) + 1);
    }
    assertEquals(counts.size, 10);
    for (const [set, count] of counts) assert(Math.abs(count - 1000) < 180, `${set}: ${count} of 10000`);
  }
});

Deno.test("a sample misses hidden blocks as often as the formula says", async () => {
  const random = await SeededRandom.of("formula");
  const [blocks, hidden, sampleBlocks, draws] = [2000, 20, 200, 4000];
  let exact = 1;
  for (let i = 0; i < hidden; i++) exact *= 1 - sampleBlocks / (blocks - i);
  let missed = 0;
  for (let i = 0; i < draws; i++) {
    const sample = await drawSample(new Bitmap(blocks), { sampleBlocks, random });
    // The hidden blocks stand together, as those of one file do.
    if (sample.next(700, 700 + hidden, true) === 700 + hidden) missed++;
  }
  const deviation = Math.sqrt(draws * exact * (1 - exact));
  assert(
    Math.abs(missed - draws * exact) < 4 * deviation,
    `${missed} of ${draws}, expected ${draws * exact}`,
  );
  assert(exact <= (1 - hidden / blocks) ** sampleBlocks);
});

Deno.test("the default sample catches 1 % with 99 %, and reads 512 MiB at most", () => {
  assertEquals(defaultSampleBlocks(1_000_000, MIB), 459);
  assertEquals(defaultSampleBlocks(1_000_000, 512), 459);
  assertEquals(defaultSampleBlocks(9180, MIB), 459);
  assertEquals(defaultSampleBlocks(9160, MIB), 458);
  assertEquals(defaultSampleBlocks(1801, MIB), 91);
  assertEquals(defaultSampleBlocks(1024, MIB), 90);
  assertEquals(defaultSampleBlocks(90, 64 * KIB), 90);
  assertEquals(defaultSampleBlocks(50, 64 * KIB), 50);
  assertEquals(defaultSampleBlocks(1, 64 * KIB), 1);
  assertEquals(defaultSampleBlocks(1_000_000, 16 * MIB), 32);
  assert(0.99 ** 459 <= 0.01 && 0.99 ** 458 > 0.01);
  assert(0.95 ** 90 <= 0.01 && 0.95 ** 89 > 0.01);
  assertAlmostEquals(shareCaught(459), 0.01, 1e-4);
  assertAlmostEquals((1 - shareCaught(32)) ** 32, 0.01, 1e-9);
});
