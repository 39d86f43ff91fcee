import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Bitmap } from "../../cli/archive/bitmap.ts";
import { Core } from "../../cli/core.ts";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import { compareDigests, compareDumps, markRecords, rdiffBetween } from "../../cli/pipeline/compare.ts";
import { drawDigest, drawDump, drawRdiff, openDigest, openDump } from "./drawn_archives.ts";
import { MemoryFile } from "./memory_file.ts";
import { bytesOf } from "./bitmaps.ts";

Deno.test("compareDumps() finds a dump the same as itself", async () => {
  assertEquals(await dumps(drawDump("a.bc"), drawDump("a.bc")), {
    same: true,
    blocks: 4,
    differentBlocks: 0,
    headerDifferences: [],
  });
});

Deno.test("compareDumps() counts the blocks that differ and names the first", async () => {
  const { same, differentBlocks, firstDifferentBlock } = await dumps(drawDump("ab.c.d"), drawDump("abXc.."));
  assertEquals({ same, differentBlocks, firstDifferentBlock }, {
    same: false,
    differentBlocks: 2,
    firstDifferentBlock: 2,
  });
});

Deno.test("compareDumps() takes a record that one rdiff lacks for a difference", async () => {
  assertEquals((await dumps(drawRdiff("a_.b"), drawRdiff("a_.b"))).same, true);
  assertEquals((await dumps(drawRdiff("a_.b"), drawRdiff("a__b"))).firstDifferentBlock, 2);
  assertEquals((await dumps(drawRdiff("a__b"), drawRdiff("a_cb"))).firstDifferentBlock, 2);
});

Deno.test("compareDumps() of other series, times and metadata reports them and finds the same", async () => {
  const other = drawDump("ab", {
    generation: 1,
    seriesId: new Uint8Array(16),
    adapterType: 1,
    metadata: new Map([["toolsVersion", "1"]]),
  });
  const { same, headerDifferences } = await dumps(drawDump("ab"), other);
  assertEquals(same, true);
  assertEquals(headerDifferences.map((line) => line.split(":")[0]), [
    "series",
    "time",
    "adapter type",
    "metadata",
  ]);
});

Deno.test("compareDumps() of disks of other sizes finds them different without a block", async () => {
  const others = [
    { dump: drawDump("abc"), says: "number of blocks: 2 against 3" },
    { dump: drawDump("ab", { blockBytes: 1024 }), says: "block size: 512 against 1024" },
    { dump: drawDump("a.", { capacityBytes: 900 }), says: "capacity in bytes: 1024 against 900" },
  ];
  for (const { dump, says } of others) {
    const { same, firstDifferentBlock, headerDifferences } = await dumps(drawDump("a."), dump);
    assertEquals({ same, firstDifferentBlock }, { same: false, firstDifferentBlock: undefined });
    assertStringIncludes(headerDifferences.join("; "), says);
  }
});

Deno.test("compareDumps() refuses a dump with an rdiff", async () => {
  await assertRejects(() => dumps(drawDump("a"), drawRdiff("a")), MismatchError);
});

Deno.test("compareDumps() does not take the beginning of a dump for the same", async () => {
  await assertRejects(() => dumps(drawDump("abc"), drawDump("ab", { blockCount: 3 })), FormatError);
  await assertRejects(() => dumps(drawDump("ab", { blockCount: 3 }), drawDump("abc")), FormatError);
});

Deno.test("compareDigests() tells what dumps tell", async () => {
  assertEquals(await digests(drawDigest("ab.c"), drawDigest("ab.c", { generation: 0 })), {
    same: true,
    blocks: 4,
    differentBlocks: 0,
    headerDifferences: [],
  });
  const { differentBlocks, firstDifferentBlock } = await digests(drawDigest("ab.c"), drawDigest("ab.."));
  assertEquals({ differentBlocks, firstDifferentBlock }, { differentBlocks: 1, firstDifferentBlock: 3 });
  assertEquals((await digests(drawDigest("ab"), drawDigest("abc"))).same, false);
});

Deno.test("compareDigests() reads digests of more blocks than it holds at once", async () => {
  const many = ".".repeat(80_000);
  assertEquals((await digests(drawDigest(many), drawDigest(many))).same, true);
  const result = await digests(drawDigest(many), drawDigest(`${many.slice(0, -1)}b`));
  assertEquals(result.firstDifferentBlock, many.length - 1);
});

Deno.test("rdiffBetween() writes the older blocks that differ, under the older header", async () => {
  const older = drawDump("ab.de.", { generation: 1 });
  const newer = drawDump("aXYd.Z", { generation: 2 });
  const { rdiff, result } = await between(older, newer);
  assertEquals(result, { blocks: 6, records: 4, zeroRecords: 2 });
  assertEquals(rdiff.bytes, drawRdiff("_b._e.", { generation: 1 }).bytes);
});

Deno.test("rdiffBetween() of equal dumps has no record", async () => {
  const { rdiff } = await between(drawDump("ab"), drawDump("ab", { generation: 1 }));
  assertEquals(rdiff.bytes, drawRdiff("__").bytes);
});

Deno.test("rdiffBetween() keeps the exact capacity", async () => {
  const size = { capacityBytes: 900 };
  const { rdiff } = await between(drawDump("a.", size), drawDump("b.", { ...size, generation: 1 }));
  assertEquals(rdiff.bytes, drawRdiff("a_", size).bytes);
});

Deno.test("rdiffBetween() refuses what are not an older and a newer dump of one series", async () => {
  const older = drawDump("ab");
  const newer = drawDump("ab", { generation: 1 });
  const pairs: [MemoryFile, MemoryFile][] = [
    [newer, older],
    [older, drawDump("ab")],
    [older, drawDump("ab", { generation: 1, seriesId: new Uint8Array(16) })],
    [older, drawDump("abc", { generation: 1 })],
    [older, drawRdiff("ab", { generation: 1 })],
    [drawRdiff("ab"), newer],
  ];
  for (const [a, b] of pairs) await assertRejects(() => between(a, b), MismatchError);
});

Deno.test("markRecords() sets the bits of the blocks that an rdiff has", async () => {
  const core = await Core.load();
  const bitmap = new Bitmap(10);
  await markRecords(core, await openDump(core, drawRdiff("a__.____b_")), bitmap);
  assertEquals(await bytesOf(bitmap), new Uint8Array([0x31, 0x30, 0, 0b1001_0000, 0b1000_0000]));
});

async function dumps(a: MemoryFile, b: MemoryFile) {
  const core = await Core.load();
  return await compareDumps(core, [await openDump(core, a), await openDump(core, b)]);
}

async function digests(a: MemoryFile, b: MemoryFile) {
  const core = await Core.load();
  return await compareDigests(core, [await openDigest(core, a), await openDigest(core, b)]);
}

async function between(olderFile: MemoryFile, newerFile: MemoryFile) {
  const core = await Core.load();
  const rdiff = new MemoryFile("rdiff");
  const [older, newer] = [await openDump(core, olderFile), await openDump(core, newerFile)];
  const result = await rdiffBetween(core, { older, newer, out: await rdiff.sink() });
  return { rdiff, result };
}
