import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type InputFile, PlainSource } from "../../cli/archive/plain_source.ts";
import { type OutputFile, PlainSink } from "../../cli/archive/plain_sink.ts";
import { GzipSource } from "../../cli/archive/gzip.ts";
import { openBulkFile } from "../../ffi/bulk_file.ts";
import { assertSameBytes, Folder } from "../disks/helpers.ts";
import { concat, StoredStream, streamOf } from "./files.ts";

const SIZE = 600_011;
const CONTENT = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

/** Runs `check` on every kind of file with the content CONTENT. */
async function withEachFile(check: (source: PlainSource, kind: string) => Promise<void>): Promise<void> {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, CONTENT);
    const files = { regular: Deno.openSync(path), pipe: streamOf(CONTENT, { atOnce: [777] }) };
    for (const [kind, file] of Object.entries(files)) {
      using source = new PlainSource(path, file);
      await check(source, kind);
    }
  } finally {
    Deno.removeSync(path);
  }
}

for (const size of [1, 7, 511, 65536, 262143, 262144, 262145, SIZE, SIZE + 1]) {
  Deno.test(`PlainSource.read() returns the file in reads of ${size} bytes`, async () => {
    await withEachFile(async (source, kind) => {
      const into = new Uint8Array(size);
      let at = 0;
      for (;;) {
        const got = await source.read(into);
        assertEquals(into.subarray(0, got), CONTENT.subarray(at, at + got), kind);
        at += got;
        assertEquals(source.offsetBytes, at);
        if (got < size) break;
        // An assertion for each of 600 thousand bytes would take seconds.
        if (size < 7 && at > 5000) return;
      }
      assertEquals([at, await source.read(into)], [SIZE, 0], kind);
    });
  });
}

Deno.test("PlainSource.skip() and peek() work between reads", async () => {
  await withEachFile(async (source, kind) => {
    const two = new Uint8Array(2);
    assertEquals(await source.peek(3), CONTENT.slice(0, 3), kind);
    assertEquals(await source.skip(10), 10);
    assertEquals(await source.read(two), 2);
    assertEquals(two, CONTENT.slice(10, 12), kind);
    assertEquals(await source.skip(300_000), 300_000);
    assertEquals(await source.peek(200_000), CONTENT.slice(300_012, 500_012), kind);
    assertEquals(await source.read(two), 2);
    assertEquals(two, CONTENT.slice(300_012, 300_014), kind);
    assertEquals(source.offsetBytes, 300_014);
  });
});

Deno.test("PlainSource.skip() stops at the end of the file", async () => {
  await withEachFile(async (source, kind) => {
    assertEquals(await source.skip(SIZE - 5), SIZE - 5, kind);
    assertEquals(await source.skip(1e12), 5, kind);
    const behind = [source.offsetBytes, await source.skip(1), await source.read(new Uint8Array(4))];
    assertEquals(behind, [SIZE, 0, 0], kind);
    assertEquals((await source.peek(4)).length, 0, kind);
  });
});

Deno.test("PlainSource begins at the current position of the file", async () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, CONTENT);
    const file = Deno.openSync(path);
    file.seekSync(SIZE - 8, Deno.SeekMode.Start);
    using source = new PlainSource(path, file);
    assertEquals([await source.skip(6), source.offsetBytes, await source.skip(6)], [6, 6, 2]);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("PlainSource reads into shared memory", async () => {
  await withEachFile(async (source, kind) => {
    const into = new Uint8Array(new SharedArrayBuffer(SIZE + 10));
    assertEquals(await source.read(into.subarray(0, 5)) + await source.read(into.subarray(5)), SIZE);
    assertEquals(into.slice(0, SIZE), CONTENT, kind);
  });
});

Deno.test("PlainSource.read() fills its buffer from a regular file, also if each system call returns little", async () => {
  using source = new PlainSource("a", regularFile(CONTENT.subarray(0, 20), { atOnce: 3 }));
  assertEquals(await source.peek(5), CONTENT.slice(0, 5));
  const into = new Uint8Array(30);
  assertEquals(await source.read(into), 20);
  assertEquals(into.subarray(0, 20), CONTENT.subarray(0, 20));
});

