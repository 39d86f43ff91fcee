import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { openForReading, openForWriting } from "../../../../../cli/disks/open.ts";
import { FormatError, UsageError } from "../../../../../cli/errors.ts";
import {
  assertRandomReads,
  assertSameBytes,
  Folder,
  noise,
  patchyDisk,
  qemuImg,
  qemuTest,
  readByExtents,
  seeded,
} from "../../../helpers.ts";
import { buildSparse, descriptorText, isZero, type SparseImage, type SparseShape } from "../../builder.ts";

const SIZES = [1, 127, 128, 129, 65535, 65536, 65537];
const GRAIN = 65536;

/** The numbers of the grains that are not zero, shuffled. */
function shuffledGrains(disk: Uint8Array, seed: number): number[] {
  const grains: number[] = [];
  for (let grain = 0; grain * GRAIN < disk.length; grain++) {
    if (!isZero(disk.subarray(grain * GRAIN, (grain + 1) * GRAIN))) grains.push(grain);
  }
  const random = seeded(seed);
  for (let i = grains.length - 1; i > 0; i--) {
    const other = random(i + 1);
    [grains[i], grains[other]] = [grains[other], grains[i]];
  }
  return grains;
}

Deno.test("openForReading() reads sparse VMDKs of every awkward size", async () => {
  using folder = new Folder();
  for (const sectors of SIZES) {
    const expected = patchyDisk(sectors, sectors);
    const shapes: SparseShape[] = [
      {},
      { order: shuffledGrains(expected, sectors) },
      { sparseTables: true, shortLastGrain: true },
    ];
    for (const [index, shape] of shapes.entries()) {
      const { bytes } = buildSparse(expected, shape);
      using disk = await openForReading(folder.file("s.vmdk", bytes));
      const message = `${sectors} sectors, shape ${index}`;
      assertEquals([disk.format, disk.capacityBytes, disk.adapterType], [
        "monolithicSparse",
        sectors * 512,
        3,
      ]);
      assertSameBytes(await readByExtents(disk), expected, message);
      await assertRandomReads(disk, expected, { seed: sectors, count: 40 });
    }
  }
});

Deno.test("openForReading() reads sparse VMDKs of zeros and of noise only", async () => {
  using folder = new Folder();
  for (const expected of [new Uint8Array(700 * 512), noise(700 * 512, 1)]) {
    using disk = await openForReading(folder.file("s.vmdk", buildSparse(expected).bytes));
    assertEquals(await disk.extentAt(5), { endBytes: expected.length, zero: expected[0] === 0 });
    await assertRandomReads(disk, expected, { seed: 5, count: 40 });
  }
});

Deno.test("extentAt() joins grains of one kind and steps over missing tables", async () => {
  using folder = new Folder();
  const expected = new Uint8Array(5 * 512 * GRAIN - 512);
  for (const grain of [3, 4, 5, 2000]) expected.fill(grain % 251, grain * GRAIN, (grain + 1) * GRAIN);
  for (const sparseTables of [true, false]) {
    const { bytes } = buildSparse(expected, { order: [4, 3, 2000, 5], sparseTables });
    using disk = await openForReading(folder.file("s.vmdk", bytes));
    const ends = [];
    for (let at = 0; at < disk.capacityBytes;) {
      const { endBytes, zero } = await disk.extentAt(at);
      ends.push([endBytes, zero]);
      at = endBytes;
    }
    assertEquals(ends, [
      [3 * GRAIN, true],
      [6 * GRAIN, false],
      [2000 * GRAIN, true],
      [2001 * GRAIN, false],
      [expected.length, true],
    ]);
    await assertRandomReads(disk, expected, { seed: 11, count: 40 });
  }
});

Deno.test("extentAt() reports zeroed grains as zeros", async () => {
  using folder = new Folder();
  const expected = patchyDisk(1000, 8);
  expected.fill(0, GRAIN, 3 * GRAIN);
  const { bytes } = buildSparse(expected, { zeroed: [1, 2] });
  using disk = await openForReading(folder.file("s.vmdk", bytes));
  assertEquals((await disk.extentAt(GRAIN)).zero, true);
  assertSameBytes(await readByExtents(disk), expected, "zeroed grains");
});

Deno.test("openForReading() uses the size in the extent line if the header rounds it up", async () => {
  using folder = new Folder();
  const disk128 = noise(128 * 512, 1);
  using disk = await openForReading(folder.file("s.vmdk", buildSparse(disk128, { lineSectors: 100 }).bytes));
  assertEquals(disk.capacityBytes, 100 * 512);
  assertSameBytes(await readByExtents(disk), disk128.subarray(0, 100 * 512), "100 sectors");
});

