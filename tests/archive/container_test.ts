/** What holds for every container alike, through the two openers that the rest of the program uses. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FormatError } from "../../cli/errors.ts";
import type { ByteSource } from "../../cli/archive/bytes.ts";
import { containerOfBytes, containerOfName, sinkFor, sourceFor } from "../../cli/archive/container.ts";
import { MEMBER_BYTES } from "../../cli/archive/gzip.ts";
import type { InputFile } from "../../cli/archive/plain.ts";
import { FRAME_BYTES } from "../../cli/archive/zstd.ts";

const NAMES = ["a.dump", "a.dump.gz", "a.dump.zst"];
const COMPRESSED = [
  { path: "a.gz", test: ["gzip", "-t"], unpack: ["gunzip", "-c"] },
  { path: "a.zst", test: ["zstd", "-t", "-q"], unpack: ["zstd", "-d", "-c", "-q"] },
];
const ODD_SIZES = [1, 2, 3, 7, 15, 511, 513, 4095, 65537, 1_000_003];

/** Numbers from 0 to 2^32 - 1 that a seed repeats (mulberry32). */
function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Runs of noise, of zeros and of a few letters, as a disk has them. */
function contentOf(len: number, seed: number): Uint8Array {
  const random = randomFrom(seed);
  const content = new Uint8Array(len);
  for (let at = 0; at < len;) {
    const end = Math.min(len, at + random() % Math.min(50_000, len / 8 + 1) + 1);
    const kind = random() % 3;
    if (kind === 0) at = end;
    else for (; at < end; at++) content[at] = kind === 1 ? random() : 0x61 + (random() & 3);
  }
  return content;
}

/** A file in memory that gives its bytes in odd portions. */
function fileOf(stored: Uint8Array, onClose = () => {}): InputFile {
  let at = 0;
  let turn = 0;
  return {
    readSync(into) {
      const part = stored.subarray(at, at + Math.min(into.length, ODD_SIZES[turn++ % ODD_SIZES.length]));
      into.set(part);
      at += part.length;
      return part.length || null;
    },
    close: onClose,
  };
}

/** Writes `content` in portions of `sizes`, each in turn; returns what the file holds. */
async function store(path: string, content: Uint8Array, sizes = [content.length || 1]): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  using sink = await sinkFor(path, {
    writeSync(from) {
      parts.push(from.slice());
      return from.length;
    },
  });
  for (let at = 0, turn = 0; at < content.length; turn++) {
    const part = content.subarray(at, at + sizes[turn % sizes.length]);
    await sink.write(part);
    at += part.length;
  }
  await sink.finish();
  const stored = concat(parts);
  assertEquals([sink.offsetBytes, sink.storedBytes], [content.length, stored.length]);
  return stored;
}

/** Reads what `stored` holds under the name `path`, in portions of `sizes`. */
async function load(path: string, stored: Uint8Array, sizes = [100_000]): Promise<Uint8Array> {
  using source = await sourceFor(path, fileOf(stored));
  return await readAll(source, sizes);
}

async function readAll(source: ByteSource, sizes: number[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let turn = 0;; turn++) {
    const into = new Uint8Array(sizes[turn % sizes.length]);
    const got = await source.read(into);
    parts.push(into.subarray(0, got));
    if (got < into.length) break;
  }
  assertEquals(await source.read(new Uint8Array(1)), 0);
  return concat(parts);
}

