import { assertEquals } from "@std/assert";
import { Core } from "../../cli/core.ts";
import type { Extent } from "../../cli/disks/disk.ts";
import { Batch } from "../../cli/pipeline/batch.ts";
import { readDisk } from "../../cli/pipeline/disk_reader.ts";
import { assertSameBytes, noise, seeded } from "../disks/helpers.ts";
import { drawDisk } from "./drawn_archives.ts";
import { MemoryDisk } from "./memory_disk.ts";

const BLOCK = 512;
const core = await Core.load();

Deno.test("readDisk() reads a run of data at once", async () => {
  const disk = new MemoryDisk(drawDisk("abcd"));
  assertEquals(await readAll(disk), { content: disk.bytes, blocksRead: 4, kinds: "xxxx" });
  assertEquals(disk.reads, [{ start: 0, end: 4 * BLOCK }]);
});

Deno.test("readDisk() never reads a hole", async () => {
  const disk = scripted("ab..c...", [[2, "data"], [4, "hole"], [5, "data"], [8, "hole"]]);
  assertEquals(await readAll(disk), { content: disk.bytes, blocksRead: 3, kinds: "xx..x..." });
  assertEquals(disk.reads, [{ start: 0, end: 2 * BLOCK }, { start: 4 * BLOCK, end: 5 * BLOCK }]);
});

Deno.test("readDisk() reads every block that data touch, from its first byte to its last", async () => {
  const disk = scripted(".abc...", [[1.5, "hole"], [3.25, "data"], [7, "hole"]]);
  assertEquals(await readAll(disk), { content: disk.bytes, blocksRead: 3, kinds: ".xxx..." });
  assertEquals(bounds(disk), [BLOCK, 4 * BLOCK]);
});

Deno.test("readDisk() reads a block whose data lie between two holes inside it", async () => {
  const disk = scripted("..a..", [[2.25, "hole"], [2.5, "data"], [5, "hole"]]);
  assertEquals((await readAll(disk)).kinds, "..x..");
  assertEquals(bounds(disk), [2 * BLOCK, 3 * BLOCK]);
});

Deno.test("readDisk() reads a block with a small hole in it", async () => {
  const disk = scripted("aaa", [[1.25, "data"], [1.75, "hole"], [3, "data"]]);
  assertEquals((await readAll(disk)).content, disk.bytes);
});

Deno.test("readDisk() passes over a hole of one block, and over one that is the whole disk", async () => {
  assertEquals((await readAll(scripted("a.b", [[1, "data"], [2, "hole"], [3, "data"]]))).kinds, "x.x");
  const empty = scripted("....", [[4, "hole"]]);
  assertEquals(await readAll(empty), { content: empty.bytes, blocksRead: 0, kinds: "...." });
  assertEquals(empty.reads, []);
});

Deno.test("readDisk() believes the data that lie behind stretches of one kind that follow each other", async () => {
  const disk = scripted("ab..cd", [[1, "data"], [2, "data"], [3, "hole"], [4, "hole"], [6, "data"]]);
  assertEquals(await readAll(disk), { content: disk.bytes, blocksRead: 4, kinds: "xx..xx" });
});

Deno.test("readDisk() fills the last block with zeros behind the capacity", async () => {
  const disk = new MemoryDisk(drawDisk("abc").subarray(0, 2 * BLOCK + 1));
  const { content, blocksRead } = await readAll(disk, { dirty: true });
  assertEquals(blocksRead, 3);
  assertEquals(content.subarray(0, disk.capacityBytes), disk.bytes);
  assertEquals(content.subarray(disk.capacityBytes), new Uint8Array(BLOCK - 1));
});

Deno.test("readDisk() passes over a last block that lies in a hole, though it is not whole", async () => {
  const bytes = drawDisk("a..").subarray(0, 2 * BLOCK + 100);
  const disk = new MemoryDisk(bytes, {
    extents: [{ endBytes: BLOCK, zero: false }, { endBytes: bytes.length, zero: true }],
  });
  assertEquals((await readAll(disk)).kinds, "x..");
});

