/**
 * Properties of all containers, tested through the two functions with which the rest of the program opens
 * them.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FormatError } from "../../cli/errors.ts";
import { containerOfBytes, containerOfName, sinkFor, sourceFor } from "../../cli/archive/container.ts";
import { PIECE_MAX_BYTES } from "../../cli/archive/piece.ts";
import { Random } from "../../scripts/disk_image.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { concat, contentOf, ODD_SIZES, readAll, StoredStream, streamOf } from "./files.ts";
import { hasTool, runTool } from "./tools.ts";
import { readSeekTable } from "./zstd_layout.ts";

const MIB = 1024 * 1024;

const NAMES = ["a.dump", "a.dump.gz", "a.dump.zst"];
const COMPRESSED = [
  { path: "a.gz", test: ["gzip", "-t"], unpack: ["gunzip", "-c"] },
  { path: "b.gz", test: ["pigz", "-t"], unpack: ["pigz", "-d", "-c"] },
  { path: "a.zst", test: ["zstd", "-t", "-q"], unpack: ["zstd", "-d", "-c", "-q"] },
];

/** Writes `content` in portions of `sizes`, used in rotation, and returns the bytes of the file. */
async function store(path: string, content: Uint8Array, sizes = [content.length || 1]): Promise<Uint8Array> {
  const file = new StoredStream();
  using sink = await sinkFor(path, file);
  for (let at = 0, turn = 0; at < content.length; turn++) {
    const part = content.subarray(at, at + sizes[turn % sizes.length]);
    await sink.write(part);
    at += part.length;
  }
  await sink.finish();
  assertEquals([sink.offsetBytes, sink.storedBytes], [content.length, file.bytes.length]);
  return file.bytes;
}

/** Reads the content of `stored` as a file with the name `path`, in portions of `sizes`. */
async function load(path: string, stored: Uint8Array, sizes?: number[]): Promise<Uint8Array> {
  using source = await sourceFor(path, streamOf(stored, { atOnce: ODD_SIZES }));
  const content = await readAll(source, sizes);
  assertEquals([await source.read(new Uint8Array(1)), source.offsetBytes], [0, content.length]);
  return content;
}

/** Returns whether `stored` is refused. The error must be a FormatError that names the file and the place. */
async function isRefused(path: string, stored: Uint8Array): Promise<boolean> {
  try {
    await load(path, stored);
    return false;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    assert(error.fault.path === path && error.fault.offsetBytes! <= stored.length, error.message);
    return true;
  }
}

/**
 * Returns the offset at which the last member or frame ends: the end of the file, or the begin of the seek
 * table.
 */
function contentEndOf(path: string, stored: Uint8Array): number {
  return path === "a.zst" ? readSeekTable(stored).startBytes : stored.length;
}

/** Returns the offsets of bytes that no checksum covers, because reading does not depend on them. */
function idleBytesOf(path: string, stored: Uint8Array): number[] {
  // MTIME, XFL and OS.
  if (path.endsWith(".gz")) return [4, 5, 6, 7, 8, 9];
  // The low bits of the magic number of a seek table. When they change, it is another kind of skippable
  // frame.
  return [readSeekTable(stored).startBytes];
}

Deno.test("containerOfName() requires a lower-case suffix after at least one character", () => {
  const names = {
    plain: [
      "a",
      "a.dump",
      "-",
      "gz",
      ".gz",
      ".zst",
      "d.gz/a",
      "d/.gz",
      "a.GZ",
      "a.Zst",
      "a.gz.tmp",
      "",
      "a.zstd",
    ],
    gzip: ["a.gz", "d/a.dump.gz", "..gz", ".zst.gz"],
    zstd: ["a.zst", "/d/a.dump.zst", "a.gz.zst"],
  };
  for (const [container, paths] of Object.entries(names)) {
    for (const path of paths) assertEquals(containerOfName(path), container, path);
  }
});

Deno.test("containerOfBytes() recognizes the magic numbers", () => {
  assertEquals(containerOfBytes(Uint8Array.of(0x1f, 0x8b)), "gzip");
  assertEquals(containerOfBytes(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)), "zstd");
  for (let low = 0; low < 16; low++) {
    assertEquals(containerOfBytes(Uint8Array.of(0x50 + low, 0x2a, 0x4d, 0x18)), "zstd");
  }
  for (const text of ["", "1", "13\x00", "(\xb5/", "aaaa", "\x1f"]) {
    assertEquals(containerOfBytes(Uint8Array.from(text, (char) => char.charCodeAt(0))), "plain", text);
  }
});

