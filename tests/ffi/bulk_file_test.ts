import { Buffer } from "node:buffer";
import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { BulkFile, openBulkFile } from "../../ffi/bulk_file.ts";
import { O_RDONLY, openDescriptor, useLibc } from "../../ffi/libc.ts";
import { assertSameBytes, Folder, noise, seeded } from "../disks/helpers.ts";
import { testWith } from "../support/skip.ts";

const MIB = 1 << 20;
const missing = Deno.build.os === "windows" ? "there is no C library that we know" : undefined;
const onLinux = Deno.build.os === "linux" ? undefined : "it takes Linux";

/** A file that is opened twice: by Deno, and for calls on other threads. */
class Twice implements Disposable {
  readonly file: Deno.FsFile;
  readonly bulk: BulkFile;

  constructor(readonly path: string, { write = false } = {}) {
    this.file = Deno.openSync(path, { read: true, write });
    const bulk = openBulkFile(path, this.file, { write });
    if (bulk === undefined) throw new Error(`${path} does not open a second time`);
    this.bulk = bulk;
  }

  [Symbol.dispose](): void {
    this.bulk[Symbol.dispose]();
    this.file.close();
  }
}

/** Memory of both kinds. */
function memories(lenBytes: number): Record<"plain" | "shared", Uint8Array> {
  return {
    plain: new Uint8Array(lenBytes),
    shared: new Uint8Array(new SharedArrayBuffer(lenBytes)),
  };
}

/** Returns the number of descriptors of this process that are open on `path`. */
function descriptorsOf(path: string): number {
  const links = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      // The descriptor that lists the folder is closed by now.
      return undefined;
    }
  });
  return links.filter((link) => link === Deno.realPathSync(path)).length;
}

const OFFSETS = [0, 1, 511, 4095, 4096, 4097, 65_535, 300_000];
const LENGTHS = [0, 1, 4095, 4096, 131_072, 250_001];

testWith({ missing }, "BulkFile reads at any offset into plain and shared memory", async () => {
  using folder = new Folder();
  const content = noise(600_011, 1);
  using source = new Twice(folder.file("a", content));
  for (const offset of OFFSETS) {
    for (const length of LENGTHS) {
      for (const [kind, memory] of Object.entries(memories(length + 20))) {
        memory.fill(0xee);
        assertEquals(await source.bulk.read(memory.subarray(7, 7 + length), offset), length);
        const expected = new Uint8Array(length + 20).fill(0xee);
        expected.set(content.subarray(offset, offset + length), 7);
        assertSameBytes(memory.slice(), expected, `${length} bytes at ${offset}, ${kind} memory`);
      }
    }
  }
});

testWith(
  { missing },
  "BulkFile writes at any offset from plain and shared memory, and nothing else",
  async () => {
    using folder = new Folder();
    const content = noise(600_011, 1);
    const path = folder.file("a", content);
    using target = new Twice(path, { write: true });
    let seed = 0;
    for (const offset of OFFSETS) {
      for (const length of LENGTHS) {
        for (const [kind, memory] of Object.entries(memories(length + 20))) {
          memory.set(noise(length + 20, seed++));
          assertEquals(await target.bulk.write([memory.subarray(7, 7 + length)], offset), length);
          content.set(memory.subarray(7, 7 + length), offset);
          assertSameBytes(Deno.readFileSync(path), content, `${length} bytes at ${offset}, ${kind} memory`);
        }
      }
    }
  },
);

testWith({ missing }, "BulkFile reads, writes and copies beyond 2^32 bytes", async () => {
  using folder = new Folder();
  const path = folder.file("a", "");
  const size = 2 ** 33 + MIB;
  Deno.truncateSync(path, size);
  using target = new Twice(path, { write: true });
  using source = new Twice(path);
  const bytes = noise(200_001, 3);
  for (const offset of [2 ** 31 - 5, 2 ** 32 - 100_000, 2 ** 32, 2 ** 33 + 1]) {
    assertEquals(await target.bulk.write([bytes], offset), bytes.length);
    const into = new Uint8Array(bytes.length);
    source.file.seekSync(offset, Deno.SeekMode.Start);
    for (let done = 0; done < into.length;) done += source.file.readSync(into.subarray(done)) ?? into.length;
    assertSameBytes(into, bytes, `written at ${offset}`);
    assertEquals(await source.bulk.read(into.fill(0), offset), bytes.length);
    assertSameBytes(into, bytes, `read at ${offset}`);
  }
  const range = { fromBytes: 2 ** 33 + 1, toBytes: 2 ** 32 + MIB, lenBytes: bytes.length };
  const copied = await target.bulk.copyFrom(source.bulk, range);
  const into = new Uint8Array(copied);
  assertEquals(await source.bulk.read(into, range.toBytes), copied);
  assertSameBytes(into, bytes.subarray(0, copied), "copied");
  assertEquals(source.file.statSync().size, size);
});

