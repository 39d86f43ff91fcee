import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Bitmap, readBitmap } from "../../cli/archive/bitmap.ts";
import { BitmapPages, PAGE_BYTES } from "../../cli/archive/bitmap_pages.ts";
import type { ByteSource } from "../../cli/archive/bytes.ts";
import { FormatError } from "../../cli/errors.ts";
import { Random } from "../../scripts/disk_image.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { bitmapOf, bytesOf } from "../pipeline/bitmaps.ts";
import { MemoryScratch } from "../support/memory_scratch.ts";

function source(bytes: Uint8Array): Pick<ByteSource, "path" | "read"> {
  let offsetBytes = 0;
  return {
    path: "a.bmp",
    read(into) {
      const part = bytes.subarray(offsetBytes, offsetBytes + into.length);
      into.set(part);
      offsetBytes += part.length;
      return part.length;
    },
  };
}

const EXAMPLE = Uint8Array.of(0x31, 0x33, 0x00, 0x90, 0x08);

Deno.test("a bitmap of 13 bits with blocks 0, 3 and 12 is the five bytes of the format's example", async () => {
  const bitmap = new Bitmap(13);
  for (const block of [0, 3, 12]) bitmap.set(block);
  assertEquals(await bytesOf(bitmap), EXAMPLE);
  const read = await readBitmap(source(EXAMPLE));
  assertEquals(Array.from({ length: 13 }, (_, i) => read.get(i)).flatMap((bit, i) => bit ? [i] : []), [
    0,
    3,
    12,
  ]);
  assertEquals(read.count(), 3);
});

Deno.test("readBitmap() refuses every cut, every additional byte, set padding, and a count of 0", async () => {
  for (let length = 0; length < EXAMPLE.length; length++) {
    await assertRejects(
      () => readBitmap(source(EXAMPLE.subarray(0, length))),
      FormatError,
      undefined,
      `${length}`,
    );
  }
  await assertRejects(() => readBitmap(source(Uint8Array.of(...EXAMPLE, 0))), FormatError, "end of the file");
  for (const padding of [1, 2, 4]) {
    const bytes = EXAMPLE.slice();
    bytes[4] |= padding;
    await assertRejects(() => readBitmap(source(bytes)), FormatError, "padding");
  }
  await assertRejects(() => readBitmap(source(Uint8Array.of(0x30, 0))), FormatError, "number of bits");
  const huge = new TextEncoder().encode("9999999999999\0");
  await assertRejects(() => readBitmap(source(huge)), FormatError, "number of bits");
});

Deno.test("a long bitmap is read as it was written", async () => {
  const bitmap = new Bitmap(100_001);
  for (let block = 0; block < 100_001; block += 7) bitmap.set(block);
  const read = await readBitmap(source(await bytesOf(bitmap)));
  for (let block = 0; block < 100_001; block++) assertEquals(read.get(block), block % 7 === 0);
});

Deno.test("next() finds the begin and the end of runs", () => {
  const bitmap = new Bitmap(40);
  for (const block of [3, 4, ...Array.from({ length: 16 }, (_, i) => 8 + i), 39]) bitmap.set(block);
  const runs: number[][] = [];
  for (let block = bitmap.next(0, 40, true); block < 40;) {
    const end = bitmap.next(block, 40, false);
    runs.push([block, end]);
    block = bitmap.next(end, 40, true);
  }
  assertEquals(runs, [[3, 5], [8, 24], [39, 40]]);
  assertEquals(bitmap.next(9, 20, false), 20);
  assertEquals(bitmap.next(25, 39, true), 39);
});

Deno.test("Bitmap refuses more bits than it can hold", () => {
  assertThrows(() => new Bitmap(2 ** 41), RangeError);
});

/** The number of bits of a page. */
const PAGE = PAGE_BYTES * 8;
const SEED = 11;

