import { assert, assertEquals, assertRejects } from "@std/assert";
import { FormatError } from "../../cli/errors.ts";
import { HERE } from "../../cli/archive/codecs.ts";
import { PIECE_MAX_BYTES } from "../../cli/archive/piece.ts";
import { PlainSource } from "../../cli/archive/plain_source.ts";
import { PlainSink } from "../../cli/archive/plain_sink.ts";
import { hasNativeZstd } from "../../cli/archive/zlib_engine.ts";
import { ZstdSink, ZstdSource } from "../../cli/archive/zstd.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { concat, contentOf, readAll, sharedCopy, StoredStream, streamOf } from "./files.ts";
import { hasTool, runTool } from "./tools.ts";
import { type Frame, readSeekTable, walkFrames } from "./zstd_layout.ts";

const TEXT = new TextEncoder().encode("13\0" + "some block or other ".repeat(40_000));
const MIB = 1024 * 1024;

// Frames that are made here, of raw and RLE blocks only: descriptor, then the fields that it announces.
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const HELLO = [...new TextEncoder().encode("hello")];
/** The last block: raw, five bytes. */
const HELLO_BLOCK = [0x29, 0, 0, ...HELLO];
/** The low half of the XXH64 of "hello", from `zstd --check`. */
const HELLO_CHECKSUM = [0xa3, 0x6d, 0x9f, 0x88];
const SEEK_TABLE_MAGIC = [0x5e, 0x2a, 0x4d, 0x18];
const SEEKABLE_MAGIC = [0xb1, 0xea, 0x92, 0x8f];
const SKIPPABLE = [0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];

async function read(stored: Uint8Array): Promise<Uint8Array> {
  using source = new ZstdSource(new PlainSource("a.zst", streamOf(stored)));
  return await readAll(source, [MIB / 4]);
}

async function write(content: Uint8Array, level?: number): Promise<Uint8Array<ArrayBuffer>> {
  const file = new StoredStream();
  using sink = new ZstdSink(new PlainSink("a.zst", file), { level });
  await sink.write(content);
  await sink.finish();
  return file.bytes;
}

function frame(...bytes: number[]): Uint8Array {
  return Uint8Array.from([...MAGIC, ...bytes]);
}

async function assertRefused(stored: Uint8Array, message: string): Promise<void> {
  await assertRejects(() => read(stored), FormatError, message);
}

function sum(frames: readonly Frame[], key: keyof Frame): number {
  return frames.reduce((total, frame) => total + frame[key], 0);
}

const hasZstd = hasTool("zstd");

/** Compresses `content` from standard input, so that the frame has no content size. */
function zstd(args: string[], content: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return runTool(["zstd", "-q", "-c", ...args], content);
}

/** Returns the frames without the seek table after them. */
async function writeFrames(content: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const stored = await write(content);
  return stored.slice(0, readSeekTable(stored).startBytes);
}

/** The last frame of every file of this program: empty, with a content size of four bytes. */
const LAST_FRAME = frame(0xa4, 0, 0, 0, 0, 1, 0, 0, 0x99, 0xe9, 0xd8, 0x51);

Deno.test("ZstdSink writes frames with content size and checksum, and an empty last one", async () => {
  assertEquals(await writeFrames(new Uint8Array(0)), LAST_FRAME);
  // Another frame follows: a dictionary field of one byte, 0, between the descriptor and the content size.
  const hello = frame(0xa5, 0, 5, 0, 0, 0, ...HELLO_BLOCK, ...HELLO_CHECKSUM);
  assertEquals(await writeFrames(Uint8Array.from(HELLO)), concat(hello, LAST_FRAME));
});

Deno.test("ZstdSink ends with the seek table that is drawn in zstd.ts", async () => {
  const stored = await write(Uint8Array.from(HELLO));
  const entries = [22, 0, 0, 0, 5, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0];
  const table = [...entries, 2, 0, 0, 0, 0, ...SEEKABLE_MAGIC];
  assertEquals([...stored.subarray(22 + 16)], [...SEEK_TABLE_MAGIC, table.length, 0, 0, 0, ...table]);
});