for (const path of NAMES) {
  for (const [turn, len] of [0, 1, -1, 0, 1, 17].entries()) {
    const size = len + [0, 0, 1, 1, 1, 3][turn] * MIB;
    Deno.test(`${path}: a stream of ${size} bytes is read as it was written, and the same writes give the same file`, async () => {
      const seed = 1000 + turn;
      const content = contentOf(size, seed);
      const stored = await store(path, content);
      const odd = await store(path, content, ODD_SIZES);
      assertEqualBytes(await store(path, content), stored, `seed ${seed}, stored`);
      assertEqualBytes(await store(path, content, ODD_SIZES), odd, `seed ${seed}, stored in odd pieces`);
      assertEqualBytes(await load(path, odd), content, `seed ${seed}, odd pieces`);
      assertEqualBytes(await load(path, stored, ODD_SIZES), content, `seed ${seed}, odd reads`);
      assertEqualBytes(await load("-", stored, [MIB]), content, `seed ${seed}, standard input`);
    });
  }

  Deno.test(`${path}: writes and reads shared memory`, async () => {
    const content = contentOf(300_000, 7);
    const shared = new Uint8Array(new SharedArrayBuffer(content.length));
    shared.set(content);
    const stored = await store(path, shared);
    assertEqualBytes(stored, await store(path, content), "stored");
    using source = await sourceFor(path, streamOf(stored));
    shared.fill(0);
    assertEquals(await source.read(shared), content.length);
    assertEqualBytes(shared, content, "read back");
  });

  Deno.test(`${path}: skip() skips content, and stops at its end`, async () => {
    const content = contentOf(MIB + 1000, 8);
    using source = await sourceFor(path, streamOf(await store(path, content)));
    const four = new Uint8Array(4);
    assertEquals([await source.skip(10), await source.read(four)], [10, 4]);
    assertEquals(four, content.slice(10, 14));
    assertEquals(await source.skip(MIB), MIB);
    assertEquals(await source.read(four), 4);
    assertEquals(four, content.slice(MIB + 14, MIB + 18));
    assertEquals([await source.skip(1e9), source.offsetBytes], [1000 - 18, content.length]);
    assertEquals(await source.skip(1), 0);
  });

  Deno.test(`${path}: nothing is written after finish()`, async () => {
    const file = new StoredStream();
    using sink = await sinkFor(path, file);
    await sink.write(Uint8Array.of(1));
    await sink.finish();
    const count = file.writes;
    await sink.finish();
    assertEquals(file.writes, count);
    if (path === "a.dump") return;
    await assertRejects(async () => await sink.write(Uint8Array.of(1)), TypeError, "finished");
  });
}

for (const { path, test, unpack } of COMPRESSED) {
  Deno.test({
    name: `${path}: ${test[0]} agrees (skipped without the tool)`,
    ignore: !hasTool(test[0]),
    fn: async () => {
      for (const len of [0, 1, MIB, PIECE_MAX_BYTES, 2 * PIECE_MAX_BYTES + 17]) {
        const content = contentOf(len, 40 + len);
        const stored = await store(path, content);
        await runTool(test, stored);
        assertEqualBytes(await runTool(unpack, stored), content, `${len} bytes`);
      }
    },
  });
}