testWith(
  { missing },
  "BulkFile.read() gives fewer bytes at the end of the file, none behind it",
  async () => {
    using folder = new Folder();
    const content = noise(5000, 1);
    using source = new Twice(folder.file("a", content));
    for (
      const [offset, expected] of [[0, 5000], [1, 4999], [4096, 904], [4999, 1], [5000, 0], [2 ** 40, 0]]
    ) {
      for (const [kind, into] of Object.entries(memories(200_000))) {
        into.fill(0xee);
        assertEquals(await source.bulk.read(into, offset), expected, `from ${offset}, ${kind} memory`);
        assertSameBytes(into.slice(0, expected), content.subarray(offset), `from ${offset}`);
        assertEquals(into.findIndex((byte, at) => at >= expected && byte !== 0xee), -1);
      }
    }
  },
);

testWith({ missing }, "BulkFile.write() lets the file grow", async () => {
  using folder = new Folder();
  const path = folder.file("a", "");
  using target = new Twice(path, { write: true });
  const content = noise(300_000, 1);
  assertEquals(await target.bulk.write([content.subarray(200_000)], 200_000), 100_000);
  assertEquals(await target.bulk.write([content.subarray(0, 200_000)], 0), 200_000);
  assertSameBytes(Deno.readFileSync(path), content, "written");
});

testWith({ missing }, "BulkFile leaves the position of the file alone", async () => {
  using folder = new Folder();
  const path = folder.file("a", noise(1000, 1));
  using target = new Twice(path, { write: true });
  target.file.seekSync(17, Deno.SeekMode.Start);
  await target.bulk.write([new Uint8Array(100)], 500);
  using source = new Twice(path);
  await source.bulk.read(new Uint8Array(100), 500);
  await target.bulk.copyFrom(source.bulk, { fromBytes: 0, toBytes: 700, lenBytes: 200 });
  assertEquals(target.file.seekSync(0, Deno.SeekMode.Current), 17);
});

testWith({ missing }, "BulkFile returns the bytes done before a call that fails", async () => {
  using folder = new Folder();
  using forReading = new Twice(folder.file("a", noise(1000, 1)));
  assertEquals(await forReading.bulk.write([new Uint8Array(10)], 0), 0, "not opened for writing");
  using forWriting = new Twice(folder.file("b", noise(1000, 1)), { write: true });
  assertEquals(await forWriting.bulk.read(new Uint8Array(10), 0), 0, "not opened for reading");
});

testWith({ missing }, "BulkFile.copyFrom() copies the range and nothing else", async () => {
  using folder = new Folder();
  const bytes = noise(400_000, 1);
  using source = new Twice(folder.file("a", bytes));
  const random = seeded(7);
  for (let round = 0; round < 30; round++) {
    const expected = noise(400_000, 100 + round);
    const path = folder.file("b", expected);
    using target = new Twice(path, { write: true });
    // Whole pages now and then, which a file system can share.
    const unit = round % 3 === 0 ? 4096 : 1;
    const [fromBytes, toBytes] = [random(200_000), random(200_000)].map((at) => at - at % unit);
    const lenBytes = 1 + random(199_999);
    const copied = await target.bulk.copyFrom(source.bulk, { fromBytes, toBytes, lenBytes });
    assert(copied === lenBytes || copied === 0, `${copied} of ${lenBytes}`);
    expected.set(bytes.subarray(fromBytes, fromBytes + copied), toBytes);
    assertSameBytes(
      Deno.readFileSync(path),
      expected,
      `round ${round}: ${lenBytes} from ${fromBytes} to ${toBytes}`,
    );
  }
});

testWith({ missing: onLinux }, "BulkFile.copyFrom() stops at the end of the source", async () => {
  using folder = new Folder();
  const bytes = noise(100_000, 1);
  using source = new Twice(folder.file("a", bytes));
  const path = folder.file("b", "");
  using target = new Twice(path, { write: true });
  const lenBytes = 2 * MIB;
  const copied = await target.bulk.copyFrom(source.bulk, { fromBytes: 60_000, toBytes: 0, lenBytes });
  assertSameBytes(Deno.readFileSync(path), bytes.subarray(60_000, 60_000 + copied), "copied");
  assert(copied === 40_000 || copied === 0);
  assertEquals(await target.bulk.copyFrom(source.bulk, { fromBytes: 100_000, toBytes: 0, lenBytes }), 0);
});

