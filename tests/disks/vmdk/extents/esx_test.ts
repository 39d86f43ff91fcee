import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openForReading } from "../../../../cli/disks/open.ts";
import { FormatError } from "../../../../cli/errors.ts";
import {
  assertRandomReads,
  assertSameBytes,
  Folder,
  noise,
  patchyDisk,
  qemuRaw,
  qemuTest,
  readByExtents,
  seeded,
} from "../../helpers.ts";
import { descriptorText } from "../builder.ts";
import { buildCowd, buildSeSparse, type EsxImage } from "../esx_builder.ts";

const KINDS = {
  vmfsSparse: { type: "VMFSSPARSE", name: "x-delta.vmdk", build: buildCowd, unit: 512 },
  seSparse: { type: "SESPARSE", name: "x-sesparse.vmdk", build: buildSeSparse, unit: 4096 },
};

/** Writes a snapshot without a parent; returns the path of its descriptor. */
function write(
  folder: Folder,
  createType: keyof typeof KINDS,
  image: { bytes: Uint8Array },
  sectors: number,
) {
  const { type, name } = KINDS[createType];
  folder.file(name, image.bytes);
  return folder.file("x.vmdk", descriptorText([`RW ${sectors} ${type} "${name}"`], { createType }));
}

/** The numbers of the units of a disk that are not zero, shuffled. */
function shuffledUnits(disk: Uint8Array, unit: number, seed: number): number[] {
  const units: number[] = [];
  for (let i = 0; i * unit < disk.length; i++) {
    if (disk.subarray(i * unit, (i + 1) * unit).some((byte) => byte !== 0)) units.push(i);
  }
  const random = seeded(seed);
  for (let i = units.length - 1; i > 0; i--) {
    const other = random(i + 1);
    [units[i], units[other]] = [units[other], units[i]];
  }
  return units;
}

for (const createType of ["vmfsSparse", "seSparse"] as const) {
  const { build, unit } = KINDS[createType];

  Deno.test(`openForReading() reads ${createType} extents of every awkward size`, async () => {
    using folder = new Folder();
    for (const sectors of [1, 7, 8, 9, 4095, 4096, 4097, 32769, 70001]) {
      const expected = patchyDisk(sectors, sectors);
      for (const order of [undefined, shuffledUnits(expected, unit, 1)]) {
        const path = write(folder, createType, build(expected, { order }), sectors);
        using disk = await openForReading(path);
        const message = `${sectors} sectors, ${order === undefined ? "in order" : "shuffled"}`;
        assertEquals([disk.format, disk.capacityBytes], [createType, sectors * 512], message);
        assertSameBytes(await readByExtents(disk), expected, message);
        await assertRandomReads(disk, expected, { seed: sectors, count: 30 });
      }
    }
  });

  Deno.test(`extentAt() reports the zeros of ${createType} extents`, async () => {
    using folder = new Folder();
    const expected = noise(600 * unit, 3);
    expected.fill(0, 100 * unit, 200 * unit);
    const zeroed = Array.from({ length: 50 }, (_, i) => 100 + i);
    const path = write(folder, createType, build(expected, { zeroed }), expected.length / 512);
    using disk = await openForReading(path);
    assertEquals(await disk.extentAt(100 * unit), { endBytes: 200 * unit, zero: true });
    assertEquals(disk.mapAt!(100 * unit), { endBytes: 150 * unit, depth: 0, present: true, zero: true });
    assertEquals(disk.mapAt!(150 * unit), { endBytes: 200 * unit, depth: 0, present: false, zero: true });
    assertSameBytes(await readByExtents(disk), expected, "zeros");
  });

  qemuTest(`openForReading() reads the builder's ${createType} extents as qemu-img does`, async () => {
    using folder = new Folder();
    for (const sectors of [8, 4104, 70000]) {
      const expected = patchyDisk(sectors, sectors);
      const order = shuffledUnits(expected, unit, 2);
      const path = write(folder, createType, build(expected, { order }), sectors);
      using disk = await openForReading(path);
      assertSameBytes(qemuRaw(path), expected, `${sectors} sectors, qemu-img`);
      assertSameBytes(await readByExtents(disk), expected, `${sectors} sectors`);
    }
  });
}

Deno.test("openForReading() reads unmapped seSparse grains as zeros, and slots above 4095", async () => {
  using folder = new Folder();
  const expected = new Uint8Array(4500 * 4096);
  for (let i = 0; i < expected.length; i += 511) expected[i] = i % 251 + 1;
  expected.fill(0, 10 * 4096, 12 * 4096);
  const order = Array.from({ length: 4500 }, (_, i) => 4499 - i).filter((i) => i !== 10 && i !== 11);
  const path = write(folder, "seSparse", buildSeSparse(expected, { order, unmapped: [10] }), 36000);
  using disk = await openForReading(path);
  assertEquals(disk.mapAt!(10 * 4096), { endBytes: 11 * 4096, depth: 0, present: true, zero: true });
  assertSameBytes(await readByExtents(disk), expected, "slots");
});

Deno.test("A SPARSE line may name a COWD file", async () => {
  using folder = new Folder();
  const expected = patchyDisk(5000, 1);
  folder.file("x-delta.vmdk", buildCowd(expected).bytes);
  using disk = await openForReading(
    folder.file("x.vmdk", descriptorText(['RW 5000 SPARSE "x-delta.vmdk"'])),
  );
  assertSameBytes(await readByExtents(disk), expected, "COWD");
});

type Damage = (view: DataView, image: EsxImage) => void;
const u64 = (offset: number, value: bigint): Damage => (view) => view.setBigUint64(offset, value, true);
const u32 = (offset: number, value: number): Damage => (view) => view.setUint32(offset, value, true);