Deno.test("PlainSource does not read a stream again that has ended", async () => {
  let reads = 0;
  const read = () => Promise.resolve(++reads === 1 ? null : 1);
  using source = new PlainSource("tty", { ...streamOf(CONTENT), read });
  assertEquals([await source.read(new Uint8Array(4)), await source.skip(4), reads], [0, 0, 1]);
});

Deno.test({
  name: "PlainSource reads a named pipe and devices",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const dir = Deno.makeTempDirSync();
    try {
      const path = `${dir}/pipe`;
      await new Deno.Command("mkfifo", { args: [path] }).output();
      const writer = new Deno.Command("sh", { args: ["-c", `printf 0123456789 > ${path}`] }).spawn();
      using source = new PlainSource(path, Deno.openSync(path));
      const shared = new Uint8Array(new SharedArrayBuffer(3));
      assertEquals([await source.skip(4), await source.read(shared), await source.skip(9)], [4, 3, 3]);
      assertEquals([...shared], [0x34, 0x35, 0x36]);
      await writer.status;

      using nothing = new PlainSource("/dev/null", Deno.openSync("/dev/null"));
      assertEquals([await nothing.read(new Uint8Array(3)), await nothing.skip(3)], [0, 0]);
      using zeros = new PlainSource("/dev/zero", Deno.openSync("/dev/zero"));
      assertEquals(await zeros.skip(1_000_000), 1_000_000);
      assertEquals(await zeros.read(new Uint8Array(300_000)), 300_000);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
});

Deno.test("PlainSource names the file that cannot be read in its error", async () => {
  using source = new PlainSource("some/dir", Deno.openSync("."));
  const error = await assertRejects(() => source.read(new Uint8Array(1)), Error);
  assertStringIncludes(error.message, 'Cannot read "some/dir": ');

  using regular = new PlainSource("a.dump", {
    ...regularFile(CONTENT),
    readSync: () => {
      throw new Error("Input/output error");
    },
  });
  await assertRejects(() => regular.peek(1), Error, 'Cannot read "a.dump": Input/output error');
});

Deno.test("PlainSink repeats short writes until all bytes are written", async () => {
  const file = new StoredStream({ atOnce: 3 });
  const sink = new PlainSink("short", file);
  await sink.write(CONTENT.subarray(0, 11));
  await sink.write(new Uint8Array(0));
  await sink.write(CONTENT.subarray(11, 15));
  await sink.finish();
  assertEquals(file.bytes, CONTENT.slice(0, 15));
  assertEquals([sink.offsetBytes, sink.storedBytes], [15, 15]);
});

Deno.test("PlainSink does not call write() of a regular file, and writes shared memory to every kind of file", async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(SIZE));
  shared.set(CONTENT);
  const path = Deno.makeTempFileSync();
  try {
    using file = Deno.openSync(path, { write: true });
    const write = () => Promise.reject(new Error("not at once"));
    using sink = new PlainSink(path, {
      write,
      writeSync: (from) => file.writeSync(from),
      statSync: () => file.statSync(),
      seekSync: (at, mode) => file.seekSync(at, mode),
    });
    // A small write is synchronous, and a large one is done on another thread.
    await sink.write(shared.subarray(0, 1000));
    await sink.write(shared.subarray(1000));
    await sink.finish();
    assertEquals(Deno.readFileSync(path), CONTENT);
  } finally {
    Deno.removeSync(path);
  }
  const stream = new StoredStream();
  await new PlainSink("stream", stream).write(shared);
  assertEquals(stream.bytes, CONTENT);
});

Deno.test({
  name: "PlainSink names the file that cannot be written in its error",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using full = Deno.openSync("/dev/full", { write: true });
    const because = 'Cannot write "a.dump": No space left on device';
    await assertRejects(() => new PlainSink("a.dump", full).write(CONTENT), Error, because);
    const regular: OutputFile = {
      writeSync: (from) => full.writeSync(from),
      write: () => Promise.reject(new Error("not at once")),
      statSync: () => ({ isFile: true }) as Deno.FileInfo,
      seekSync: () => 0,
    };
    await assertRejects(() => new PlainSink("a.dump", regular).write(CONTENT), Error, because);
  },
});