Deno.test("readDisk() reads what it is asked for and leaves the rest of the batch", async () => {
  const disk = new MemoryDisk(drawDisk("abcdef"));
  using scope = core.scope();
  const batch = new Batch(scope, BLOCK);
  batch.start(1, 6);
  assertEquals(await readDisk(disk, batch, { start: 2, end: 4 }), 2);
  assertEquals(disk.reads, [{ start: 2 * BLOCK, end: 4 * BLOCK }]);
  assertEquals([...batch.table.subarray(0, 5)].map((entry) => entry === core.ABSENT), [
    true,
    false,
    false,
    true,
    true,
  ]);
  assertEquals(batch.slots(2, 4).slice(), drawDisk("cd"));
});

Deno.test("readDisk() gives the bytes of any disk, whatever its extents, and reads only blocks with data", async () => {
  for (let seed = 0; seed < 500; seed++) {
    const disk = randomDisk(seed);
    const { content, kinds, blocksRead } = await readAll(disk, { dirty: true });
    const padded = new Uint8Array(content.length);
    padded.set(disk.bytes);
    assertSameBytes(content, padded, `seed ${seed}`);
    assertEquals(kinds, kindsByExtents(disk), `seed ${seed}`);
    assertEquals(blocksRead, [...kinds].filter((kind) => kind === "x").length, `seed ${seed}`);
  }
});

/** A disk as drawn, with stretches that end at the given blocks. */
function scripted(blocks: string, script: [endBlock: number, kind: "data" | "hole"][]): MemoryDisk {
  const extents = script.map(([endBlock, kind]) => ({ endBytes: endBlock * BLOCK, zero: kind === "hole" }));
  return new MemoryDisk(withHoles(drawDisk(blocks), extents), { extents });
}

/** Stretches of alternating kind, some of a few bytes, some of many blocks; data with zeros among them. */
function randomDisk(seed: number): MemoryDisk {
  const random = seeded(seed);
  const capacityBytes = 1 + random(40 * BLOCK);
  const extents: Extent[] = [];
  let zero = random(2) === 0;
  for (let end = 0; end < capacityBytes; zero = !zero) {
    const step = random(3) === 0 ? BLOCK * (1 + random(5)) : 1 + random(random(2) === 0 ? BLOCK : 6 * BLOCK);
    end = Math.min(capacityBytes, end + step);
    extents.push({ endBytes: end, zero });
  }
  return new MemoryDisk(withHoles(noise(capacityBytes, seed), extents), { extents });
}

function withHoles(bytes: Uint8Array, extents: readonly Extent[]): Uint8Array {
  let start = 0;
  for (const { endBytes, zero } of extents) {
    if (zero) bytes.fill(0, start, endBytes);
    start = endBytes;
  }
  return bytes;
}

/** What a reader may do at best: `.` for a block that lies in a hole, `x` for one that data touch. */
function kindsByExtents(disk: MemoryDisk): string {
  let kinds = "";
  for (let start = 0; start < disk.capacityBytes; start += BLOCK) {
    const { endBytes, zero } = disk.extentAt(start);
    kinds += zero && endBytes >= Math.min(start + BLOCK, disk.capacityBytes) ? "." : "x";
  }
  return kinds;
}

async function readAll(disk: MemoryDisk, { dirty = false } = {}) {
  using scope = core.scope();
  const batch = new Batch(scope, BLOCK);
  const blockCount = Math.ceil(disk.capacityBytes / BLOCK);
  batch.start(0, blockCount);
  if (dirty) batch.slots(0, blockCount).fill(0xee);
  const blocksRead = await readDisk(disk, batch, { start: 0, end: blockCount });
  const content = new Uint8Array(blockCount * BLOCK);
  const kinds = [...batch.table.subarray(0, blockCount)].map((entry, block) => {
    if (entry === core.ZERO) return ".";
    content.set(core.bytes(entry, BLOCK), block * BLOCK);
    return "x";
  }).join("");
  return { content, blocksRead, kinds };
}

/** First and last byte of all reads. */
function bounds({ reads }: MemoryDisk): [number, number] {
  return [Math.min(...reads.map(({ start }) => start)), Math.max(...reads.map(({ end }) => end))];
}
