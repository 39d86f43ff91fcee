import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Core } from "../../cli/core.ts";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import {
  proveReadable,
  restore,
  type RestoreCounts,
  type RestoreOptions,
} from "../../cli/pipeline/restore.ts";
import { drawBlock, drawDisk, drawDump, drawRdiff, openChain } from "./drawn_archives.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryFile } from "./memory_file.ts";

const OLD_BYTE = 0xa5;

Deno.test("restore() writes data and zeros over what a disk held", async () => {
  const disk = oldDisk(5);
  const result = await restored(disk, [drawDump("ab..c")]);
  assertEquals(disk.bytes, drawDisk("ab..c"));
  assertEquals(result, { blocks: 5, writtenBlocks: 5, zeroBlocks: 2, absentBlocks: 0 });
});

Deno.test("restore() writes zeros, whatever lay in its memory before", async () => {
  const core = await Core.load();
  for (const drawn of ["abcd", "a..d"]) {
    const disk = oldDisk(4);
    await using scope = core.scope();
    await restore(scope, { chain: await openChain(scope, drawDump(drawn)), disk });
    assertEquals(disk.bytes, drawDisk(drawn));
  }
});

Deno.test("restore() joins neighbouring blocks of one kind in one write", async () => {
  const disk = oldDisk(6);
  await restored(disk, [drawDump("ab...c")]);
  const sectors = disk.writes.map(({ start, end }) => [start / 512, end / 512]);
  assertEquals(sectors, [[0, 2], [2, 5], [5, 6]]);
});

Deno.test("restore() writes no zero blocks to a fresh disk", async () => {
  const disk = new MemoryDisk(new Uint8Array(5 * 512), { fresh: true });
  const result = await restored(disk, [drawDump("a..b.")]);
  assertEquals(disk.bytes, drawDisk("a..b."));
  assertEquals(disk.writes.length, 2);
  assertEquals(result, { blocks: 5, writtenBlocks: 2, zeroBlocks: 3, absentBlocks: 0 });
});

Deno.test("restore() with omitZeroBlocks leaves what a disk held in place of zero blocks", async () => {
  const disk = oldDisk(4);
  const result = await restored(disk, [drawDump("a..b")], { omitZeroBlocks: true });
  assertEquals(disk.bytes, drawDisk("a__b", { fill: OLD_BYTE }));
  assertEquals(result, { blocks: 4, writtenBlocks: 2, zeroBlocks: 2, absentBlocks: 0 });
});

Deno.test("restore() of rdiffs alone writes their blocks, zero ones too, and leaves the rest", async () => {
  const disk = oldDisk(5);
  const rdiffs = [drawRdiff("a_.__", { generation: 1 }), drawRdiff("b___c")];
  const result = await restored(disk, rdiffs);
  assertEquals(disk.bytes, drawDisk("b_._c", { fill: OLD_BYTE }));
  assertEquals(result, { blocks: 5, writtenBlocks: 3, zeroBlocks: 1, absentBlocks: 2 });
});

Deno.test("restore() of an rdiff without records writes nothing", async () => {
  const disk = oldDisk(2);
  await restored(disk, [drawRdiff("__")]);
  assertEquals(disk.writes, []);
});

Deno.test("restore() takes a stored block of zeros for a zero block", async () => {
  const disk = oldDisk(1);
  const header = drawDump("", { blockCount: 1 }).bytes;
  const record = new TextEncoder().encode(`0\x000\x00512\x00${"\x00".repeat(512)}`);
  const result = await restored(disk, [new MemoryFile("dump", [header, record])], { omitZeroBlocks: true });
  assertEquals(result.zeroBlocks, 1);
  assertEquals(disk.writes, []);
});

Deno.test("restore() to a larger disk leaves what lies behind", async () => {
  const disk = oldDisk(4);
  await restored(disk, [drawDump("a.")]);
  assertEquals(disk.bytes, drawDisk("a.__", { fill: OLD_BYTE }));
});

Deno.test("restore() refuses a smaller disk before it writes anything", async () => {
  const disk = oldDisk(2);
  const error = await assertRejects(() => restored(disk, [drawDump("abc")]), MismatchError);
  assertStringIncludes(error.message, "it has 1024 bytes, 1536 are needed");
  assertEquals(disk.writes, []);
});

Deno.test("restore() compares the exact capacity, not the padded one", async () => {
  const dump = drawDump("a.", { capacityBytes: 1000 });
  const disk = new MemoryDisk(new Uint8Array(1000).fill(OLD_BYTE));
  await restored(disk, [dump]);
  assertEquals(disk.bytes, drawDisk("a.").subarray(0, 1000));
  await assertRejects(() => restored(new MemoryDisk(new Uint8Array(999)), [dump]), MismatchError);
});

Deno.test("restore() writes no byte of the padding", async () => {
  for (const last of [paddedBlock(1), drawBlock(".")]) {
    const header = drawDump("", { blockCount: 2, capacityBytes: 513 }).bytes;
    const dump = new MemoryFile("dump", [header, recordOf(0, drawBlock("a")), recordOf(1, last)]);
    const disk = oldDisk(2);
    await restored(disk, [dump]);
    assertEquals(disk.bytes.subarray(0, 512), drawBlock("a"));
    assertEquals(disk.bytes[512], last[0]);
    assertEquals(disk.bytes.subarray(513), new Uint8Array(511).fill(OLD_BYTE));
  }
});

Deno.test("restore() refuses data behind the capacity, and proveReadable() finds them first", async () => {
  const dump = drawDump("ab", { capacityBytes: 1023 });
  const core = await Core.load();
  const proved = await assertRejects(
    async () => proveReadable(core, { chain: await openChain(core, dump) }),
    FormatError,
  );
  assertStringIncludes(proved.message, "zeros behind the capacity of 1023 bytes in block 1");
  await assertRejects(() => restored(oldDisk(2), [dump]), FormatError);
});

Deno.test("proveReadable() finds an archive that is not whole", async () => {
  const cut = drawDump("ab", { blockCount: 3 });
  const core = await Core.load();
  await assertRejects(async () => proveReadable(core, { chain: await openChain(core, cut) }), FormatError);
});

Deno.test("restore() syncs the disk after the last write", async () => {
  const disk = oldDisk(2);
  await restored(disk, [drawDump("ab")]);
  assertEquals(disk.synced, true);
});

/** A disk full of something else. */
function oldDisk(blocks: number): MemoryDisk {
  return new MemoryDisk(new Uint8Array(blocks * 512).fill(OLD_BYTE));
}

function paddedBlock(dataBytes: number): Uint8Array {
  const block = new Uint8Array(512);
  block.set(drawBlock("b").subarray(0, dataBytes));
  return block;
}

function recordOf(block: number, content: Uint8Array): Uint8Array {
  const zero = content.every((byte) => byte === 0);
  const tokens = new TextEncoder().encode(`${block}\0${zero ? "1" : `0\0${content.length}`}\0`);
  return zero ? tokens : new MemoryFile("record", [tokens, content]).bytes;
}

async function restored(
  disk: MemoryDisk,
  archives: MemoryFile[],
  options: RestoreOptions = {},
): Promise<RestoreCounts> {
  const core = await Core.load();
  return await restore(core, { chain: await openChain(core, ...archives), disk }, options);
}