Deno.test("PlainSink rejects when a file accepts no bytes", async () => {
  const stuck = new StoredStream({ atOnce: 0 });
  await assertRejects(() => new PlainSink("a.dump", stuck).write(CONTENT), Error, "takes no bytes");
});

/** Lengths of small and large writes. */
const PIECES = [1, 200_000, 3, 0, 131_072, 70_000, 131_071, 67_864];

/** Writes all of CONTENT without waiting in between. */
function writePieces(sink: PlainSink): Promise<void>[] {
  let at = 0;
  const writes = PIECES.map((len) => sink.write(CONTENT.subarray(at, at += len)));
  assertEquals(at, SIZE);
  return writes;
}

/**
 * Returns a stream that takes longer for the first bytes than for the last ones, and accepts a few of them at
 * a time.
 */
class LateStream extends StoredStream {
  #delayMs = 12;

  constructor() {
    super({ atOnce: 40_000 });
  }

  override async write(from: Uint8Array): Promise<number> {
    await sleep(this.#delayMs = Math.max(0, this.#delayMs - 1));
    return await super.write(from);
  }
}

Deno.test("PlainSink stores writes that overlap in the order of the calls", async () => {
  const stream = new LateStream();
  const toStream = new PlainSink("stream", stream);
  writePieces(toStream);
  assertEquals(toStream.offsetBytes, SIZE);
  await toStream.finish();
  assertEquals(stream.bytes, CONTENT);

  using folder = new Folder();
  const path = folder.file("a", "begun ");
  using file = Deno.openSync(path, { write: true });
  file.seekSync(0, Deno.SeekMode.End);
  using toFile = new PlainSink(path, file);
  writePieces(toFile);
  await toFile.finish();
  assertSameBytes(Deno.readFileSync(path).subarray(6), CONTENT, "regular file");
  assertEquals(Deno.readTextFileSync(path).slice(0, 6), "begun ");
});

Deno.test("PlainSink resolves when the bytes of a write may be changed", async () => {
  using folder = new Folder();
  const path = folder.file("a", "");
  using file = Deno.openSync(path, { write: true });
  using sink = new PlainSink(path, file);
  for (let at = 0; at < SIZE; at += 150_000) {
    const piece = CONTENT.slice(at, at + 150_000);
    sink.write(piece).then(() => piece.fill(0));
  }
  await sink.finish();
  assertSameBytes(Deno.readFileSync(path), CONTENT, "stored");
});

/** Returns sinks whose write number `fails` and all later ones fail. */
function* failingSinks({ fails }: { fails: number }): Generator<{ kind: string; sink: PlainSink }> {
  let left = fails;
  const refuse = () => {
    if (--left <= 0) throw new Error("No space left on device");
  };
  const stream = new StoredStream();
  yield {
    kind: "stream",
    sink: new PlainSink("a.dump", {
      writeSync: () => 0,
      write: async (from) => {
        await sleep(1);
        refuse();
        return await stream.write(from);
      },
    }),
  };
  left = fails;
  yield {
    kind: "regular file",
    sink: new PlainSink("a.dump", {
      writeSync: (from) => {
        refuse();
        return from.length;
      },
      write: () => Promise.reject(new Error("not at once")),
      statSync: () => ({ isFile: true }) as Deno.FileInfo,
      seekSync: () => 0,
    }),
  };
}

const NO_SPACE = 'Cannot write "a.dump": No space left on device';

Deno.test("PlainSink rejects every later write and finish() after a failure", async () => {
  for (const { kind, sink } of failingSinks({ fails: 3 })) {
    const writes = [1, 2, 3, 4, 5].map((len) => sink.write(CONTENT.subarray(0, len * 50_000)));
    const ends = await Promise.allSettled(writes);
    assertEquals(ends.map(({ status }) => status === "fulfilled"), [true, true, false, false, false], kind);
    for (const write of writes.slice(2)) await assertRejects(() => write, Error, NO_SPACE, kind);
    await assertRejects(async () => await sink.finish(), Error, NO_SPACE, kind);
    await assertRejects(async () => await sink.write(CONTENT.subarray(0, 1)), Error, NO_SPACE, kind);
    await assertRejects(async () => await sink.finish(), Error, NO_SPACE, kind);
  }
});

Deno.test("PlainSink reports a failure once to a caller that waits late, and only for the last write", async () => {
  const unhandled: string[] = [];
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(String(event.reason));
  };
  globalThis.addEventListener("unhandledrejection", listener);
  try {
    for (const { kind, sink } of failingSinks({ fails: 1 })) {
      const writes = [1, 2, 3].map((len) => sink.write(CONTENT.subarray(0, len)));
      await sleep(20);
      await assertRejects(() => writes[2], Error, NO_SPACE, kind);
      sink.write(CONTENT.subarray(0, 4));
      await sleep(20);
      await assertRejects(() => sink.finish(), Error, NO_SPACE, kind);
    }
    await sleep(1);
  } finally {
    globalThis.removeEventListener("unhandledrejection", listener);
  }
  assertEquals(unhandled, []);
});