for (const size of [0, 1, 300, MIB, PIECE_MAX_BYTES, PIECE_MAX_BYTES + 1, 2 * PIECE_MAX_BYTES + 70_000]) {
  Deno.test(`ZstdSink names in its seek table every frame of a write of ${size} bytes`, async () => {
    const stored = await write(contentOf(size, size));
    const walked = walkFrames(stored);
    const { startBytes, frames } = readSeekTable(stored);
    assertEquals(frames, walked);
    assertEquals(sum(frames, "storedBytes"), startBytes);
    const lengths = Array(Math.floor(size / PIECE_MAX_BYTES)).fill(PIECE_MAX_BYTES);
    if (size % PIECE_MAX_BYTES > 0) lengths.push(size % PIECE_MAX_BYTES);
    assertEquals(frames.map(({ contentBytes }) => contentBytes), [...lengths, 0]);
  });
}

Deno.test("ZstdSink's seek table leads to frames that can be read alone", async () => {
  const content = contentOf(2 * PIECE_MAX_BYTES + 999, 12);
  const stored = await write(content);
  let [storedAt, contentAt] = [0, 0];
  for (const { storedBytes, contentBytes } of readSeekTable(stored).frames) {
    const alone = new Uint8Array(new SharedArrayBuffer(contentBytes));
    await HERE.unzstd({ stored: sharedCopy(stored.subarray(storedAt, storedAt + storedBytes)), into: alone });
    assertEqualBytes(alone, content.subarray(contentAt, contentAt + contentBytes), `frame at ${contentAt}`);
    storedAt += storedBytes;
    contentAt += contentBytes;
  }
});

Deno.test("ZstdSource refuses a file of this program that is cut between two frames", async () => {
  const stored = await write(contentOf(2 * PIECE_MAX_BYTES + 999, 12));
  let at = 0;
  for (const { storedBytes } of readSeekTable(stored).frames.slice(0, -1)) {
    at += storedBytes;
    await assertRefused(
      stored.subarray(0, at),
      `at byte ${at} another zstd frame is expected, the end of the file is found`,
    );
  }
});

Deno.test("ZstdSink accepts the levels of zstd and refuses others", async () => {
  const lengths: number[] = [];
  const noisy = Uint8Array.from({ length: 400_000 }, (_, i) => (i % 1000) * (i >> 9) >> 7);
  for (const level of [1, 3, 19]) {
    const stored = await write(noisy, level);
    assertEqualBytes(await read(stored), noisy, `level ${level}`);
    lengths.push(stored.length);
  }
  assert(lengths[0] > lengths[2], `${lengths}`);
});

Deno.test("ZstdSource reads frames with every form of header", async () => {
  const forms = {
    "single segment": frame(0x20, 5, ...HELLO_BLOCK),
    "unused bit": frame(0x30, 5, ...HELLO_BLOCK),
    "checksum": frame(0x24, 5, ...HELLO_BLOCK, ...HELLO_CHECKSUM),
    "no content size": frame(0, 0, ...HELLO_BLOCK),
    "no content size, checksum": frame(4, 0, ...HELLO_BLOCK, ...HELLO_CHECKSUM),
    "four bytes of content size": frame(0x80, 0, 5, 0, 0, 0, ...HELLO_BLOCK),
    "eight bytes of content size": frame(0xe0, 5, 0, 0, 0, 0, 0, 0, 0, ...HELLO_BLOCK),
    "dictionary 0": frame(0x21, 0, 5, ...HELLO_BLOCK),
    "several blocks": frame(
      0,
      0,
      0x10,
      0,
      0,
      ...HELLO.slice(0, 2),
      0,
      0,
      0,
      0x12,
      0,
      0,
      0x6c,
      0x09,
      0,
      0,
      0x6f,
    ),
  };
  for (const [form, stored] of Object.entries(forms)) assertEquals([...await read(stored)], HELLO, form);
  const long = new Uint8Array(300).fill(0x61);
  assertEquals(await read(frame(0x60, 300 - 256, 0, 0x63, 9, 0, 0x61)), long, "two bytes of content size");
  assertEquals(await read(frame(0, 0, 0x63, 9, 0, 0x61)), long, "RLE without content size");
});

Deno.test("ZstdSource skips skippable frames", async () => {
  const skippable = Uint8Array.from(SKIPPABLE);
  const hello = await write(Uint8Array.from(HELLO));
  assertEquals([...await read(concat(skippable, hello, skippable, skippable, hello, skippable))], [
    ...HELLO,
    ...HELLO,
  ]);
  for (let len = 1; len < skippable.length; len++) {
    await assertRefused(concat(hello, skippable.subarray(0, len)), "is found");
  }
  await assertRefused(skippable, "at byte 11 a zstd frame is expected, the end of the file is found");
});

