/** Restores onto disks that say what they hold: only what differs is written, and holes stay. */

import { assert, assertEquals } from "@std/assert";
import { Core } from "../../cli/core.ts";
import type { Extent, WritableDisk } from "../../cli/disks/disk.ts";
import { FormatError } from "../../cli/errors.ts";
import { restore, type RestoreCounts, type RestoreOptions } from "../../cli/pipeline/restore.ts";
import { noise, seeded } from "../disks/helpers.ts";
import { drawDisk, drawDump, drawRdiff, openChain } from "./drawn_archives.ts";
import { MemoryDisk, type Range } from "./memory_disk.ts";
import { MemoryFile } from "./memory_file.ts";

/** A disk in memory with holes of whole pages, which tells what it holds. */
class HeldDisk extends MemoryDisk {
  readonly zeroed: Range[] = [];
  /** Whether each page is a hole. */
  readonly holes: boolean[];
  readonly #pageBytes: number;
  /** Makes a read fail. */
  failsToRead = false;

  constructor(
    bytes: Uint8Array,
    { pageBytes = 512, holes = true }: { pageBytes?: number; holes?: boolean } = {},
  ) {
    super(bytes);
    this.#pageBytes = pageBytes;
    const pages = Math.ceil(bytes.length / pageBytes);
    this.holes = Array.from(
      { length: pages },
      (_, page) => holes && this.#page(page).every((byte) => byte === 0),
    );
  }

  get held(): WritableDisk["held"] {
    return this;
  }

  #page(page: number): Uint8Array {
    return this.bytes.subarray(page * this.#pageBytes, (page + 1) * this.#pageBytes);
  }