Deno.test("openForReading() opens and scans a disk of 64 TiB without tables at once", async () => {
  using folder = new Folder();
  const image = buildSparse(new Uint8Array(512));
  const view = new DataView(image.bytes.buffer);
  const directorySector = image.bytes.length / 512;
  view.setBigUint64(12, 2n ** 37n, true);
  view.setBigUint64(56, BigInt(directorySector), true);
  const text = descriptorText(['RW 137438953472 SPARSE "x"']);
  image.bytes.fill(0, 512, 21 * 512);
  image.bytes.set(new TextEncoder().encode(text), 512);
  const path = folder.file("s.vmdk", image.bytes);
  Deno.truncateSync(path, directorySector * 512 + 2 ** 21 * 4);
  const began = performance.now();
  using disk = await openForReading(path);
  assertEquals(await disk.extentAt(0), { endBytes: 2 ** 46, zero: true });
  assert(performance.now() - began < 2000);
});

Deno.test("openForReading() opens a disk of 2 TiB without reading all of its tables", async () => {
  using folder = new Folder();
  const image = buildSparse(new Uint8Array(512));
  const view = new DataView(image.bytes.buffer);
  const [tables, directorySector, tablesSector] = [65536, 128, 1024];
  view.setBigUint64(12, 2n ** 32n, true);
  view.setBigUint64(56, BigInt(directorySector), true);
  view.setBigUint64(64, BigInt(tablesSector + 4 * tables), true);
  image.bytes.fill(0, 512, 21 * 512);
  image.bytes.set(new TextEncoder().encode(descriptorText(['RW 4294967296 SPARSE "x"'])), 512);
  const path = folder.file("s.vmdk", image.bytes.subarray(0, 21 * 512));
  const sectors = Uint32Array.from({ length: tables }, (_, i) => tablesSector + 4 * i);
  // The first table has a grain, and the other tables around it are holes of the file.
  const grain = tablesSector + 4 * tables;
  {
    using file = Deno.openSync(path, { write: true });
    const write = (bytes: Uint8Array, at: number) => {
      file.seekSync(at, Deno.SeekMode.Start);
      file.writeSync(bytes);
    };
    write(new Uint8Array(sectors.buffer), directorySector * 512);
    write(new Uint8Array(Uint32Array.of(0, grain).buffer), (tablesSector + 4 * 40_000) * 512);
    write(noise(GRAIN, 1), grain * 512);
  }
  using _loads = await openForReading(path);
  const began = performance.now();
  using disk = await openForReading(path);
  const { endBytes, zero } = await disk.extentAt(0);
  assert(endBytes >= 64 << 20 && zero);
  const at = 40_000 * 512 * GRAIN + GRAIN;
  const bytes = new Uint8Array(GRAIN + 2);
  await disk.read(bytes, at - 1);
  assert(performance.now() - began < 250, `${performance.now() - began} ms`);
  assertSameBytes(bytes.subarray(1, -1), noise(GRAIN, 1), "the grain");
  assertEquals([bytes[0], bytes.at(-1)], [0, 0]);
});

Deno.test("openForReading() warns of a file that was not closed", async () => {
  using folder = new Folder();
  const { bytes } = buildSparse(patchyDisk(200, 1));
  bytes[72] = 1;
  const warnings: string[] = [];
  const path = folder.file("s.vmdk", bytes);
  using _disk = await openForReading(path, { warn: (message) => warnings.push(message) });
  assertEquals(warnings, [`Disk "${path}" was not closed by its last writer, it may be incomplete`]);
});