Deno.test("ZstdSource reads indexes of other programs that list frames without content size", async () => {
  const unsized = frame(0, 0, ...HELLO_BLOCK);
  const entry = [unsized.length, 0, 0, 0, HELLO.length, 0, 0, 0];
  const index = [...entry, 1, 0, 0, 0, 0, ...SEEKABLE_MAGIC];
  const stored = concat(unsized, Uint8Array.from([...SEEK_TABLE_MAGIC, index.length, 0, 0, 0, ...index]));
  assertEquals([...await read(stored)], HELLO);
  const withChecksums = [...entry, ...HELLO_CHECKSUM, 1, 0, 0, 0, 0x80, ...SEEKABLE_MAGIC];
  const checked = Uint8Array.from([...SEEK_TABLE_MAGIC, withChecksums.length, 0, 0, 0, ...withChecksums]);
  assertEquals([...await read(concat(unsized, checked))], HELLO);
});

Deno.test("ZstdSource refuses an index that does not list exactly the frames in front of it", async () => {
  const stored = await write(Uint8Array.from(HELLO));
  const { startBytes } = readSeekTable(stored);
  for (let at = startBytes + 8; at < stored.length; at++) {
    const changed = stored.with(at, stored[at] ^ 1);
    await assertRefused(changed, `at byte ${startBytes} an intact zstd frame is expected, damage (an index`);
  }
});

Deno.test("ZstdSource refuses headers and blocks that it cannot read", async () => {
  const refused = {
    "reserved bit": frame(0x28, 5, ...HELLO_BLOCK),
    "one for dictionary 7 ": frame(0x21, 7, 5, ...HELLO_BLOCK),
    "one for dictionary 262 ": frame(0x22, 6, 1, 5, ...HELLO_BLOCK),
    "the reserved type": frame(0x20, 5, 0x2f, 0, 0, ...HELLO),
    "at byte 6 a block within the window": frame(0, 0, 0x03, 0x21, 0, 0),
    "one of 131073 bytes": frame(0, 0x70, 0x0b, 0, 0x10, 0),
    "content size below 2^53": frame(0xe0, 5, 0, 0, 0, 0, 0, 0x20, 0, ...HELLO_BLOCK),
    "a window of at most 67108864 bytes is expected, one of 134217728": frame(0, 0x88, ...HELLO_BLOCK),
    "a window of at most 67108864 bytes is expected, one of 4294967295": frame(
      0xa0,
      255,
      255,
      255,
      255,
      ...HELLO_BLOCK,
    ),
    "damage (": frame(0xc0, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0x21, 0, 0, ...HELLO.slice(1)),
  };
  for (const [message, stored] of Object.entries(refused)) await assertRefused(stored, message);
  await assertRefused(frame(0x20, 6, ...HELLO_BLOCK), "damage (");
  await assertRefused(frame(0x20, 4, ...HELLO_BLOCK), "found");
});

/**
 * A frame without a checksum, in hexadecimal digits, that zstd(1) calls corrupt. It has more content than its
 * header says.
 */
const CORRUPT =
  "28b52ffda0280300001d0300f40375549786309606002f9ac5a94defc0337a59c88ab5941d125964290128d5c1eb9f5576" +
  "f82c0699a7c5ea8ae11d29ac03121af82c0675549786309699002f9a0c8010f0faff0e770379ea98fecc4a10e30969ea983867a37c0209ee" +
  "0b129c30b503";

// fzstd, which is used on a Deno without zstd, accepts them.
Deno.test({
  name: "ZstdSource refuses corrupt blocks in frames without a checksum",
  ignore: !hasNativeZstd(),
  fn: async () => {
    const corrupt = Uint8Array.from(CORRUPT.match(/../g)!, (byte) => parseInt(byte, 16));
    const withoutSize = frame(0, 0x50, ...corrupt.subarray(9));
    for (const stored of [corrupt, withoutSize]) await assertRefused(stored, "damage (");
  },
});

