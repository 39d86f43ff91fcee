import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Bitmap } from "../../cli/archive/bitmap.ts";
import { Core } from "../../cli/core.ts";
import { FormatError, MismatchError } from "../../cli/errors.ts";
import { dumpChanged, dumpFull } from "../../cli/pipeline/dump.ts";
import {
  drawDigest,
  drawDisk,
  drawDump,
  type DrawOptions,
  drawRdiff,
  headerOf,
  openDigest,
  openDump,
} from "./drawn_archives.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryFile } from "./memory_file.ts";

Deno.test("dumpFull() writes the dump and the digest of a disk", async () => {
  const { dump, digest, result } = await full("ab..c");
  assertEquals(result, { blocks: 5, zeroBlocks: 2, blocksRead: 5 });
  assertEquals(dump.bytes, drawDump("ab..c").bytes);
  assertEquals(digest.bytes, drawDigest("ab..c").bytes);
});

Deno.test("dumpFull() pads the last block and keeps the exact capacity", async () => {
  const { dump, digest } = await full("ab.", { capacityBytes: 2 * 512 + 5 });
  assertEquals(dump.bytes, drawDump("ab.", { capacityBytes: 2 * 512 + 5 }).bytes);
  assertEquals(digest.bytes, drawDigest("ab.").bytes);
});

Deno.test("dumpChanged() writes the new generation and the way back", async () => {
  const { dump, digest, rdiff, result } = await changed("ab.de.", "aX.Y.z");
  assertEquals(result, {
    blocks: 6,
    zeroBlocks: 2,
    blocksRead: 6,
    changedBlocks: 4,
    changedFromZeroBlocks: 1,
  });
  assertEquals(dump.bytes, drawDump("aX.Y.z", { generation: 1 }).bytes);
  assertEquals(digest.bytes, drawDigest("aX.Y.z", { generation: 1 }).bytes);
  assertEquals(rdiff.bytes, drawRdiff("_b_de.").bytes);
});

Deno.test("dumpChanged() of a disk that did not change writes an rdiff without records", async () => {
  const { rdiff, result } = await changed("ab.", "ab.");
  assertEquals(result.changedBlocks, 0);
  assertEquals(rdiff.bytes, drawRdiff("___").bytes);
});

Deno.test("dumpChanged() with a bitmap reads the blocks that it names and no other", async () => {
  const { dump, rdiff, result, disk } = await changed("abcdef", "aXcdYf", { bits: [1, 2, 4] });
  assertEquals(disk.reads, [{ start: 512, end: 3 * 512 }, { start: 4 * 512, end: 5 * 512 }]);
  assertEquals(result, {
    blocks: 6,
    zeroBlocks: 0,
    blocksRead: 3,
    changedBlocks: 2,
    changedFromZeroBlocks: 0,
  });
  assertEquals(dump.bytes, drawDump("aXcdYf", { generation: 1 }).bytes);
  assertEquals(rdiff.bytes, drawRdiff("_b__e_").bytes);
});

Deno.test("dumpChanged() with an empty bitmap does not look at the disk", async () => {
  const { dump, disk } = await changed("abc", "XYZ", { bits: [] });
  assertEquals(disk.reads, []);
  assertEquals(dump.bytes, drawDump("abc", { generation: 1 }).bytes);
});

const REFUSED: Record<string, { previous: Partial<Previous>; because: string }> = {
  "an rdiff as the previous dump": {
    previous: { dumpIn: drawRdiff("abc") },
    because: "it is an rdiff, a dump is needed",
  },
  "the digest of another generation": {
    previous: { digestIn: drawDigest("abc", { generation: 7 }) },
    because: "are of different generations",
  },
  "the digest of another series": {
    previous: { digestIn: drawDigest("abc", { seriesId: new Uint8Array(16) }) },
    because: "series",
  },
  "a dump that its digest contradicts": {
    previous: { digestIn: drawDigest("aXc") },
    because: "block 1 does not have the MD5",
  },
  "a dump of a disk of another size": {
    previous: { dumpIn: drawDump("abcd"), digestIn: drawDigest("abcd") },
    because: "the disk has 1536 bytes, the dump 2048",
  },
  "a dump of a disk of another size in as many blocks": {
    previous: { dumpIn: drawDump("ab.", { capacityBytes: 1100 }), digestIn: drawDigest("ab.") },
    because: "the disk has 1536 bytes, the dump 1100",
  },
  "a bitmap of another size": {
    previous: { bitmap: new Bitmap(4) },
    because: "it has 4 bits, the disk 3 blocks",
  },
};

for (const [what, { previous, because }] of Object.entries(REFUSED)) {
  Deno.test(`dumpChanged() refuses ${what}`, async () => {
    const error = await assertRejects(() => changed("abc", "abX", previous), MismatchError);
    assertStringIncludes(error.message, because);
  });
}

Deno.test("dumpChanged() refuses a previous dump or digest that is not whole", async () => {
  const digest = drawDigest("abc").bytes;
  const dump = drawDump("abc").bytes;
  const previous = [
    { dumpIn: drawDump("ab", { blockCount: 3 }) },
    { dumpIn: new MemoryFile("longer", [dump, dump]) },
    { digestIn: new MemoryFile("shorter", [digest.subarray(0, -21)]) },
    { digestIn: new MemoryFile("longer", [digest, digest]) },
  ];
  for (const files of previous) await assertRejects(() => changed("abc", "abX", files), FormatError);
});

interface Previous {
  dumpIn: MemoryFile;
  digestIn: MemoryFile;
  bitmap: Bitmap;
}

async function full(blocks: string, options: DrawOptions = {}) {
  const header = headerOf(blocks, options);
  const disk = new MemoryDisk(drawDisk(blocks).subarray(0, header.capacityBytes));
  const [dump, digest] = [new MemoryFile("dump"), new MemoryFile("digest")];
  const result = await dumpFull(await Core.load(), {
    disk,
    header,
    dumpOut: await dump.sink(),
    digestOut: await digest.sink(),
  });
  return { dump, digest, result };
}

async function changed(
  older: string,
  newer: string,
  {
    dumpIn = drawDump(older),
    digestIn = drawDigest(older),
    bits,
    bitmap = bits && bitmapOf(newer.length, bits),
  }: Partial<Previous> & { bits?: number[] } = {},
) {
  const core = await Core.load();
  const disk = new MemoryDisk(drawDisk(newer));
  const [dump, digest, rdiff] = [new MemoryFile("dump"), new MemoryFile("digest"), new MemoryFile("rdiff")];
  const result = await dumpChanged(core, {
    disk,
    header: headerOf(newer, { generation: 1 }),
    dumpIn: await openDump(core, dumpIn),
    digestIn: await openDigest(core, digestIn),
    changedBlocks: bitmap,
    dumpOut: await dump.sink(),
    digestOut: await digest.sink(),
    rdiffOut: await rdiff.sink(),
  });
  return { dump, digest, rdiff, result, disk };
}

function bitmapOf(bitCount: number, bits: number[]): Bitmap {
  const bitmap = new Bitmap(bitCount);
  for (const bit of bits) bitmap.set(bit);
  return bitmap;
}