testWith(
  { missing: onLinux },
  "BulkFile.copyFrom() copies nothing within overlapping ranges of one file",
  async () => {
    using folder = new Folder();
    const bytes = noise(100_000, 1);
    const path = folder.file("a", bytes);
    using source = new Twice(path);
    using target = new Twice(path, { write: true });
    assertEquals(await target.bulk.copyFrom(source.bulk, { fromBytes: 0, toBytes: 10, lenBytes: 90_000 }), 0);
    assertSameBytes(Deno.readFileSync(path), bytes, "afterwards");
  },
);

const memoryFolder = onLinux ??
  (isOtherFileSystem("/dev/shm") ? undefined : "/dev/shm is no file system of its own");

testWith(
  { missing: memoryFolder },
  "BulkFile.copyFrom() copies all or nothing to another file system",
  async () => {
    using folder = new Folder();
    const bytes = noise(300_000, 1);
    using source = new Twice(folder.file("a", bytes));
    const path = Deno.makeTempFileSync({ dir: "/dev/shm", prefix: "vmdkbkp-" });
    try {
      using target = new Twice(path, { write: true });
      const copied = await target.bulk.copyFrom(source.bulk, {
        fromBytes: 0,
        toBytes: 0,
        lenBytes: bytes.length,
      });
      assertSameBytes(Deno.readFileSync(path), bytes.subarray(0, copied), "copied");
      assert(copied === 0 || copied === bytes.length);
    } finally {
      Deno.removeSync(path);
    }
  },
);

testWith({ missing }, "openBulkFile() refuses a path that has become another file, or none", () => {
  using folder = new Folder();
  const path = folder.file("a", noise(100, 1));
  using file = Deno.openSync(path);
  Deno.renameSync(path, folder.file("b"));
  assertEquals(openBulkFile(path, file, { write: false }), undefined);
  folder.file("a", noise(100, 1));
  assertEquals(openBulkFile(path, file, { write: false }), undefined);
  using other = openBulkFile(folder.file("b"), file, { write: false });
  assert(other !== undefined, "by its new name it opens");
});

testWith(
  { missing: onLinux },
  "openBulkFile() waits for no pipe, neither the file itself nor one in its place",
  () => {
    using folder = new Folder();
    const path = folder.file("pipe");
    new Deno.Command("mkfifo", { args: [path] }).outputSync();
    {
      // Both ends at once, which does not wait on Linux.
      using pipe = Deno.openSync(path, { read: true, write: true });
      for (const write of [false, true]) assertEquals(openBulkFile(path, pipe, { write }), undefined);
      assertEquals(descriptorsOf(path), 1);
    }
    using file = Deno.openSync(folder.file("a", "x"));
    Deno.renameSync(path, folder.file("a"));
    for (const write of [false, true]) {
      assertEquals(openBulkFile(folder.file("a"), file, { write }), undefined);
    }
  },
);

testWith({ missing: onLinux }, "BulkFile does nothing on a pipe", async () => {
  using folder = new Folder();
  const path = folder.file("pipe");
  new Deno.Command("mkfifo", { args: [path] }).outputSync();
  using pipe = Deno.openSync(path, { read: true, write: true });
  pipe.writeSync(noise(1000, 1));
  const libc = useLibc()!;
  using source = new BulkFile(libc, openDescriptor(libc, path, O_RDONLY));
  using target = new Twice(folder.file("a", "kept"), { write: true });
  assertEquals(await source.read(new Uint8Array(10), 0), 0);
  assertEquals(await target.bulk.copyFrom(source, { fromBytes: 0, toBytes: 0, lenBytes: 10 }), 0);
  assertEquals(Deno.readTextFileSync(target.path), "kept");
});