/** Damage of an image of 12 grains, and the message when it is opened or read. */
const HOSTILE: [string, (view: DataView, image: SparseImage) => void, string][] = [
  ["version 4", (view) => view.setUint32(4, 4, true), "the header has version 4, at most 3 is known"],
  ["version 0", (view) => view.setUint32(4, 0, true), "the header has version 0"],
  [
    "incompatible flag",
    (view) => view.setUint32(8, 0x40003, true),
    "the flags 0x40003, some of which are unknown",
  ],
  ["highest flag", (view) => view.setUint32(8, 0x80000003, true), "the flags 0x80000003, some"],
  ["markers only", (view) => view.setUint32(8, 0x20003, true), "compression and markers go together"],
  ["no markers", (view) => view.setUint32(8, 0x10003, true), "compression and markers go together"],
  ["algorithm", (view) => view.setUint16(77, 1, true), "the compression algorithm is 1, 0 (none) is wanted"],
  ["newlines", (view) => view.setUint8(73, 0x0d), "the file was changed by a text-mode transfer"],
  ["capacity 0", (view) => view.setBigUint64(12, 0n, true), "the capacity is 0 sectors"],
  [
    "capacity",
    (view) => view.setBigUint64(12, 2n ** 63n - 1n, true),
    "the capacity is 9223372036854775807 sectors",
  ],
  ["grain size 0", (view) => view.setBigUint64(20, 0n, true), "the grain size is 0 sectors, a power of two"],
  [
    "grain size 100",
    (view) => view.setBigUint64(20, 100n, true),
    "the grain size is 100 sectors, a power of two",
  ],
  ["grain size 4096", (view) => view.setBigUint64(20, 4096n, true), "a power of two up to 2048 is wanted"],
  ["GT entries 0", (view) => view.setUint32(44, 0, true), "a grain table has 0 entries"],
  ["GT entries 2^30", (view) => view.setUint32(44, 2 ** 30, true), "a grain table has 1073741824 entries"],
  ["GD entries", (view) => {
    view.setBigUint64(12, 2n ** 37n, true);
    view.setBigUint64(20, 1n, true);
    view.setUint32(44, 2, true);
  }, "the grain directory would have 68719476736 entries, at most 4194304 are accepted"],
  [
    "GD beyond the end",
    (view) => view.setBigUint64(56, 1n << 30n, true),
    "the grain directory at sector 1073741824",
  ],
  ["GD half beyond the end", (view) => {
    view.setBigUint64(12, 2n ** 37n, true);
  }, "the grain directory at sector 26 needs 8388608 bytes"],
  [
    "GD overflow",
    (view) => view.setBigUint64(56, 2n ** 55n, true),
    "the grain directory at sector 36028797018963968",
  ],
  ["GD 0", (view) => view.setBigUint64(56, 0n, true), "it has no grain directory"],
  [
    "GD in a footer",
    (view) => view.setBigUint64(56, 2n ** 64n - 1n, true),
    "which only compressed files have",
  ],
  ["overHead", (view) => view.setBigUint64(64, 2n ** 60n, true), "the first grain is said to lie at sector"],
  ["descriptor of 1 GiB", (view) => {
    view.setBigUint64(36, 2097152n, true);
  }, "the descriptor has 2097152 sectors, at most 2048 are accepted"],
  [
    "descriptor beyond the end",
    (view) => view.setBigUint64(28, 1n << 20n, true),
    "the descriptor at sector 1048576",
  ],
  [
    "no descriptor",
    (view) => view.setBigUint64(28, 0n, true),
    "it is an extent of a split disk, open the descriptor",
  ],
  ["table beyond the end", (view, image) => {
    view.setUint32(image.directoryBytes, 2 ** 30, true);
  }, "grain table 0 lies at sector 1073741824, the file has"],
  ["table half beyond the end", (view, image) => {
    view.setUint32(image.directoryBytes, image.bytes.length / 512 - 3, true);
  }, "grain table 0 lies at sector"],
  [
    "table 1",
    (view, image) => view.setUint32(image.directoryBytes, 1, true),
    "grain table 0 lies at sector 1,",
  ],
  ["grain beyond the end", (view, image) => {
    view.setUint32(image.entryBytes(9), 2 ** 30, true);
  }, "grain 9 lies at sector 1073741824, the file has 1664"],
  ["grain half beyond the end", (view, image) => {
    view.setUint32(image.entryBytes(9), image.bytes.length / 512 - 127, true);
  }, "grain 9 lies at sector 1537, the file has 1664"],
  ["grain in the metadata", (view, image) => {
    view.setUint32(image.entryBytes(9), 5, true);
  }, "grain 9 lies in the metadata, at sector 5"],
  ["grain 1 without the flag", (view, image) => {
    view.setUint32(image.entryBytes(9), 1, true);
  }, "grain 9 lies in the metadata, at sector 1"],
];

Deno.test("openForReading() refuses damaged and hostile sparse VMDKs", async () => {
  using folder = new Folder();
  for (const [name, damage, message] of HOSTILE) {
    const image = buildSparse(noise(12 * GRAIN, 1));
    damage(new DataView(image.bytes.buffer), image);
    const path = folder.file("s.vmdk", image.bytes);
    const error = await assertRejects(
      async () => {
        using disk = await openForReading(path);
        await readByExtents(disk);
      },
      FormatError,
      undefined,
      name,
    );
    assertStringIncludes(error.message, message, name);
    assertStringIncludes(error.message, `disk "${path}": `, name);
    assertEquals(error.fault.path, path);
  }
});