/** Returns a source that begins at `beginBytes` of a file with the content CONTENT. */
function sourceAt(path: string, beginBytes: number): PlainSource {
  const file = Deno.openSync(path);
  file.seekSync(beginBytes, Deno.SeekMode.Start);
  return new PlainSource(path, file);
}

Deno.test("PlainSink.write() stores the bytes of its origin from any file and position", async () => {
  using folder = new Folder();
  const from = folder.file("from", CONTENT);
  for (const beginBytes of [0, 777, 8192]) {
    for (const sinkBegin of [0, 5, 4096]) {
      using source = sourceAt(from, beginBytes);
      const to = folder.file("to", new Uint8Array(sinkBegin).fill(0xee));
      using file = Deno.openSync(to, { write: true });
      file.seekSync(sinkBegin, Deno.SeekMode.Start);
      using sink = new PlainSink(to, file);
      const expected = [new Uint8Array(sinkBegin).fill(0xee)];
      // Lengths below and above the limits for copies by the system and for writes on another thread. Some
      // ranges overlap, and some bytes are skipped.
      for (
        const [offsetBytes, len] of [[0, 10], [3, 65_535], [4096, 65_536], [9, 131_073], [70_001, 400_000]]
      ) {
        const bytes = CONTENT.slice(beginBytes + offsetBytes, beginBytes + offsetBytes + len);
        sink.write(bytes, { source, offsetBytes });
        expected.push(bytes);
        const between = CONTENT.slice(0, 100);
        sink.write(between);
        expected.push(between);
      }
      await sink.finish();
      assertSameBytes(Deno.readFileSync(to), concat(...expected), `from ${beginBytes} to ${sinkBegin}`);
    }
  }
});