for (const path of ["a.gz", "a.zst"]) {
  Deno.test(`${path}: a small file with any cut is refused, or has its whole content`, async () => {
    const content = contentOf(700, 3);
    const stored = await store(path, content);
    const contentEnd = contentEndOf(path, stored);
    for (let len = 0; len < stored.length; len++) {
      const cut = stored.subarray(0, len);
      if (len === contentEnd) assertEqualBytes(await load(path, cut), content, "without seek table");
      else assert(await isRefused(path, cut), `cut after ${len} of ${stored.length} bytes`);
    }
  });

  Deno.test(`${path}: a small file with a changed byte is refused, or has the same content`, async () => {
    const seed = 20;
    const random = new Random(seed);
    const content = contentOf(900, seed);
    const stored = await store(path, content);
    const harmless = new Set<number>();
    for (let at = 0; at < stored.length; at++) {
      for (const mask of [0x01, 0x80, 0xff, 1 + random.below(255)]) {
        const changed = stored.slice();
        changed[at] ^= mask;
        if (await isRefused("-", changed)) continue;
        // For standard input, a changed magic number makes a plain file, which only the reader of the archive
        // can refuse.
        if (containerOfBytes(changed) === "plain") continue;
        assertEqualBytes(await load("-", changed), content, `byte ${at} changed by ${mask}, seed ${seed}`);
        harmless.add(at);
      }
    }
    const idle = idleBytesOf(path, stored);
    for (const at of idle) assert(harmless.has(at), `byte ${at}`);
    const contentEnd = contentEndOf(path, stored);
    const behind = (at: number) => at >= contentEnd;
    assertEquals([...harmless].filter(behind), idle.filter(behind));
  });

  Deno.test(`${path}: data after the last member is refused`, async () => {
    const stored = await store(path, contentOf(1000, 5));
    for (
      const rest of [[0], [0, 0, 0, 0], [0x31, 0], [...stored.subarray(0, 10)], [0x1f], [0x1f, 0x8b], [
        0x28,
        0xb5,
        0x2f,
        0xfd,
      ]]
    ) {
      assert(await isRefused(path, concat(stored, Uint8Array.from(rest))), `${rest}`);
    }
  });

  Deno.test(`${path}: two concatenated files are one stream`, async () => {
    const stored = await store(path, contentOf(1000, 5));
    assertEquals((await load(path, concat(stored, stored))).length, 2000);
  });

  Deno.test(`${path}: a source that failed rejects every later read with the same error`, async () => {
    const stored = await store(path, contentOf(1000, 6));
    using source = await sourceFor(path, streamOf(stored.subarray(0, -1)));
    for (let times = 0; times < 3; times++) {
      const reading = async () => await source.read(new Uint8Array(2000));
      await assertRejects(reading, FormatError, "the end of the file is found");
    }
  });
}

Deno.test("sinkFor() refuses levels that do not exist", async () => {
  for (const path of ["a.gz", "a.zst"]) {
    for (const level of [0, -1, 1.5, 23, NaN]) {
      await assertRejects(() => sinkFor(path, Deno.stdout, { level }), RangeError, "level");
    }
  }
});

Deno.test("sourceFor() refuses a name that its content contradicts, and closes the file", async () => {
  const gzip = await store("a.gz", Uint8Array.of(1));
  const zstd = await store("a.zst", Uint8Array.of(1));
  const plain = Uint8Array.of(0x31, 0x33, 0);
  for (
    const [path, stored, message] of [
      ["a.dump", gzip, 'Cannot read "a.dump": it holds gzip data, its name should end in ".gz"'],
      ["a.dump", zstd, 'Cannot read "a.dump": it holds zstd data, its name should end in ".zst"'],
      ["a.gz", plain, 'Cannot read "a.gz": it is not gzip although its name ends in ".gz"'],
      ["a.gz", zstd, 'Cannot read "a.gz": it is not gzip although its name ends in ".gz"'],
      ["a.zst", plain, 'Cannot read "a.zst": it is not zstd although its name ends in ".zst"'],
      ["a.zst", gzip, 'Cannot read "a.zst": it is not zstd although its name ends in ".zst"'],
    ] as const
  ) {
    let closed = 0;
    await assertRejects(
      () => sourceFor(path, streamOf(stored, { onClose: () => closed++ })),
      FormatError,
      message,
    );
    assertEquals(closed, 1);
  }
});

Deno.test("sourceFor() reads an empty plain file and refuses empty compressed ones", async () => {
  const nothing = new Uint8Array(0);
  assertEquals((await load("a.dump", nothing)).length, 0);
  assertEquals((await load("-", nothing)).length, 0);
  await assertRejects(
    () => load("a.gz", nothing),
    FormatError,
    "a gzip member is expected, the end of the file is found",
  );
  await assertRejects(
    () => load("a.zst", nothing),
    FormatError,
    "a zstd frame is expected, the end of the file is found",
  );
});

Deno.test("a source closes its file when disposed", async () => {
  for (const path of NAMES) {
    let closed = 0;
    const stored = await store(path, Uint8Array.of(0x31));
    (await sourceFor(path, streamOf(stored, { onClose: () => closed++ })))[Symbol.dispose]();
    assertEquals(closed, 1, path);
  }
});