  override extentAt(offsetBytes: number): Extent {
    const page = Math.floor(offsetBytes / this.#pageBytes);
    let end = page + 1;
    while (end < this.holes.length && this.holes[end] === this.holes[page]) end++;
    return { endBytes: Math.min(end * this.#pageBytes, this.capacityBytes), zero: this.holes[page] };
  }

  override read(into: Uint8Array, offsetBytes: number): void {
    if (this.failsToRead) throw new FormatError("Cannot read disk", { path: this.path });
    super.read(into, offsetBytes);
  }

  override write(from: Uint8Array, offsetBytes: number): void {
    super.write(from, offsetBytes);
    this.holes.fill(
      false,
      Math.floor(offsetBytes / this.#pageBytes),
      Math.ceil((offsetBytes + from.length) / this.#pageBytes),
    );
  }

  writeZeros(offsetBytes: number, lenBytes: number): void {
    const end = offsetBytes + lenBytes;
    assert(offsetBytes >= 0 && end <= this.capacityBytes);
    this.zeroed.push({ start: offsetBytes, end });
    this.bytes.fill(0, offsetBytes, end);
    this.holes.fill(true, Math.ceil(offsetBytes / this.#pageBytes), Math.floor(end / this.#pageBytes));
  }

  /** Bytes that were written. */
  get writtenBytes(): number {
    return this.writes.reduce((sum, { start, end }) => sum + end - start, 0);
  }
}

async function restored(
  disk: HeldDisk,
  archives: MemoryFile[],
  options: RestoreOptions = {},
): Promise<RestoreCounts> {
  const core = await Core.load();
  return await restore(core, { chain: await openChain(core, ...archives), disk }, options);
}

const sectors = (ranges: Range[]) => ranges.map(({ start, end }) => [start / 512, end / 512]);

Deno.test("restore() writes nothing to a disk that is as it should be", async () => {
  for (const drawn of ["ab..c", ".....", "abcde"]) {
    const disk = new HeldDisk(drawDisk(drawn));
    const result = await restored(disk, [drawDump(drawn)]);
    assertEquals([disk.writes, disk.zeroed], [[], []]);
    const zeroBlocks = drawn.split(".").length - 1;
    assertEquals(result, { blocks: 5, writtenBlocks: 0, unchangedBlocks: 5, zeroBlocks, absentBlocks: 0 });
  }
});

Deno.test("restore() writes the blocks that differ, and makes holes of those that become zero", async () => {
  const disk = new HeldDisk(drawDisk("abXXXd.e"));
  const result = await restored(disk, [drawDump("ab..cdfe")]);
  assertEquals(disk.bytes, drawDisk("ab..cdfe"));
  assertEquals(sectors(disk.writes), [[4, 5], [6, 7]]);
  assertEquals(sectors(disk.zeroed), [[2, 4]]);
  assertEquals(result, { blocks: 8, writtenBlocks: 4, unchangedBlocks: 4, zeroBlocks: 2, absentBlocks: 0 });
});

Deno.test("restore() leaves zeros that are stored as they are", async () => {
  const disk = new HeldDisk(drawDisk("a...b"), { holes: false });
  await restored(disk, [drawDump("a...c")]);
  assertEquals([sectors(disk.writes), disk.zeroed], [[[4, 5]], []]);
});

Deno.test("restore() writes zeros where the disk cannot make holes", async () => {
  const disk = new HeldDisk(drawDisk("abcd"));
  Object.defineProperty(disk, "writeZeros", { value: undefined });
  await restored(disk, [drawDump("a..d")]);
  assertEquals(disk.bytes, drawDisk("a..d"));
  assertEquals(sectors(disk.writes), [[1, 3]]);
});

Deno.test("restore() of rdiffs alone leaves blocks without a record, and unchanged ones", async () => {
  const disk = new HeldDisk(drawDisk("abcde"));
  const result = await restored(disk, [drawRdiff("aX.__")]);
  assertEquals(disk.bytes, drawDisk("aX.de"));
  assertEquals(result, { blocks: 5, writtenBlocks: 2, unchangedBlocks: 1, zeroBlocks: 1, absentBlocks: 2 });
});

Deno.test("restore() with omitZeroBlocks leaves what a disk held in place of zero blocks", async () => {
  const disk = new HeldDisk(drawDisk("abcd"));
  await restored(disk, [drawDump("a..X")], { omitZeroBlocks: true });
  assertEquals(disk.bytes, drawDisk("abcX"));
  assertEquals(disk.zeroed, []);
});

Deno.test("restore() writes all where the disk cannot be read", async () => {
  const disk = new HeldDisk(drawDisk("ab.d"));
  disk.failsToRead = true;
  const result = await restored(disk, [drawDump("a.Xd")]);
  assertEquals(disk.bytes, drawDisk("a.Xd"));
  assertEquals(result.writtenBlocks, 4);
});

Deno.test("restore() to a larger disk reads and writes nothing behind, also in the last block", async () => {
  const dump = dumpOf(drawDisk("ab").subarray(0, 1000), 512);
  for (const held of [drawDisk("XX__", { fill: 0xa5 }), drawDisk("ab__", { fill: 0xa5 })]) {
    const disk = new HeldDisk(held.slice());
    await restored(disk, [dump]);
    assertEquals(disk.bytes.subarray(0, 1000), drawDisk("ab").subarray(0, 1000));
    assertEquals(disk.bytes.subarray(1000), held.subarray(1000));
    assert([...disk.reads, ...disk.writes].every(({ end }) => end <= 1000));
  }
});

for (let seed = 1; seed <= 40; seed++) {
  Deno.test(`restore() of any block size writes pages that differ and no others, seed ${seed}`, async () => {
    const random = seeded(seed);
    const blockBytes = [512, 1024, 4096, 12288, 65536, 1 << 20, (1 << 20) + 512][random(7)];
    const page = blockBytes % 4096 === 0 ? 4096 : 512;
    const pages = 1 + random(Math.max(8, Math.ceil((3 << 20) / blockBytes) * blockBytes / page));
    const capacityBytes = pages * page - random(2) * random(page);
    const wanted = new Uint8Array(capacityBytes);
    const held = new Uint8Array(capacityBytes);
    const kinds = [0, 1 + random(10), 1 + random(10)];
    for (let at = 0; at < capacityBytes;) {
      const end = Math.min(capacityBytes, at + page * (1 + random(40)));
      const content = [new Uint8Array(end - at), noise(end - at, at + 1), noise(end - at, at + 2)];
      wanted.set(content[Math.min(2, random(kinds[1]))], at);
      held.set(content[Math.min(2, random(kinds[2]))], at);
      at = end;
    }
    const disk = new HeldDisk(held.slice(), { pageBytes: page, holes: random(4) > 0 });
    const holesBefore = disk.holes.slice();
    const result = await restored(disk, [dumpOf(wanted, blockBytes)]);
    const context = `seed ${seed}, ${capacityBytes} bytes in blocks of ${blockBytes}`;
    assert(disk.bytes.every((byte, i) => byte === wanted[i]), context);
    for (let p = 0; p < disk.holes.length; p++) {
      const [from, to] = [held, wanted].map((bytes) => bytes.subarray(p * page, (p + 1) * page));
      const differs = from.some((byte, i) => byte !== to[i]);
      const touches = disk.writes.filter(({ start, end }) => start < (p + 1) * page && end > p * page).length;
      assertEquals(touches, differs && touches > 0 ? 1 : 0, `${context}: page ${p}`);
      if (holesBefore[p] && !differs) assert(disk.holes[p], `${context}: page ${p} is no hole any more`);
    }
    assertEquals(result.writtenBlocks + result.unchangedBlocks!, result.blocks, context);
  });
}

/** A dump of these bytes. */
function dumpOf(bytes: Uint8Array, blockBytes: number): MemoryFile {
  const blockCount = Math.ceil(bytes.length / blockBytes);
  const { bytes: header } = drawDump("", { blockCount, blockBytes, capacityBytes: bytes.length });
  const records = Array.from({ length: blockCount }, (_, block) => {
    const content = new Uint8Array(blockBytes);
    content.set(bytes.subarray(block * blockBytes, (block + 1) * blockBytes));
    const isZero = content.every((byte) => byte === 0);
    const token = new TextEncoder().encode(`${block}\0${isZero ? "1" : `0\0${blockBytes}`}\0`);
    return isZero ? [token] : [token, content];
  });
  return new MemoryFile("dump", [header, ...records.flat()]);
}