Deno.test("PlainSink.write() lets the system copy bytes of a file, and stores all of them", async (t) => {
  using folder = new Folder();
  const from = folder.file("from", CONTENT);
  const to = folder.file("to");
  /**
   * Returns the bytes that are stored for a write of bytes that are not in the source, which shows whether
   * they were copied from it.
   */
  const stored = async (source: PlainSource | GzipSource, offsetBytes: number, len: number) => {
    using file = Deno.openSync(to, { write: true, create: true, truncate: true });
    using sink = new PlainSink(to, file);
    await sink.write(new Uint8Array(len), { source, offsetBytes });
    await sink.finish();
    return Deno.readFileSync(to);
  };
  if (!await systemCopies(folder)) return;
  await t.step("relative to the begin of the source", async () => {
    for (const beginBytes of [0, 777]) {
      using source = sourceAt(from, beginBytes);
      const expected = CONTENT.slice(beginBytes + 99, beginBytes + 99 + 500_000);
      assertSameBytes(await stored(source, 99, 500_000), expected, `began at ${beginBytes}`);
      // The copy does not change the position of the source.
      const into = new Uint8Array(300_000);
      assertEquals([source.offsetBytes, await source.read(into)], [0, into.length]);
      assertSameBytes(into, CONTENT.slice(beginBytes, beginBytes + into.length), "read on");
    }
  });
  await t.step("with the end from memory, if the file has become shorter", async () => {
    const path = folder.file("shorter", CONTENT.subarray(0, 100_000));
    using source = sourceAt(path, 0);
    const expected = new Uint8Array(150_000);
    expected.set(CONTENT.subarray(0, 100_000));
    assertSameBytes(await stored(source, 0, 150_000), expected, "copied, then written");
  });
  await t.step(
    "not from a stream, a compressed file, a few bytes, or a file that was renamed",
    async () => {
      const zeros = new Uint8Array(200_000);
      using stream = new PlainSource("stream", streamOf(CONTENT));
      assertSameBytes(await stored(stream, 0, zeros.length), zeros, "stream");
      const gzip = folder.file("a.gz", CONTENT);
      using compressed = new GzipSource(new PlainSource(gzip, Deno.openSync(gzip)));
      assertSameBytes(await stored(compressed, 0, zeros.length), zeros, "compressed file");
      using source = sourceAt(from, 0);
      assertSameBytes(await stored(source, 0, 1000), zeros.subarray(0, 1000), "few bytes");
      const renamed = folder.file("renamed", CONTENT);
      using moved = sourceAt(renamed, 0);
      Deno.renameSync(renamed, folder.file("elsewhere"));
      folder.file("renamed", CONTENT);
      assertSameBytes(await stored(moved, 0, zeros.length), zeros, "another file of the name");
    },
  );
});

Deno.test("PlainSink.write() writes bytes with an origin to a stream", async () => {
  using folder = new Folder();
  using source = sourceAt(folder.file("from", CONTENT), 0);
  const stream = new LateStream();
  const sink = new PlainSink("stream", stream);
  sink.write(CONTENT.subarray(5, 300_000), { source, offsetBytes: 5 });
  sink.write(CONTENT.subarray(300_000), { source, offsetBytes: 300_000 });
  await sink.finish();
  assertEquals(stream.bytes, CONTENT.slice(5));
});

Deno.test("PlainSource.readAt() reads bytes again that were read before", async () => {
  using folder = new Folder();
  using source = sourceAt(folder.file("from", CONTENT), 777);
  const into = new Uint8Array(new SharedArrayBuffer(200_000));
  await source.skip(100);
  await source.peek(50);
  for (const offsetBytes of [0, 150, 300_000, SIZE - 777 - 10, SIZE]) {
    const expected = CONTENT.subarray(777 + offsetBytes, 777 + offsetBytes + into.length);
    assertEquals(await source.readAt(into, offsetBytes), expected.length);
    assertSameBytes(into.slice(0, expected.length), expected, `at ${offsetBytes}`);
  }
  assertEquals([await source.read(into.subarray(0, 300)), source.offsetBytes], [300, 400]);
  assertSameBytes(into.slice(0, 300), CONTENT.subarray(877, 1177), "where it was");
});

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Returns whether this system copies between two files of the folder. */
async function systemCopies(folder: Folder): Promise<boolean> {
  const [path, copyPath] = [folder.file("probe", "probe"), folder.file("copy", "")];
  using file = Deno.openSync(path);
  using copyFile = Deno.openSync(copyPath, { write: true });
  using source = openBulkFile(path, file, { write: false });
  using target = openBulkFile(copyPath, copyFile, { write: true });
  return source !== undefined &&
    await target?.copyFrom(source, { fromBytes: 0, toBytes: 0, lenBytes: 5 }) === 5;
}

/** Returns a regular file that rejects the asynchronous read, which only streams may use. */
function regularFile(content: Uint8Array, { atOnce = Infinity } = {}): InputFile {
  let at = 0;
  return {
    readSync(into) {
      const part = content.subarray(at, at + Math.min(atOnce, into.length));
      into.set(part);
      at += part.length;
      return part.length || null;
    },
    read: () => Promise.reject(new Error("not at once")),
    close() {},
    statSync: () => ({ isFile: true, size: content.length }) as Deno.FileInfo,
    seekSync: (offset) => at += Number(offset),
  };
}