testWith(
  { missing: onLinux },
  "BulkFile that is disposed of during calls closes its file after the last one",
  async () => {
    using folder = new Folder();
    const content = noise(8 * MIB, 1);
    const [from, to] = [folder.file("a", content), folder.file("b", "")];
    const source = new Twice(from);
    const target = new Twice(to, { write: true });
    const parts = Array.from(
      { length: 8 },
      (_, i) => memories(content.length)[i % 2 ? "plain" : "shared"].fill(0xee),
    );
    const reads = parts.map((part, i) => source.bulk.read(part, i));
    const write = target.bulk.write([content.subarray(MIB)], MIB);
    const copy = target.bulk.copyFrom(source.bulk, { fromBytes: 0, toBytes: 0, lenBytes: MIB });
    source[Symbol.dispose]();
    target[Symbol.dispose]();
    // No call can have returned yet.
    assertEquals([descriptorsOf(from), descriptorsOf(to)], [1, 1]);
    // A number that was freed too early would be one of these.
    const others = parts.map((_, i) => Deno.openSync(folder.file(`other${i}`, noise(MIB, 50 + i))));

    for (const [i, done] of (await Promise.all(reads)).entries()) {
      const expected = new Uint8Array(content.length).fill(0xee);
      expected.set(content.subarray(i, i + done));
      assertSameBytes(parts[i].slice(), expected, `read ${i}: ${done} bytes`);
      assert(done <= content.length - i);
    }
    const [written, copied] = [await write, await copy];
    const stored = Deno.readFileSync(to);
    assertSameBytes(stored.subarray(MIB, MIB + written), content.subarray(MIB, MIB + written), "written");
    assertSameBytes(stored.subarray(0, copied), content.subarray(0, copied), "copied");
    assertEquals([descriptorsOf(from), descriptorsOf(to)], [0, 0]);
    for (const other of others) other.close();
  },
);

testWith({ missing }, "BulkFile does nothing after it is disposed of, and closes once", async () => {
  using folder = new Folder();
  const [from, to] = [folder.file("a", noise(1000, 1)), folder.file("b", "kept")];
  const closed = new Twice(from, { write: true });
  closed[Symbol.dispose]();
  closed.bulk[Symbol.dispose]();
  // The closed numbers now belong to these.
  using source = new Twice(from);
  using target = new Twice(to, { write: true });
  const range = { fromBytes: 0, toBytes: 0, lenBytes: 1000 };
  assertEquals(await closed.bulk.read(new Uint8Array(10), 0), 0);
  assertEquals(await closed.bulk.write([new Uint8Array(10)], 0), 0);
  assertEquals(await closed.bulk.copyFrom(source.bulk, range), 0);
  assertEquals(await target.bulk.copyFrom(closed.bulk, range), 0);
  assertEquals(Deno.readTextFileSync(to), "kept");
  assertEquals(await source.bulk.read(new Uint8Array(2000), 0), 1000);
  assertEquals(await target.bulk.write([new Uint8Array(10)], 0), 10);
});

testWith({ missing }, "useLibc() keeps the library loaded until the last user disposes of it", async () => {
  using folder = new Folder();
  const path = folder.file("a", noise(1000, 1));
  const first = useLibc()!;
  const second = useLibc()!;
  assertStrictEquals(first.calls, second.calls);
  first[Symbol.dispose]();
  const bulk = new BulkFile(second, openDescriptor(second, path, O_RDONLY));
  assertEquals(await bulk.read(new Uint8Array(2000), 0), 1000);

  const late = bulk.read(new Uint8Array(2000), 0);
  bulk[Symbol.dispose]();
  {
    using third = useLibc()!;
    assertStrictEquals(third.calls, second.calls, "a call is under way");
  }
  assertEquals(await late, 1000);
  using fourth = useLibc()!;
  assertNotStrictEquals(fourth.calls, second.calls, "loaded anew");
});

Deno.test({
  name: "openBulkFile() opens nothing without the FFI permission, and does not ask for it",
  permissions: { ffi: false, read: true, write: true },
  fn: () => {
    using folder = new Folder();
    const path = folder.file("a", "x");
    using file = Deno.openSync(path);
    assertEquals(openBulkFile(path, file, { write: false }), undefined);
  },
});

function isOtherFileSystem(path: string): boolean {
  using folder = new Folder();
  try {
    return Deno.statSync(path).dev !== Deno.statSync(folder.path).dev;
  } catch {
    return false;
  }
}

Deno.test("BulkFile.write() writes many parts with few calls, in order and without a gap", async () => {
  using folder = new Folder();
  for (const count of [2, 1023, 1024, 1025, 3000]) {
    const path = folder.file(`parts-${count}`, "");
    using file = Deno.openSync(path, { read: true, write: true });
    using bulk = openBulkFile(path, file, { write: true })!;
    const memory = new Uint8Array(new SharedArrayBuffer(count * 70));
    memory.set(noise(memory.length, count));
    const parts = Array.from({ length: count }, (_, i) => memory.subarray(i * 70, i * 70 + (i % 71)));
    const expected = new Uint8Array(Buffer.concat(parts));
    assertEquals(await bulk.write(parts, 4099), expected.length);
    const written = Deno.readFileSync(path);
    assertSameBytes(written.subarray(4099), expected, `${count} parts`);
  }
});
