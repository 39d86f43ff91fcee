import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type InputFile, type OutputFile, PlainSink, PlainSource } from "../../cli/archive/plain.ts";
import { StoredStream, streamOf } from "./files.ts";

const SIZE = 600_011;
const CONTENT = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

/** Runs `check` on every kind of file that holds CONTENT. */
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
  Deno.test(`PlainSource.read() gives the file in reads of ${size} bytes`, async () => {
    await withEachFile(async (source, kind) => {
      const into = new Uint8Array(size);
      let at = 0;
      for (;;) {
        const got = await source.read(into);
        assertEquals(into.subarray(0, got), CONTENT.subarray(at, at + got), kind);
        at += got;
        assertEquals(source.offsetBytes, at);
        if (got < size) break;
        // Comparing each of 600 thousand single bytes by assertion takes seconds.
        if (size < 7 && at > 5000) return;
      }
      assertEquals([at, await source.read(into)], [SIZE, 0], kind);
    });
  });
}

Deno.test("PlainSource.skip() and peek() keep their place between reads", async () => {
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

Deno.test("PlainSource begins where the file stands", async () => {
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

Deno.test("PlainSource reads a regular file at once, however little it gives a read", async () => {
  using source = new PlainSource("a", regularFile(CONTENT.subarray(0, 20), { atOnce: 3 }));
  assertEquals(await source.peek(5), CONTENT.slice(0, 5));
  const into = new Uint8Array(30);
  assertEquals(await source.read(into), 20);
  assertEquals(into.subarray(0, 20), CONTENT.subarray(0, 20));
});

Deno.test("PlainSource asks a stream that has ended no more", async () => {
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

Deno.test("PlainSource names the file that cannot be read", async () => {
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

Deno.test("PlainSink writes until all is written", async () => {
  const file = new StoredStream({ atOnce: 3 });
  const sink = new PlainSink("short", file);
  await sink.write(CONTENT.subarray(0, 11));
  await sink.write(new Uint8Array(0));
  await sink.write(CONTENT.subarray(11, 15));
  await sink.finish();
  assertEquals(file.bytes, CONTENT.slice(0, 15));
  assertEquals([sink.offsetBytes, sink.storedBytes], [15, 15]);
});

Deno.test("PlainSink writes a regular file at once, and shared memory to every kind of file", async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(SIZE));
  shared.set(CONTENT);
  const path = Deno.makeTempFileSync();
  try {
    using file = Deno.openSync(path, { write: true });
    const write = () => Promise.reject(new Error("not at once"));
    await new PlainSink(path, {
      write,
      writeSync: (from) => file.writeSync(from),
      statSync: () => file.statSync(),
    })
      .write(shared);
    assertEquals(Deno.readFileSync(path), CONTENT);
  } finally {
    Deno.removeSync(path);
  }
  const stream = new StoredStream();
  await new PlainSink("stream", stream).write(shared);
  assertEquals(stream.bytes, CONTENT);
});

Deno.test({
  name: "PlainSink names the file that cannot be written",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using full = Deno.openSync("/dev/full", { write: true });
    const because = 'Cannot write "a.dump": No space left on device';
    await assertRejects(() => new PlainSink("a.dump", full).write(CONTENT), Error, because);
    const regular: OutputFile = {
      writeSync: (from) => full.writeSync(from),
      write: () => Promise.reject(new Error("not at once")),
      statSync: () => ({ isFile: true }) as Deno.FileInfo,
    };
    await assertRejects(() => new PlainSink("a.dump", regular).write(CONTENT), Error, because);
  },
});

Deno.test("PlainSink does not wait for a file that takes nothing", async () => {
  const stuck = new StoredStream({ atOnce: 0 });
  await assertRejects(() => new PlainSink("a.dump", stuck).write(CONTENT), Error, "takes no bytes");
});

/** A regular file that is refused what only streams are asked. */
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