Deno.test("Bitmap behaves as a list of bits with any number of pages in memory", async () => {
  const bitCount = 5 * PAGE + 12_345;
  const random = new Random(SEED);
  const scratch = new MemoryScratch();
  const pages = new BitmapPages({ scratch: () => scratch, pagesInMemory: 2 });
  const bitmaps = [new Bitmap(bitCount, pages), new Bitmap(bitCount, pages)];
  const lists = bitmaps.map(() => new Uint8Array(bitCount));
  for (let step = 0; step < 3000; step++) {
    const which = random.below(2);
    const [bitmap, list] = [bitmaps[which], lists[which]];
    const block = random.below(bitCount);
    const hint = `seed ${SEED}, step ${step}`;
    switch (random.below(5)) {
      case 0:
        bitmap.set(block);
        list[block] = 1;
        break;
      case 1:
        bitmap.clear(block);
        list[block] = 0;
        break;
      case 2: {
        const end = Math.min(bitCount, block + random.below(step % 50 === 0 ? 2 * PAGE : 2000));
        bitmap.setRange(block, end);
        list.fill(1, block, end);
        break;
      }
      case 3:
        assertEquals(bitmap.get(block), list[block] === 1, hint);
        break;
      case 4: {
        const value = random.below(2);
        const end = block + random.below(bitCount - block + 1);
        const found = list.subarray(0, end).indexOf(value, block);
        assertEquals(bitmap.next(block, end, value === 1), found < 0 ? end : found, hint);
      }
    }
  }
  for (const [which, list] of lists.entries()) {
    const expected = bitmapOf(bitCount, (block) => list[block] === 1);
    assertEquals(bitmaps[which].count(), list.reduce((sum, bit) => sum + bit, 0), `seed ${SEED}`);
    const bytes = await bytesOf(bitmaps[which]);
    assertEqualBytes(bytes, await bytesOf(expected), `seed ${SEED}, bitmap ${which}`);
    const others = new BitmapPages({ scratch: () => new MemoryScratch(), pagesInMemory: 1 });
    const read = await readBitmap(source(bytes), others);
    assertEqualBytes(await bytesOf(read), bytes, `seed ${SEED}, bitmap ${which} read back`);
    assertEquals(read.count(), bitmaps[which].count());
  }
  assert(scratch.length > PAGE_BYTES, "no page was put away");
});

Deno.test("a page of a bitmap that becomes uniform takes no memory", () => {
  const scratch = new MemoryScratch();
  const bitmap = new Bitmap(40 * PAGE + 5, new BitmapPages({ scratch: () => scratch, pagesInMemory: 1 }));
  bitmap.setRange(3, bitmap.bitCount - 1);
  for (const block of [0, 1, 2, bitmap.bitCount - 1]) bitmap.set(block);
  assertEquals([...bitmap.runs()], [{ start: 0, end: bitmap.bitCount }]);
  for (let block = 0; block < 4 * PAGE; block++) bitmap.clear(block);
  assertEquals([...bitmap.runs()], [{ start: 4 * PAGE, end: bitmap.bitCount }]);
  assertEquals(bitmap.count(), 36 * PAGE + 5);
  // New pages use slots that were freed.
  assert(scratch.length <= 3 * PAGE_BYTES, `${scratch.length} bytes`);
});

Deno.test("Bitmap finds the bits of a disk of half a pebibyte in sectors at once", () => {
  const bitmap = new Bitmap(2 ** 40);
  for (const block of [0, 2 ** 31, 2 ** 32 + 7, 2 ** 40 - 1]) bitmap.set(block);
  assertEquals([...bitmap.runs()].map(({ start }) => start), [0, 2 ** 31, 2 ** 32 + 7, 2 ** 40 - 1]);
  bitmap.setRange(1, 2 ** 40);
  assertEquals(bitmap.count(), 2 ** 40);
  assertEquals(bitmap.next(0, 2 ** 40, false), 2 ** 40);
});
