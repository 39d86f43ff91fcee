import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { createDisk } from "../../cli/disks/create.ts";
import { ADAPTER } from "../../cli/disks/disk.ts";
import { openForReading } from "../../cli/disks/open.ts";
import { UsageError } from "../../cli/errors.ts";
import { assertSameBytes, Folder, noise, patchyDisk, qemuImg, qemuTest, readByExtents } from "./helpers.ts";
import { create, Outputs } from "./made_disk.ts";

Deno.test("createDisk() makes raw disks of any size, with holes", async () => {
  using folder = new Folder();
  for (const [name, capacityBytes] of [["a.raw", 1], ["b.IMG", 1_000_001]] as const) {
    const path = folder.file(name);
    const patch = noise(1, 1);
    const names = await create(path, { capacityBytes, adapterType: ADAPTER.ide }, async (disk) => {
      assertEquals(disk.format, "raw");
      await disk.write(patch, capacityBytes - 1);
      await assertRejects(async () => await disk.write(patch, capacityBytes), RangeError);
      assertThrows(() => disk.writeMetadata(new Map([["a", "b"]])), UsageError);
    });
    assertEquals(names, [name]);
    const expected = new Uint8Array(capacityBytes);
    expected.set(patch, capacityBytes - 1);
    assertSameBytes(Deno.readFileSync(path), expected, name);
  }
});

Deno.test("createDisk() makes a flat VMDK that openForReading() reads back", async () => {
  using folder = new Folder();
  const expected = patchyDisk(2049, 4);
  const path = folder.file("Kühe.vmdk");
  const options = { capacityBytes: expected.length, adapterType: ADAPTER.busLogic, cid: 0x1234 };
  const names = await create(path, options, async (disk) => {
    assertEquals(disk.format, "monolithicFlat");
    for (let at = 0; at < expected.length; at += 65536) {
      await disk.write(expected.subarray(at, at + 65536), at);
    }
  });
  assertEquals(names, ["Kühe-flat.vmdk", "Kühe.vmdk"]);
  using disk = await openForReading(path);
  assertEquals([disk.format, disk.adapterType], ["monolithicFlat", ADAPTER.busLogic]);
  assertEquals(disk.metadata.get("geometry.heads"), "255");
  assertSameBytes(await readByExtents(disk), expected, "read back");
  assertStringIncludes(Deno.readTextFileSync(path), "\nCID=00001234\n");
});

Deno.test("createDisk() leaves bytes that are not written a hole", async () => {
  using folder = new Folder();
  const path = folder.file("a.vmdk");
  await create(path, { capacityBytes: 2 ** 40, adapterType: ADAPTER.lsiLogic }, (disk) => {
    return disk.write(noise(512, 1), 2 ** 39);
  });
  const { size, blocks } = Deno.statSync(folder.file("a-flat.vmdk"));
  assertEquals(size, 2 ** 40);
  assert(blocks === null || blocks < 1000);
});

Deno.test("writeMetadata() of a new VMDK keeps all keys and adds the keys that it needs", async () => {
  using folder = new Folder();
  const path = folder.file("a.vmdk");
  const first = new Map([["uuid", "old"], ["comment", "a long text that goes away again"]]);
  const metadata = new Map([["adapterType", "ide"], ["uuid", "1 2"], ["geometry.cylinders", "9"]]);
  await create(path, { capacityBytes: 512, adapterType: ADAPTER.lsiLogic, metadata: first }, (disk) => {
    return disk.writeMetadata(metadata);
  });
  using disk = await openForReading(path);
  assertEquals(disk.metadata, new Map([...metadata, ["virtualHWVersion", "4"]]));
});

Deno.test("createDisk() draws a content id that is not reserved", async () => {
  using folder = new Folder();
  await create(folder.file("a.vmdk"), { capacityBytes: 512, adapterType: 3 });
  await create(folder.file("b.vmdk"), { capacityBytes: 512, adapterType: 3 });
  const [a, b] = ["a", "b"].map((name) =>
    /^CID=([0-9a-f]{8})$/m.exec(Deno.readTextFileSync(folder.file(`${name}.vmdk`)))?.[1]
  );
  assert(a !== undefined && b !== undefined && a !== b);
});

Deno.test("createDisk() refuses names and sizes that it cannot make", async () => {
  const never = () => {
    throw new Error("opened");
  };
  const cases: [string, number, string][] = [
    ["a.qcow2", 512, "the name must end in .vmdk (a flat VMDK), .raw or .img (a raw disk)"],
    ["a", 512, "the name must end in .vmdk"],
    [".vmdk", 512, "the name must end in .vmdk"],
    [
      "dir/a.vmdk",
      513,
      'no whole number of sectors, which a VMDK must have; use the name "a.raw" for a raw disk',
    ],
    ["a.vmdk", 2 ** 46 + 512, "a VMDK has at most 70368744177664 bytes"],
  ];
  for (const [path, capacityBytes, message] of cases) {
    const error = await assertRejects(
      () => createDisk(path, { capacityBytes, adapterType: 3 }, never),
      UsageError,
    );
    assertStringIncludes(error.message, `Cannot create disk "${path}": `);
    assertStringIncludes(error.message, message);
  }
  const options = { capacityBytes: 512, adapterType: 3, format: "monolithicFlat" } as const;
  await assertRejects(() => createDisk("a.img", options, never), UsageError, "must end in .vmdk");
});

Deno.test("createDisk() leaves its files open for the caller, even if it fails", async () => {
  using folder = new Folder();
  const options = { capacityBytes: 512, adapterType: 3, metadata: new Map([["a", '"']]) };
  const outputs = new Outputs();
  await assertRejects(
    () => createDisk(folder.file("a.vmdk"), options, outputs.open),
    UsageError,
    "cannot express",
  );
  await assertRejects(() =>
    createDisk(folder.file('b"c.vmdk'), { ...options, metadata: undefined }, outputs.open)
  );
  // Deno counts open files, so a file left open fails this test; closing a closed one throws.
  outputs.close();
});

qemuTest("qemu-img reads the disks that createDisk() makes", async () => {
  using folder = new Folder();
  for (const sectors of [1, 127, 2048, 65537]) {
    const expected = patchyDisk(sectors, sectors);
    const raw = folder.file(`${sectors}.raw`, expected);
    const path = folder.file(`${sectors}.vmdk`);
    const options = { capacityBytes: expected.length, adapterType: ADAPTER.lsiLogic };
    await create(path, options, async (disk) => {
      await disk.write(expected, 0);
      await disk.writeMetadata(new Map([["uuid", "60 00 C2 99 d3 f5 dc ad-9e 25 3e 89 48 2c 3f de"]]));
    });
    qemuImg("compare", "-f", "vmdk", "-F", "raw", path, raw);
    const info = JSON.parse(qemuImg("info", "--output=json", path));
    assertEquals([info.format, info["virtual-size"]], ["vmdk", expected.length]);
    assertEquals(info["format-specific"].data["create-type"], "monolithicFlat");
  }
});
