import { assertEquals, assertRejects } from "@std/assert";
import { PieceTable } from "../../cli/archive/piece_table.ts";
import { PlainSource } from "../../cli/archive/plain_source.ts";
import { PlainSink } from "../../cli/archive/plain_sink.ts";
import {
  checkSeekTable,
  ListedFrames,
  MAX_INDEXED_FRAMES,
  writeSeekTable,
} from "../../cli/archive/zstd_seek_table.ts";
import { FormatError } from "../../cli/errors.ts";
import { Random } from "../../scripts/disk_image.ts";
import { ODD_SIZES, StoredStream, streamOf } from "./files.ts";
import { readSeekTable } from "./zstd_layout.ts";

const SEED = 9;

function drawFrames(count: number) {
  const random = new Random(SEED);
  return Array.from({ length: count }, () => ({
    storedBytes: 10 + random.below(5000),
    contentBytes: random.below(100_000),
  }));
}

async function indexOf(frames: ReturnType<typeof drawFrames>): Promise<Uint8Array<ArrayBuffer>> {
  const table = new PieceTable();
  for (const frame of frames) table.add(frame);
  const file = new StoredStream();
  await writeSeekTable(table, new PlainSink("a.zst", file));
  return file.bytes;
}

async function check(
  index: Uint8Array,
  frames: readonly { storedBytes: number; contentBytes?: number }[],
): Promise<number> {
  const listed = new ListedFrames();
  for (const frame of frames) listed.add(frame);
  using file = new PlainSource("a.zst", streamOf(index, { atOnce: ODD_SIZES }));
  await checkSeekTable(file, listed);
  return file.offsetBytes;
}

Deno.test("writeSeekTable() lists frames in the seekable format, and checkSeekTable() accepts the list", async () => {
  for (const count of [0, 1, 2, 511, 512, 513, 2000]) {
    const frames = drawFrames(count);
    const index = await indexOf(frames);
    assertEquals(readSeekTable(index).frames, frames);
    assertEquals(await check(index, frames), index.length, `${count} frames`);
  }
});

Deno.test("checkSeekTable() refuses an index with any one bit changed", async () => {
  const frames = drawFrames(5);
  const index = await indexOf(frames);
  // The magic number and the length are not changed, because that makes another frame of it or cuts it.
  for (let bit = 8 * 8; bit < index.length * 8; bit++) {
    const changed = index.slice();
    changed[bit >> 3] ^= 1 << (bit & 7);
    await assertRejects(() => check(changed, frames), FormatError, "an index of other frames", `bit ${bit}`);
  }
});

Deno.test("checkSeekTable() refuses an index of more than four mebibytes that lists other frames", async () => {
  const count = 600_000;
  const frames = drawFrames(count);
  const index = await indexOf(frames);
  assertEquals(await check(index, frames), index.length);
  for (const at of [0, 1, count / 2, count - 1]) {
    const others = frames.with(at, { ...frames[at], contentBytes: frames[at].contentBytes + 1 });
    await assertRejects(() => check(index, others), FormatError, "an index of other frames", `frame ${at}`);
  }
  await assertRejects(() => check(index, frames.slice(1)), FormatError, "an index of other frames");
  const swapped = frames.with(7, frames[8]).with(8, frames[7]);
  await assertRejects(() => check(index, swapped), FormatError, "an index of other frames");
});

Deno.test("checkSeekTable() compares content sizes only if all are known, and stored lengths always", async () => {
  const frames = drawFrames(9);
  const index = await indexOf(frames);
  const unknown = frames.map(({ storedBytes }, i) => i === 4 ? { storedBytes } : frames[i]);
  assertEquals(await check(index, unknown), index.length);
  const others = unknown.with(2, { storedBytes: 1 });
  await assertRejects(() => check(index, others), FormatError, "an index of other frames");
});

Deno.test("checkSeekTable() refuses an index of a frame whose length does not fit into an entry", async () => {
  const frames = drawFrames(3);
  const index = await indexOf(frames);
  const long = frames.with(1, { ...frames[1], storedBytes: frames[1].storedBytes + 2 ** 32 });
  await assertRejects(() => check(index, long), FormatError, "an index of other frames");
});

Deno.test("writeSeekTable() writes no index of more frames than the reader of zstd accepts", async () => {
  const table = new PieceTable();
  const file = new StoredStream();
  table.count = MAX_INDEXED_FRAMES + 1;
  await writeSeekTable(table, new PlainSink("a.zst", file));
  assertEquals(file.bytes.length, 0);
});
