import { assertEquals, assertRejects } from "@std/assert";
import { type OpenFile, PositionedFile } from "../../cli/files/positioned.ts";
import { assertSameBytes, Folder, noise } from "../disks/helpers.ts";
import { denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";

const ROOT = new URL("../../", import.meta.url);
/** Lengths around the limit from which on reads run on another thread. */
const SIZES = [0, 1, 131_071, 131_072, 131_073, 500_000];
const onLinux = Deno.build.os === "linux" ? undefined : "it takes Linux";

/** Returns the functions of an open file as an object. */
function functionsOf(file: Deno.FsFile): OpenFile & Required<Pick<OpenFile, "readSync" | "writeSync">> {
  return {
    readSync: (into) => file.readSync(into),
    writeSync: (from) => file.writeSync(from),
    statSync: () => file.statSync(),
    seekSync: (at, mode) => file.seekSync(at, mode),
  };
}

/**
 * Runs `check` with a path that leads to `file`, and with one that does not, so that no second descriptor can
 * be opened.
 */
async function bothWays(
  { file, path, write = false }: { file: OpenFile; path: string; write?: boolean },
  check: (positioned: PositionedFile, way: string) => Promise<void>,
): Promise<void> {
  for (const [way, name] of [["other threads", path], ["this thread", `${path}.missing`]]) {
    using positioned = new PositionedFile(file, { path: name, write });
    await check(positioned, way);
  }
}

Deno.test("PositionedFile reads small and large parts, and fewer bytes at the end of the file", async () => {
  using folder = new Folder();
  const content = noise(600_011, 1);
  const path = folder.file("a", content);
  using file = Deno.openSync(path);
  await bothWays({ file, path }, async (positioned, way) => {
    for (const size of SIZES) {
      for (const offset of [0, 1, 4097, content.length - 200_000, content.length - 1, content.length, 1e9]) {
        const expected = content.subarray(offset, offset + size);
        for (const memory of [new ArrayBuffer(size), new SharedArrayBuffer(size)]) {
          const into = new Uint8Array(memory).fill(0xee);
          const message = `${size} bytes at ${offset}, ${way}`;
          assertEquals(await positioned.read(into, offset), expected.length, message);
          assertSameBytes(into.slice(0, expected.length), expected, message);
          assertEquals(into.findIndex((byte, at) => at >= expected.length && byte !== 0xee), -1, message);
        }
      }
    }
  });
});

Deno.test("PositionedFile writes small and large parts at their offsets", async () => {
  using folder = new Folder();
  const content = noise(600_011, 1);
  const path = folder.file("a", content);
  using file = Deno.openSync(path, { read: true, write: true });
  await bothWays({ file, path, write: true }, async (positioned, way) => {
    for (const size of SIZES) {
      for (const offset of [0, 1, 4097, content.length - size]) {
        const shared = new Uint8Array(new SharedArrayBuffer(size));
        shared.set(noise(size, size + offset));
        await positioned.write([shared], offset);
        content.set(shared, offset);
        assertSameBytes(Deno.readFileSync(path), content, `${size} bytes at ${offset}, ${way}`);
      }
    }
  });
});

Deno.test("PositionedFile keeps concurrent reads and writes apart", async () => {
  using folder = new Folder();
  const content = noise(1 << 20, 1);
  const path = folder.file("a", new Uint8Array(content.length));
  using file = Deno.openSync(path, { read: true, write: true });
  // Large ones run on other threads, small ones on this thread.
  const places = [0, 200_000, 200_100, 400_000, 400_001, 700_000, content.length];
  const parts = places.slice(1).map((end, i) => ({ at: places[i], bytes: content.subarray(places[i], end) }));
  await bothWays({ file, path, write: true }, async (positioned, way) => {
    file.truncateSync(0);
    await Promise.all(parts.map(({ at, bytes }) => positioned.write([bytes], at)));
    assertSameBytes(Deno.readFileSync(path), content, `written, ${way}`);
  });
  await bothWays({ file, path }, async (positioned, way) => {
    const into = new Uint8Array(content.length);
    await Promise.all(
      parts.map(({ at, bytes }) => positioned.read(into.subarray(at, at + bytes.length), at)),
    );
    assertSameBytes(into, content, `read, ${way}`);
  });
});

testWith({ missing: onLinux }, "PositionedFile asks its file for no large part", async () => {
  using folder = new Folder();
  const content = noise(600_011, 1);
  const path = folder.file("temporary", content);
  using file = Deno.openSync(path, { read: true, write: true });
  const never = () => {
    throw new Error("asked");
  };
  const deaf = { ...functionsOf(file), readSync: never, writeSync: never, systemPath: path };
  // The final name is still that of another file, and the system path is used.
  using source = new PositionedFile(deaf, { path: folder.file("final", "another file") });
  using target = new PositionedFile(deaf, { path: folder.file("final"), write: true });
  const into = new Uint8Array(300_000);
  assertEquals(await source.read(into, 5), into.length);
  assertSameBytes(into, content.subarray(5, 300_005), "read");
  await target.write([into.fill(7)], 9);
  content.fill(7, 9, 300_009);
  assertSameBytes(Deno.readFileSync(path), content, "written");
  assertEquals(Deno.readTextFileSync(folder.file("final")), "another file");
});

testWith(
  { missing: onLinux },
  "PositionedFile.copyFrom() copies a range, or nothing where one file is not opened twice",
  async () => {
    using folder = new Folder();
    const content = noise(600_011, 1);
    const [from, to] = [folder.file("a", content), folder.file("b", "")];
    using source = Deno.openSync(from);
    using target = Deno.openSync(to, { read: true, write: true });
    await bothWays({ file: source, path: from }, async (positionedSource, sourceWay) => {
      await bothWays({ file: target, path: to, write: true }, async (positioned, targetWay) => {
        target.truncateSync(0);
        const range = { fromBytes: 77, toBytes: 3, lenBytes: 500_000 };
        const copied = await positioned.copyFrom(positionedSource, range);
        if (sourceWay === "this thread" || targetWay === "this thread") assertEquals(copied, 0);
        const expected = new Uint8Array(copied === 0 ? 0 : 3 + copied);
        expected.set(content.subarray(77, 77 + copied), Math.min(3, expected.length));
        assertSameBytes(Deno.readFileSync(to), expected, `${copied} bytes`);
      });
    });
  },
);

Deno.test("PositionedFile reports an error after a short read, and not the end of the file", async () => {
  using folder = new Folder();
  const path = folder.file("a", noise(200_000, 1));
  using file = Deno.openSync(path);
  const failing = {
    ...functionsOf(file),
    readSync: () => {
      throw new Error("Input/output error");
    },
  };
  await bothWays({ file: failing, path }, async (positioned, way) => {
    const read = async () => await positioned.read(new Uint8Array(300_000), 0);
    await assertRejects(read, Error, "Input/output error", way);
  });
});

testWith(
  { missing: onLinux },
  "PositionedFile gives the system's error, however large the part",
  async () => {
    using folder = new Folder();
    using directory = Deno.openSync(folder.path);
    const path = folder.file("a", noise(200_000, 1));
    using readOnly = Deno.openSync(path);
    using full = Deno.openSync("/dev/full", { read: true, write: true });
    for (const size of [10, 300_000]) {
      const bytes = new Uint8Array(size);
      await bothWays({ file: directory, path: folder.path }, async (positioned) => {
        await assertRejects(async () => await positioned.read(bytes, 0), Error, "Is a directory");
      });
      await bothWays({ file: readOnly, path: folder.file("b"), write: true }, async (positioned) => {
        await assertRejects(async () => await positioned.write([bytes], 0), Error, "Bad file descriptor");
      });
      await bothWays({ file: full, path: "/dev/full", write: true }, async (positioned) => {
        await assertRejects(async () => await positioned.write([bytes], 0), Error, "No space left on device");
      });
    }
  },
);

Deno.test("PositionedFile rejects when a file accepts no bytes", async () => {
  using folder = new Folder();
  const path = folder.file("a");
  using file = Deno.createSync(path);
  // The file cannot be opened a second time, so every write uses this function.
  const stuck = { ...functionsOf(file), writeSync: () => 0, systemPath: `${path}.missing` };
  for (const size of [10, 300_000]) {
    using positioned = new PositionedFile(stuck, { path, write: true });
    await assertRejects(
      async () => await positioned.write([new Uint8Array(size)], 0),
      Error,
      "the system takes no bytes",
    );
  }
});

testWith(
  { missing: onLinux },
  "a large write that meets a limit half way fails with the system's reason and the file's name",
  async () => {
    using folder = new Folder();
    const content = noise(1 << 20, 5);
    folder.file("content", content);
    const modules = [
      "cli/files/positioned.ts",
      "cli/archive/plain_source.ts",
      "cli/archive/plain_sink.ts",
      "cli/disks/image_file.ts",
    ];
    const [positioned, source, sink, image] = modules.map((name) => JSON.stringify(new URL(name, ROOT).href));
    const script = folder.file(
      "writer.ts",
      `
      import { PositionedFile } from ${positioned};
      import { PlainSource } from ${source};
      import { PlainSink } from ${sink};
      import { ImageFile } from ${image};
      const content = Deno.readFileSync("content");
      const source = new PlainSource("content", Deno.openSync("content"));
      const write: Record<string, (path: string, file: Deno.FsFile) => unknown> = {
        a: (path, file) => new PositionedFile(file, { path, write: true }).write([content], 0),
        b: (path, file) => new PlainSink(path, file).write(content),
        c: (path, file) => new PlainSink(path, file).write(content, { source, offsetBytes: 0 }),
        d: (path, file) => new ImageFile(file, path, { write: true }).write(content, 0),
      };
      for (const [path, fill] of Object.entries(write)) {
        try {
          await fill(path, Deno.openSync(path, { read: true, write: true, createNew: true }));
        } catch (error) {
          console.log(path + ": " + error.message);
        }
      }
    `,
    );
    // The shell's unit is 512 bytes; without the trap the system would end the program.
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", 'trap "" XFSZ; ulimit -f 1001; exec "$@"', "sh", Deno.execPath(), ...denoArgs(script)],
      cwd: folder.path,
    }).output();
    const text = new TextDecoder();
    assertEquals([code, text.decode(stderr)], [0, ""]);
    assertEquals(text.decode(stdout).split("\n"), [
      "a: File too large (os error 27)",
      'b: Cannot write "b": File too large (os error 27)',
      'c: Cannot write "c": File too large (os error 27)',
      'd: Cannot write disk "d" from byte 0 on: File too large (os error 27)',
      "",
    ]);
    for (const name of ["a", "b", "c", "d"]) {
      const stored = Deno.readFileSync(folder.file(name));
      assertSameBytes(stored, content.subarray(0, 1001 * 512), name);
    }
  },
);

Deno.test("without the permission for foreign functions a disk is dumped, checked and restored", async () => {
  using folder = new Folder();
  const content = noise(3 * (1 << 20) + 512, 8);
  folder.file("a.raw", content);
  const lines = [
    "dump --mode full --blocksize 1048576 --local a.raw --dumpout a.dump --digestout a.digest",
    "check --digestin a.digest a.dump",
    "restore --create --local b.raw a.dump",
  ];
  for (const line of lines) {
    const { code, stderr } = await withoutForeignFunctions(line, folder.path);
    assertEquals([line, code, stderr], [line, 0, ""]);
  }
  assertSameBytes(Deno.readFileSync(folder.file("b.raw")), content, "restored");
});

/** Runs the program with only the permission to read and write files. Every permission prompt is denied. */
async function withoutForeignFunctions(line: string, cwd: string): Promise<{ code: number; stderr: string }> {
  const args = denoArgs().flatMap((arg) =>
    arg === "-A" ? ["--no-prompt", "--allow-read", "--allow-write", "--allow-env"] : [arg]
  );
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, ...line.split(" ")],
    cwd,
    stdin: "null",
    stdout: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}