/** Damage of an extent of 5000 sectors of noise. */
const HOSTILE: [keyof typeof KINDS, Damage, string][] = [
  ["vmfsSparse", u32(4, 7), "the header has version 7, only 1 is known"],
  ["vmfsSparse", u32(8, 1), "the header has the flags 0x1, only 0x3 is known"],
  ["vmfsSparse", u32(12, 4999), "the extent line has 2560000 bytes, the header only 2559488"],
  ["vmfsSparse", u32(16, 0), "the grain size is 0 sectors, a power of two up to 2048 is wanted"],
  ["vmfsSparse", u32(16, 3), "the grain size is 3 sectors"],
  ["vmfsSparse", u32(16, 2 ** 31), "the grain size is 2147483648 sectors"],
  ["vmfsSparse", u32(20, 0), "the grain directory at sector 0 needs 8 bytes behind the header"],
  ["vmfsSparse", u32(20, 2 ** 32 - 1), "the grain directory at sector 4294967295 needs 8 bytes"],
  ["vmfsSparse", u32(24, 1), "the grain directory has 1 entry, 2 are needed"],
  ["vmfsSparse", u32(24, 0), "the grain directory has 0 entries, 2 are needed"],
  ["vmfsSparse", u32(2048, 2 ** 31), "grain table 0 lies at sector 2147483648, the file has"],
  ["vmfsSparse", (view, image) => {
    view.setUint32(2048, image.bytes.length / 512 - 31, true);
  }, "grain table 0 lies at sector"],
  ["vmfsSparse", (view, image) => {
    view.setUint32(image.entryBytes(9), 2 ** 31, true);
  }, "grain 9 lies at sector 2147483648, the file has"],
  ["vmfsSparse", (view, image) => {
    view.setUint32(image.entryBytes(9), 4, true);
  }, "grain 9 lies in the metadata, at sector 4"],
  ["seSparse", u64(8, 0x300000001n), "the header has version 3.1, only 2.1 is known"],
  ["seSparse", u64(16, 4999n), "the extent line has 5000 sectors, the header only 4999"],
  ["seSparse", u64(24, 16n), "the grain size is 16, only 8 is known"],
  ["seSparse", u64(32, 0n), "the grain table size is 0, only 64 is known"],
  ["seSparse", u64(40, 1n), "the flags field is 1, only 0 is known"],
  ["seSparse", u64(72, 1n), "the fourth reserved field is 1, only 0 is known"],
  ["seSparse", u64(512, 0xcafebaben), "the volatile header begins with 0xcafebabe"],
  ["seSparse", u64(512 + 24, 1n), "the journal must be replayed first; open it once with VMware"],
  ["seSparse", u64(128, 2n ** 60n), "the grain directory at sector 1152921504606846976"],
  ["seSparse", u64(128, 2n ** 30n), "the grain directory at sector 1073741824 needs 8 bytes"],
  ["seSparse", u64(136, 0n), "the grain directory at sector 8 with 0 sectors cannot be used"],
  ["seSparse", u64(144, 2n ** 63n), "the region of grain tables at sector"],
  ["seSparse", u64(144, 2n ** 40n), "grain table 0 is number 0, the file has room for 0"],
  ["seSparse", u64(8 * 512, 1n), "the entry of grain table 0 is 0x0000000000000001"],
  ["seSparse", u64(8 * 512, 0x2000000000000000n), "the entry of grain table 0 is 0x2000000000000000"],
  ["seSparse", u64(8 * 512, 0x1000000000000001n), "grain table 0 is number 1, the file has room for 1"],
  ["seSparse", u64(8 * 512, 0x10000000ffffffffn), "grain table 0 is number 4294967295"],
  ["seSparse", (view, image) => {
    view.setBigUint64(image.entryBytes(9), 0x3fffffffffffffffn, true);
  }, "grain 9 is number 1152921504606846976, the file has room for 625"],
  ["seSparse", (view, image) => {
    view.setBigUint64(image.entryBytes(9), 3n << 60n | 625n << 48n, true);
  }, "grain 9 is number 625, the file has room for 625"],
  ["seSparse", (view, image) => {
    view.setBigUint64(image.entryBytes(9), 1n, true);
  }, "the entry of grain 9 is 0x0000000000000001"],
  ["seSparse", (view, image) => {
    view.setBigUint64(image.entryBytes(9), 4n << 60n, true);
  }, "the entry of grain 9 is 0x4000000000000000"],
];

Deno.test("openForReading() refuses damaged and hostile snapshots of ESXi", async () => {
  using folder = new Folder();
  const content = noise(5000 * 512, 1);
  for (const [createType, damage, message] of HOSTILE) {
    const image = KINDS[createType].build(content);
    damage(new DataView(image.bytes.buffer), image);
    const path = write(folder, createType, image, 5000);
    const error = await assertRejects(
      async () => {
        using disk = await openForReading(path);
        await readByExtents(disk);
      },
      FormatError,
      undefined,
      message,
    );
    assertStringIncludes(error.message, message);
    assertEquals(error.fault.path.endsWith(KINDS[createType].name), true);
  }
});

Deno.test("openForReading() refuses truncated snapshots of ESXi", async () => {
  using folder = new Folder();
  const content = noise(5000 * 512, 1);
  for (const createType of ["vmfsSparse", "seSparse"] as const) {
    const { bytes } = KINDS[createType].build(content);
    for (const length of [0, 7, 8, 511, 512, 1024, 2048, 5000, 30_000, bytes.length - 1]) {
      const path = write(folder, createType, { bytes: bytes.subarray(0, length) }, 5000);
      await assertRejects(
        async () => {
          using disk = await openForReading(path);
          await readByExtents(disk);
        },
        FormatError,
        "Cannot",
        `${createType}, ${length} bytes`,
      );
    }
  }
});
