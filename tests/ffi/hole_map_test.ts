import { assert, assertEquals } from "@std/assert";
import type { Extent, ReadableDisk } from "../../cli/disks/disk.ts";
import { openForReading } from "../../cli/disks/open.ts";
import { HoleMap, openHoleMap } from "../../ffi/hole_map.ts";
import { assertSameBytes, Folder, noise, readByExtents, seeded } from "../disks/helpers.ts";

const MIB = 1 << 20;

/** Makes a file of holes and 1 MiB of noise at each of the given places. */
function sparseFile(path: string, { sizeBytes, dataAt }: { sizeBytes: number; dataAt: number[] }): void {
  using file = Deno.openSync(path, { write: true, create: true });
  file.truncateSync(sizeBytes);
  for (const at of dataAt) {
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(noise(MIB, at));
  }
  file.syncSync();
}

/** Whether this system and file system report holes. Otherwise everything is data, which is correct, too. */
function tellsHoles(path: string): boolean {
  using file = Deno.openSync(path);
  using map = openHoleMap(path, file);
  return map !== undefined && map.runAt(0).hole;
}

async function extentsOf(disk: ReadableDisk): Promise<[number, number, boolean][]> {
  const extents: [number, number, boolean][] = [];
  for (let at = 0; at < disk.capacityBytes;) {
    const { endBytes, zero }: Extent = await disk.extentAt(at);
    extents.push([at, endBytes, zero]);
    at = endBytes;
  }
  return extents;
}

Deno.test("openHoleMap() finds holes, data and the hole at the end", async () => {
  using folder = new Folder();
  const path = folder.file("a.raw");
  sparseFile(path, { sizeBytes: 16 * MIB, dataAt: [4 * MIB, 8 * MIB] });
  if (!tellsHoles(path)) return;
  using disk = await openForReading(path);
  assertEquals(await extentsOf(disk), [
    [0, 4 * MIB, true],
    [4 * MIB, 5 * MIB, false],
    [5 * MIB, 8 * MIB, true],
    [8 * MIB, 9 * MIB, false],
    [9 * MIB, 16 * MIB, true],
  ]);
  assertEquals(
    disk.extentAt(8 * MIB + 5),
    { endBytes: 9 * MIB, zero: false },
  );
});

Deno.test("openHoleMap() calls a file without holes data, and a file without data a hole", async () => {
  using folder = new Folder();
  const full = folder.file("full.raw", noise(3 * MIB + 1, 1));
  using data = await openForReading(full);
  assertEquals(await extentsOf(data), [[0, 3 * MIB + 1, false]]);
  const empty = folder.file("empty.raw");
  sparseFile(empty, { sizeBytes: 3 * MIB + 1, dataAt: [] });
  if (!tellsHoles(empty)) return;
  using hole = await openForReading(empty);
  assertEquals(await extentsOf(hole), [[0, 3 * MIB + 1, true]]);
});

Deno.test("openHoleMap() scans a sparse file of 4 TiB at once", async () => {
  using folder = new Folder();
  const path = folder.file("big.raw");
  const size = 4 * 2 ** 40;
  try {
    sparseFile(path, { sizeBytes: size, dataAt: [3 * 2 ** 40] });
  } catch {
    return; // The file system has no files of that size.
  }
  if (!tellsHoles(path)) return;
  const began = performance.now();
  using disk = await openForReading(path);
  const at = 3 * 2 ** 40;
  assertEquals(await extentsOf(disk), [[0, at, true], [at, at + MIB, false], [at + MIB, size, true]]);
  assert(performance.now() - began < 1000);
  const into = new Uint8Array(MIB);
  await disk.read(into, at);
  assertSameBytes(into, noise(MIB, at), "beyond 2^32 sectors");
});

Deno.test("openHoleMap() never reports data as a hole, whatever the pattern", async () => {
  using folder = new Folder();
  const seed = 20120715;
  const random = seeded(seed);
  for (let round = 0; round < 10; round++) {
    const path = folder.file(`${round}.raw`);
    const expected = new Uint8Array(1 + random(4 * MIB));
    {
      using file = Deno.openSync(path, { write: true, create: true });
      file.truncateSync(expected.length);
      for (let i = 0; i < 20; i++) {
        const at = random(expected.length);
        const bytes = noise(Math.min(1 + random(9000), expected.length - at), i);
        file.seekSync(at, Deno.SeekMode.Start);
        file.writeSync(bytes);
        expected.set(bytes, at);
      }
      // It is not synced: pages that are only in memory must count as data.
    }
    using disk = await openForReading(path);
    assertSameBytes(await readByExtents(disk), expected, `seed ${seed}, round ${round}`);
  }
});

