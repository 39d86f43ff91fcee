import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type InputFile, PlainSink, PlainSource } from "../../cli/archive/plain.ts";

const SIZE = 600_011;
const CONTENT = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

/** A file that gives at most `atOnce` bytes a read and cannot seek, as a pipe. */
function pipeOf(content: Uint8Array, atOnce: number): InputFile {
  let at = 0;
  return {
    readSync(into) {
      const part = content.subarray(at, at + Math.min(atOnce, into.length));
      into.set(part);
      at += part.length;
      return part.length || null;
    },
    close() {},
  };
}

/** Runs `check` on every kind of file that holds CONTENT. */
function withEachFile(check: (source: PlainSource, kind: string) => void): void {
  const dir = Deno.makeTempDirSync();
  try {
    const path = `${dir}/plain`;
    Deno.writeFileSync(path, CONTENT);
    for (const [kind, file] of [["regular", Deno.openSync(path)], ["pipe", pipeOf(CONTENT, 777)]] as const) {
      using source = new PlainSource(path, file);
      check(source, kind);
    }
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

for (const size of [1, 7, 511, 65536, 262143, 262144, 262145, SIZE, SIZE + 1]) {
  Deno.test(`PlainSource.read() gives the file in reads of ${size} bytes`, () => {
    withEachFile((source, kind) => {
      const into = new Uint8Array(size);
      let at = 0;
      for (;;) {
        const got = source.read(into);
        assertEquals(into.subarray(0, got), CONTENT.subarray(at, at + got), kind);
        at += got;
        assertEquals(source.offsetBytes, at);
        if (got < size) break;
        // Comparing each of 600 thousand single bytes by assertion takes seconds.
        if (size < 7 && at > 5000) return;
      }
      assertEquals([at, source.read(into)], [SIZE, 0], kind);
    });
  });
}

Deno.test("PlainSource.skip() and peek() keep their place between reads", () => {
  withEachFile((source, kind) => {
    const two = new Uint8Array(2);
    assertEquals(source.peek(3), CONTENT.slice(0, 3), kind);
    assertEquals(source.skip(10), 10);
    assertEquals(source.read(two), 2);
    assertEquals(two, CONTENT.slice(10, 12), kind);
    assertEquals(source.skip(300_000), 300_000);
    assertEquals(source.peek(200_000), CONTENT.slice(300_012, 500_012), kind);
    assertEquals(source.read(two), 2);
    assertEquals(two, CONTENT.slice(300_012, 300_014), kind);
    assertEquals(source.offsetBytes, 300_014);
  });
});

Deno.test("PlainSource.skip() stops at the end of the file", () => {
  withEachFile((source, kind) => {
    assertEquals(source.skip(SIZE - 5), SIZE - 5, kind);
    assertEquals(source.skip(1e12), 5, kind);
    assertEquals([source.offsetBytes, source.skip(1), source.read(new Uint8Array(4))], [SIZE, 0, 0], kind);
    assertEquals(source.peek(4).length, 0, kind);
  });
});

Deno.test("PlainSource begins where the file stands", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, CONTENT);
    const file = Deno.openSync(path);
    file.seekSync(SIZE - 8, Deno.SeekMode.Start);
    using source = new PlainSource(path, file);
    assertEquals([source.skip(6), source.offsetBytes, source.skip(6)], [6, 6, 2]);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("PlainSource reads into shared memory", () => {
  withEachFile((source, kind) => {
    const into = new Uint8Array(new SharedArrayBuffer(SIZE + 10));
    assertEquals(source.read(into.subarray(0, 5)) + source.read(into.subarray(5)), SIZE);
    assertEquals(into.slice(0, SIZE), CONTENT, kind);
  });
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
      assertEquals([source.skip(4), source.read(new Uint8Array(3)), source.skip(9)], [4, 3, 3]);
      await writer.status;

      using nothing = new PlainSource("/dev/null", Deno.openSync("/dev/null"));
      assertEquals([nothing.read(new Uint8Array(3)), nothing.skip(3)], [0, 0]);
      using zeros = new PlainSource("/dev/zero", Deno.openSync("/dev/zero"));
      assertEquals([zeros.skip(1_000_000), zeros.read(new Uint8Array(300_000))], [1_000_000, 300_000]);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
});

Deno.test("PlainSource names the file that cannot be read", () => {
  using source = new PlainSource("some/dir", Deno.openSync("."));
  const error = assertThrows(() => source.read(new Uint8Array(1)), Error);
  assertStringIncludes((error as Error).message, 'Cannot read "some/dir": ');
});

Deno.test("PlainSink writes until all is written", () => {
  const stored: number[] = [];
  const sink = new PlainSink("short", {
    writeSync(from) {
      stored.push(...from.subarray(0, 3));
      return Math.min(3, from.length);
    },
  });
  sink.write(CONTENT.subarray(0, 11));
  sink.write(new Uint8Array(0));
  sink.write(CONTENT.subarray(11, 15));
  sink.finish();
  assertEquals(stored, [...CONTENT.subarray(0, 15)]);
  assertEquals([sink.offsetBytes, sink.storedBytes], [15, 15]);
});

Deno.test({
  name: "PlainSink names the file that cannot be written",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    using full = Deno.openSync("/dev/full", { write: true });
    const error = assertThrows(() => new PlainSink("a.dump", full).write(CONTENT), Error);
    assertStringIncludes((error as Error).message, 'Cannot write "a.dump": No space left on device');
    assertThrows(
      () => new PlainSink("a.dump", { writeSync: () => 0 }).write(CONTENT),
      Error,
      "takes no bytes",
    );
  },
});
