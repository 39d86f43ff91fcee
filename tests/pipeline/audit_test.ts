import { assert, assertEquals, assertRejects } from "@std/assert";
import { Core } from "../../cli/core.ts";
import type { Extent } from "../../cli/disks/disk.ts";
import { FormatError } from "../../cli/errors.ts";
import { auditSample } from "../../cli/pipeline/audit.ts";
import { dumpFull } from "../../cli/pipeline/dump.ts";
import { drawSample, SeededRandom } from "../../cli/pipeline/sample.ts";
import { noise } from "../disks/helpers.ts";
import { bitmapOf } from "./bitmaps.ts";
import { drawDigest, drawDisk, headerOf, openDigest } from "./drawn_archives.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryFile } from "./memory_file.ts";

Deno.test("auditSample() reads the blocks of the sample and no other", async () => {
  const { disk, result } = await audited("ab.def", "ab.def", [0, 2, 3, 5]);
  assertEquals(result, { sampledBlocks: 4, differingBlocks: 0 });
  assertEquals(disk.reads, [{ start: 0, end: 512 }, { start: 1024, end: 2048 }, { start: 2560, end: 3072 }]);
});

Deno.test("auditSample() counts what differs and names the first", async () => {
  const { result } = await audited("ab.def", "aX.dYZ", [0, 2, 3, 4, 5]);
  assertEquals(result, { sampledBlocks: 5, differingBlocks: 2, firstDifferingBlock: 4 });
});

Deno.test("auditSample() finds a zero block that is data now, and data that is a zero block now", async () => {
  assertEquals((await audited("a.c", "aXc", [1])).result.firstDifferingBlock, 1);
  assertEquals((await audited("a.c", "a..", [1, 2])).result.firstDifferingBlock, 2);
});

Deno.test("auditSample() believes a hole where the digest says zero, and no other", async () => {
  const extents = [{ endBytes: 512, zero: false }, { endBytes: 3 * 512, zero: true }];
  const { disk, result } = await audited("a.c", "a..", [1, 2], { extents });
  assertEquals(result, { sampledBlocks: 2, differingBlocks: 1, firstDifferingBlock: 2 });
  assertEquals(disk.reads, []);
});

Deno.test("auditSample() fills up the last block as a dump does", async () => {
  const core = await Core.load();
  const bytes = noise(2 * 512 + 5, 3);
  const disk = new MemoryDisk(bytes);
  const digest = new MemoryFile("digest");
  const header = headerOf("abc", { capacityBytes: bytes.length });
  await dumpFull(core, {
    disk,
    header,
    dumpOut: await new MemoryFile("dump").sink(),
    digestOut: await digest.sink(),
  });
  const digestIn = await openDigest(core, digest);
  const result = await auditSample(core, { disk, digestIn, sample: bitmapOf(3, (block) => block === 2) });
  assertEquals(result, { sampledBlocks: 1, differingBlocks: 0 });
});

Deno.test("auditSample() refuses a digest that is not whole", async () => {
  const digest = drawDigest("abc").bytes;
  for (const bytes of [digest.subarray(0, -1), Uint8Array.of(...digest, 0x30)]) {
    await assertRejects(() => audited("abc", "abc", [0], { digest: bytes }), FormatError);
  }
});

const BLOCKS = 100_000;
const HIDDEN = 100;
const RUNS = 100;

Deno.test("a bitmap that hides 100 of 100 000 blocks is caught by a sample of 5 % in 99 of 100 runs", async () => {
  const core = await Core.load();
  const header = headerOf("", { blockCount: BLOCKS });
  const disk = new MemoryDisk(numberedBlocks());
  const digest = new MemoryFile("digest");
  await dumpFull(core, {
    disk,
    header,
    dumpOut: await new MemoryFile("dump").sink(),
    digestOut: await digest.sink(),
  });
  let caught = 0;
  for (let run = 0; run < RUNS; run++) {
    const random = await SeededRandom.of(`run ${run}`);
    // Others that changed as well are named, as in a bitmap that is wrong only in part.
    const named = bitmapOf(BLOCKS, (block) => block % 1000 === run);
    const hidden = new Set<number>();
    while (hidden.size < HIDDEN) {
      const block = random.below(BLOCKS);
      if (!named.get(block)) hidden.add(block);
    }
    for (const block of hidden) disk.bytes[block * 512 + 511] ^= 1;
    const sampleBlocks = Math.ceil((BLOCKS - named.count()) * 0.05);
    const sample = await drawSample(named, { sampleBlocks, random });
    await using scope = core.scope();
    const digestIn = await openDigest(scope, digest);
    const result = await auditSample(core, { disk, digestIn, sample });
    const sampled = [...hidden].filter((block) => sample.get(block));
    assertEquals(result, {
      sampledBlocks: sampleBlocks,
      differingBlocks: sampled.length,
      ...(sampled.length === 0 ? {} : { firstDifferingBlock: Math.min(...sampled) }),
    }, `run ${run}`);
    if (sampled.length > 0) caught++;
    for (const block of hidden) disk.bytes[block * 512 + 511] ^= 1;
  }
  console.log(`caught in ${caught} of ${RUNS} runs`);
  assert(caught >= 99, `caught in ${caught} of ${RUNS} runs`);
});

/** A disk of which every block holds its number, and every tenth is zero. */
function numberedBlocks(): Uint8Array {
  const bytes = new Uint8Array(BLOCKS * 512);
  const words = new Uint32Array(bytes.buffer);
  for (let block = 0; block < BLOCKS; block++) if (block % 10 > 0) words[block * 128] = block;
  return bytes;
}

async function audited(
  older: string,
  newer: string,
  blocks: number[],
  { extents, digest = drawDigest(older).bytes }: { extents?: Extent[]; digest?: Uint8Array } = {},
) {
  const core = await Core.load();
  const disk = new MemoryDisk(drawDisk(newer), { extents });
  const digestIn = await openDigest(core, new MemoryFile("digest", [digest]));
  const sample = bitmapOf(newer.length, (block) => blocks.includes(block));
  return { disk, result: await auditSample(core, { disk, digestIn, sample }) };
}