Deno.test("openHoleMap() refuses a path that has become another file", () => {
  using folder = new Folder();
  const path = folder.file("a.raw");
  sparseFile(path, { sizeBytes: MIB, dataAt: [] });
  using file = Deno.openSync(path);
  Deno.renameSync(path, folder.file("b.raw"));
  assertEquals(openHoleMap(path, file), undefined);
  sparseFile(path, { sizeBytes: MIB, dataAt: [] });
  assertEquals(openHoleMap(path, file), undefined);
});

Deno.test("openHoleMap() reports data if the system call fails", () => {
  using folder = new Folder();
  const path = folder.file("a.raw");
  sparseFile(path, { sizeBytes: 4 * MIB, dataAt: [MIB] });
  using file = Deno.openSync(path);
  using map = openHoleMap(path, file);
  // A file that has shrunk: every lseek beyond its end fails with ENXIO.
  Deno.truncateSync(path, MIB);
  if (map !== undefined) assertEquals(map.runAt(2 * MIB), { endBytes: 4 * MIB, hole: false });
});

Deno.test("HoleMap reports a hole only if all answers agree", () => {
  const size = 1000;
  const [end, data, hole, enxio, eio] = [2, 3, 4, 6, 5];
  const errno = new Int32Array(1);
  const answers = new Map<string, number>();
  const libc = {
    calls: {
      open: () => 7,
      lseek: (_fd: number, offset: bigint, whence: number) =>
        BigInt(whence === end ? size : answers.get(`${whence}@${offset}`) ?? -1),
      close: () => 0,
      errnoLocation: () => Deno.UnsafePointer.of(errno),
    },
    system: { libraries: [], errno: "", closeOnExec: 0, seekData: data, seekHole: hole },
    [Symbol.dispose]: () => {},
  };
  using map = new HoleMap("fake", libc as unknown as ConstructorParameters<typeof HoleMap>[1]);
  const ask = (error: number, given: Record<string, number>) => {
    errno[0] = error;
    answers.clear();
    for (const [call, answer] of Object.entries(given)) answers.set(call, answer);
    return map.runAt(100);
  };
  const allData = { endBytes: size, hole: false };
  assertEquals(ask(0, { "4@100": 100, "3@100": 300 }), { endBytes: 300, hole: true });
  assertEquals(ask(enxio, { "4@100": 100, "4@999": 999 }), { endBytes: size, hole: true });
  assertEquals(ask(0, { "4@100": 400, "3@100": 100 }), { endBytes: 400, hole: false });
  assertEquals(ask(eio, { "4@100": 100, "4@999": 999 }), allData, "an I/O error of SEEK_DATA");
  assertEquals(ask(enxio, { "4@100": 100, "4@999": 1000 }), allData, "data in the last byte");
  assertEquals(ask(enxio, {}), allData, "an error of SEEK_HOLE");
  assertEquals(ask(0, { "4@100": 100, "3@100": 100 }), allData, "hole and data in one place");
  assertEquals(ask(0, { "4@100": 100, "3@100": 50 }), allData, "data before the place");
  assertEquals(ask(0, { "4@100": 50, "3@100": 300 }), allData, "a hole before the place");
  assertEquals(ask(0, { "4@100": 100, "3@100": 5000 }), allData, "data beyond the end");
  assertEquals(ask(0, { "4@100": 5000 }), allData, "a hole beyond the end");
});

Deno.test({
  name: "openHoleMap() needs only the permission for the C library",
  permissions: { ffi: ["libc.so.6"], read: true, write: true },
  ignore: Deno.build.os !== "linux",
  fn: () => {
    using folder = new Folder();
    const path = folder.file("a.raw");
    sparseFile(path, { sizeBytes: MIB, dataAt: [] });
    using file = Deno.openSync(path);
    using map = openHoleMap(path, file);
    assert(map === undefined || map.runAt(0).endBytes === MIB);
  },
});

Deno.test({
  name: "openHoleMap() returns undefined without the FFI permission, and does not ask for it",
  permissions: { ffi: false, read: true, write: true },
  fn: async () => {
    using folder = new Folder();
    const path = folder.file("a.raw");
    sparseFile(path, { sizeBytes: MIB, dataAt: [] });
    using disk = await openForReading(path);
    assertEquals(await disk.extentAt(5), { endBytes: MIB, zero: false });
  },
});