Deno.test("ZstdSource refuses Huffman weights of no bits, which fzstd would read in an endless loop", async () => {
  // A compressed block: literals header, length of the table, and a table in which the first or third symbol
  // has all of the probability.
  for (const table of [[5, 0xf0, 0x03, 0xff, 0xff, 0xff], [6, 0x10, 0xfa, 0x01, 0xff, 0xff, 0xff]]) {
    const block = [2, 0, 0, ...table];
    await assertRefused(frame(0, 0, (block.length << 3) | 5, 0, 0, ...block), "damage (");
  }
});

Deno.test("ZstdSource verifies checksums of frames with and without content size", async () => {
  const wrong = HELLO_CHECKSUM.with(3, 0);
  await assertRefused(
    frame(0x24, 5, ...HELLO_BLOCK, ...wrong),
    "at byte 0 an intact zstd frame is expected, damage (",
  );
  await assertRefused(frame(4, 0, ...HELLO_BLOCK, ...wrong), "damage (content of another checksum)");
});

Deno.test("ZstdSource refuses every cut of a file except the one that removes the whole seek table", async () => {
  const whole = frame(
    4,
    0,
    0x10,
    0,
    0,
    ...HELLO.slice(0, 2),
    0x19,
    0,
    0,
    ...HELLO.slice(2),
    ...HELLO_CHECKSUM,
  );
  const content = TEXT.subarray(0, 700);
  const own = await write(content);
  const { startBytes } = readSeekTable(own);
  for (const stored of [whole, own]) {
    for (let len = 0; len < stored.length; len++) {
      const cut = stored.subarray(0, len);
      if (stored === own && len === startBytes) assertEquals(await read(cut), content);
      else await assertRefused(cut, "is found");
    }
  }
});

Deno.test("ZstdSource refuses data after the last frame that is not a frame", async () => {
  for (const stored of [await write(TEXT), frame(0, 0, ...HELLO_BLOCK)]) {
    const message = `at byte ${stored.length} another zstd frame or the end of the file is expected, byte`;
    await assertRefused(concat(stored, new Uint8Array(1)), message);
    await assertRefused(concat(stored, new Uint8Array(70_000)), message);
    await assertRefused(concat(stored, TEXT), message);
  }
});

for (
  const args of [["-1"], ["-3", "--no-check"], ["-19"], ["-3", "-T2"], ["-1", "--long=26"], ["--fast=5"]]
) {
  Deno.test({
    name: `ZstdSource reads a stream by zstd ${args.join(" ")} (skipped without the tool)`,
    ignore: !hasZstd,
    fn: async () => {
      const stored = await zstd(args, TEXT);
      assertEqualBytes(await read(stored), TEXT, "one");
      assertEqualBytes(await read(concat(stored, stored)), concat(TEXT, TEXT), "two");
      await assertRefused(stored.subarray(0, -1), "the end of the file is found");
    },
  });
}

Deno.test({
  name: "ZstdSource reads frames of known size, short and long (skipped without zstd)",
  ignore: !hasZstd,
  fn: async () => {
    for (const len of [TEXT.length, 17 * MIB + 3]) {
      const content = new Uint8Array(len);
      for (let at = 0, turn = 0; at < len; at += 1 + (turn++ * 7919) % 30_011) content[at] = turn;
      const stored = await zstd(["-1", `--stream-size=${len}`], content);
      assertEqualBytes(await read(stored), content, `${len} bytes`);
    }
  },
});

Deno.test({
  name: "ZstdSource says that a window is too large (skipped without zstd)",
  ignore: !hasZstd,
  fn: async () => {
    await assertRefused(await zstd(["-1", "--long=27"], TEXT), "one of 134217728 is found");
  },
});

Deno.test({
  name: "ZstdSource refuses a stream with a changed byte, or reads the same content (skipped without zstd)",
  ignore: !hasZstd,
  fn: async () => {
    const content = Uint8Array.from({ length: 1200 }, (_, i) => (i * i) % 251 ^ (i >> 8));
    // The smallest window is used, because each of the many readers would allocate the usual 2 MiB.
    const stored = concat(await zstd(["-9", "--zstd=wlog=10"], content));
    for (let at = 0; at < stored.length; at++) {
      for (const mask of [0x01, 0x90]) {
        const changed = stored.slice();
        changed[at] ^= mask;
        try {
          assertEqualBytes(await read(changed), content, `byte ${at} changed by ${mask}`);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }
    }
  },
});