function concat(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((len, part) => len + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** `assertEquals` prints and compares byte by byte, which takes seconds for a few MiB. */
function assertSameBytes(actual: Uint8Array, expected: Uint8Array, hint: string): void {
  assertEquals(actual.length, expected.length, hint);
  const differs = expected.findIndex((byte, at) => actual[at] !== byte);
  assertEquals(differs, -1, `${hint}: first difference`);
}

/** Whether `stored` is refused, which must be with a FormatError that names file and place. */
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

function hasTool(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

async function runTool([name, ...args]: string[], input: Uint8Array): Promise<Uint8Array> {
  const child = new Deno.Command(name, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const feeding = new Blob([input as BlobPart]).stream().pipeTo(child.stdin);
  const [{ success, stdout, stderr }] = await Promise.all([child.output(), feeding]);
  assert(success, new TextDecoder().decode(stderr));
  return stdout;
}

Deno.test("containerOfName() goes by a lower-case suffix behind at least one character", () => {
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

Deno.test("containerOfBytes() knows the magic numbers", () => {
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
    const size = len + [0, 0, 1, 1, 1, 3][turn] * MEMBER_BYTES;
    Deno.test(`${path}: a stream of ${size} bytes comes back and does not depend on how it is written`, async () => {
      const seed = 1000 + turn;
      const content = contentOf(size, seed);
      const stored = await store(path, content);
      assertSameBytes(await store(path, content, ODD_SIZES), stored, `seed ${seed}, stored`);
      assertSameBytes(await load(path, stored, ODD_SIZES), content, `seed ${seed}, odd reads`);
      assertSameBytes(await load("-", stored, [MEMBER_BYTES]), content, `seed ${seed}, standard input`);
    });
  }

  Deno.test(`${path}: writes and reads shared memory`, async () => {
    const content = contentOf(300_000, 7);
    const shared = new Uint8Array(new SharedArrayBuffer(content.length));
    shared.set(content);
    const stored = await store(path, shared);
    assertSameBytes(stored, await store(path, content), "stored");
    using source = await sourceFor(path, fileOf(stored));
    shared.fill(0);
    assertEquals(await source.read(shared), content.length);
    assertSameBytes(shared, content, "read back");
  });

  Deno.test(`${path}: skip() passes over content, and stops at its end`, async () => {
    const content = contentOf(MEMBER_BYTES + 1000, 8);
    using source = await sourceFor(path, fileOf(await store(path, content)));
    const four = new Uint8Array(4);
    assertEquals([await source.skip(10), await source.read(four)], [10, 4]);
    assertEquals(four, content.slice(10, 14));
    assertEquals(await source.skip(MEMBER_BYTES), MEMBER_BYTES);
    assertEquals(await source.read(four), 4);
    assertEquals(four, content.slice(MEMBER_BYTES + 14, MEMBER_BYTES + 18));
    assertEquals([await source.skip(1e9), source.offsetBytes], [1000 - 18, content.length]);
    assertEquals(await source.skip(1), 0);
  });

  Deno.test(`${path}: nothing is written behind finish()`, async () => {
    const parts: number[] = [];
    using sink = await sinkFor(path, { writeSync: (from) => parts.push(from.length) && from.length });
    await sink.write(Uint8Array.of(1));
    await sink.finish();
    const count = parts.length;
    await sink.finish();
    assertEquals(parts.length, count);
    if (path !== "a.dump") assertThrows(() => sink.write(Uint8Array.of(1)), TypeError, "finished");
  });
}

for (const { path, test, unpack } of COMPRESSED) {
  Deno.test({
    name: `${path}: ${test[0]} agrees (skipped without the tool)`,
    ignore: !hasTool(test[0]),
    fn: async () => {
      for (const len of [0, 1, MEMBER_BYTES, 2 * MEMBER_BYTES + 17]) {
        const content = contentOf(len, 40 + len);
        const stored = await store(path, content);
        await runTool(test, stored);
        assertSameBytes(await runTool(unpack, stored), content, `${len} bytes`);
      }
    },
  });

  Deno.test(`${path}: every cut of a small file is refused`, async () => {
    const stored = await store(path, contentOf(700, 3));
    for (let len = 0; len < stored.length; len++) {
      assert(await isRefused(path, stored.subarray(0, len)), `cut after ${len} of ${stored.length} bytes`);
    }
  });

  Deno.test(`${path}: every changed byte of a small file is refused or does no harm`, async () => {
    const seed = 20;
    const random = randomFrom(seed);
    const content = contentOf(900, seed);
    const stored = await store(path, content);
    const harmless = new Set<number>();
    for (let at = 0; at < stored.length; at++) {
      for (const mask of [0x01, 0x80, 0xff, 1 + random() % 255]) {
        const changed = stored.slice();
        changed[at] ^= mask;
        if (await isRefused("-", changed)) continue;
        // Standard input: a changed magic number makes a plain file, which is for the archive's reader to refuse.
        if (containerOfBytes(changed) === "plain") continue;
        assertSameBytes(await load("-", changed), content, `byte ${at} changed by ${mask}, seed ${seed}`);
        harmless.add(at);
      }
    }
    // No checksum covers MTIME, XFL and OS of gzip, and nothing depends on them.
    if (path === "a.gz") { for (const at of [4, 5, 6, 7, 8, 9]) assert(harmless.has(at), `byte ${at}`); }
    else assertEquals([...harmless], []);
  });

  Deno.test(`${path}: what follows the last member is refused`, async () => {
    const stored = await store(path, contentOf(1000, 5));
    for (
      const rest of [[0], [0, 0, 0, 0], [0x31, 0], [...stored.subarray(0, 10)], [0x1f], [0x1f, 0x8b], [
        0x28,
        0xb5,
        0x2f,
        0xfd,
      ]]
    ) {
      assert(await isRefused(path, concat([stored, Uint8Array.from(rest)])), `${rest}`);
    }
  });

  Deno.test(`${path}: two files in a row are one stream`, async () => {
    const stored = await store(path, contentOf(1000, 5));
    assertEquals((await load(path, concat([stored, stored]))).length, 2000);
  });

  Deno.test(`${path}: an error stays an error`, async () => {
    const stored = await store(path, contentOf(1000, 6));
    using source = await sourceFor(path, fileOf(stored.subarray(0, -1)));
    for (let times = 0; times < 3; times++) {
      assertThrows(() => source.read(new Uint8Array(2000)), FormatError, "the end of the file is found");
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
    await assertRejects(() => sourceFor(path, fileOf(stored, () => closed++)), FormatError, message);
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
    (await sourceFor(path, fileOf(stored, () => closed++)))[Symbol.dispose]();
    assertEquals(closed, 1, path);
  }
});

Deno.test("gzip and zstd cut the stream alike", () => assertEquals(MEMBER_BYTES, FRAME_BYTES));