Deno.test("openForReading() refuses truncated sparse VMDKs", async () => {
  using folder = new Folder();
  const { bytes } = buildSparse(noise(3 * GRAIN, 1));
  for (const length of [4, 511, 512, 600, 21 * 512, 26 * 512 + 3, 31 * 512, 65536, bytes.length - 1]) {
    const path = folder.file("s.vmdk", bytes.subarray(0, length));
    await assertRejects(
      async () => {
        using disk = await openForReading(path);
        await readByExtents(disk);
      },
      FormatError,
      "Cannot",
      `${length} bytes`,
    );
  }
});

Deno.test("openForReading() refuses embedded descriptors of another disk", async () => {
  using folder = new Folder();
  const cases: [string, string][] = [
    [descriptorText(['RW 9 SPARSE "x"', "RW 1 ZERO"]), "the embedded descriptor has several extents"],
    [descriptorText(['RW 9 FLAT "x" 0']), "the embedded descriptor has an extent RW of type FLAT"],
    [
      descriptorText(['NOACCESS 9 SPARSE "x"']),
      "the embedded descriptor has an extent NOACCESS of type SPARSE",
    ],
    [descriptorText(['RW 11 SPARSE "x"']), "the extent line has 5632 bytes, the header only 5120"],
    [
      descriptorText(['RW 9 SPARSE "x"']).replace("ffffffff", "12345678"),
      "it is a snapshot of a disk with CID 12345678",
    ],
    ["garbage", 'descriptor line not understood: "garbage"'],
    ["#", "the descriptor has no extents"],
    ["", "it is an extent of a split disk, open the descriptor that names it instead"],
  ];
  for (const [descriptor, message] of cases) {
    const path = folder.file("s.vmdk", buildSparse(noise(5120, 1), { descriptor }).bytes);
    const error = await assertRejects(() => openForReading(path), FormatError);
    assertStringIncludes(error.message, message);
  }
});

Deno.test("openForReading() gives the place of a fault in an embedded descriptor", async () => {
  using folder = new Folder();
  const path = folder.file("s.vmdk", buildSparse(noise(512, 1), { descriptor: "a=b\nRW x\n" }).bytes);
  const error = await assertRejects(() => openForReading(path), FormatError);
  assertEquals(error.fault.offsetBytes, 512 + 4);
});

Deno.test("openForWriting() refuses sparse VMDKs", async () => {
  using folder = new Folder();
  const path = folder.file("s.vmdk", buildSparse(noise(512, 1)).bytes);
  await assertRejects(
    () => openForWriting(path),
    UsageError,
    "only raw disks and flat VMDKs are written in place",
  );
});

qemuTest("openForReading() reads the builder's images as qemu-img does", async () => {
  using folder = new Folder();
  for (const sectors of SIZES) {
    const expected = patchyDisk(sectors, sectors + 1);
    const path = folder.file("s.vmdk", buildSparse(expected, { order: shuffledGrains(expected, 1) }).bytes);
    qemuImg("check", "-f", "vmdk", path);
    const raw = join(folder.path, "s.raw");
    qemuImg("convert", "-f", "vmdk", "-O", "raw", path, raw);
    using disk = await openForReading(path);
    const ours = await readByExtents(disk);
    assertSameBytes(ours, Deno.readFileSync(raw), `${sectors} sectors`);
    assertSameBytes(ours, expected, `${sectors} sectors`);
  }
});

qemuTest("openForReading() reads the sparse VMDKs of qemu-img", async () => {
  for (const sectors of [128, 200, 65537]) {
    using folder = new Folder();
    const expected = patchyDisk(sectors, 77);
    const raw = folder.file("q.raw", expected);
    const path = join(folder.path, "q.vmdk");
    qemuImg("convert", "-O", "vmdk", "-o", "subformat=monolithicSparse,adapter_type=lsilogic", raw, path);
    using disk = await openForReading(path);
    assertEquals([disk.format, disk.adapterType], ["monolithicSparse", 3]);
    assertSameBytes((await readByExtents(disk)).subarray(0, expected.length), expected, `${sectors} sectors`);
  }
});

qemuTest("openForReading() refuses a piece of a split sparse disk", async () => {
  using folder = new Folder();
  const raw = folder.file("q.raw", patchyDisk(200, 77));
  const split = join(folder.path, "split.vmdk");
  qemuImg("convert", "-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", raw, split);
  await assertRejects(
    () => openForReading(join(folder.path, "split-s001.vmdk")),
    FormatError,
    "open the descriptor",
  );
});
