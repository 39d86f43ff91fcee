import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Bitmap, readBitmap } from "../../cli/archive/bitmap.ts";
import type { ByteSource } from "../../cli/archive/bytes.ts";
import { FormatError } from "../../cli/errors.ts";

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
  assertEquals(bitmap.toBytes(), EXAMPLE);
  const read = await readBitmap(source(EXAMPLE));
  assertEquals(Array.from({ length: 13 }, (_, i) => read.get(i)).flatMap((bit, i) => bit ? [i] : []), [
    0,
    3,
    12,
  ]);
  assertEquals(read.count(), 3);
});

Deno.test("readBitmap() refuses every cut, every surplus byte, set padding and no bits", async () => {
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
  const huge = new TextEncoder().encode("99999999999\0");
  await assertRejects(() => readBitmap(source(huge)), FormatError, "number of bits");
});

Deno.test("a long bitmap keeps its bits", async () => {
  const bitmap = new Bitmap(100_001);
  for (let block = 0; block < 100_001; block += 7) bitmap.set(block);
  const read = await readBitmap(source(bitmap.toBytes()));
  for (let block = 0; block < 100_001; block++) assertEquals(read.get(block), block % 7 === 0);
});

Deno.test("next() finds runs", () => {
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

Deno.test("Bitmap refuses more bits than it may hold", () => {
  assertThrows(() => new Bitmap(2 ** 31), RangeError);
});
