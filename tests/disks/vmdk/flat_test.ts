import {
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path/posix/join";
import { type OpenDiskOptions, openForReading, openForWriting } from "../../../cli/disks/open.ts";
import { FormatError, UsageError } from "../../../cli/errors.ts";
import {
  assertRandomReads,
  assertSameBytes,
  Folder,
  noise,
  patchyDisk,
  qemuImg,
  qemuTest,
  readByExtents,
} from "../helpers.ts";
import { descriptorText } from "./builder.ts";

/** Writes a disk of five extents in three files, and returns its contents. */
function mixedDisk(folder: Folder): { path: string; expected: Uint8Array } {
  const a = noise(100 * 512, 1);
  const b = noise(60 * 512, 2);
  folder.file("a-f001.vmdk", a);
  folder.file("a f002=#.vmdk", b);
  const path = folder.file(
    "a.vmdk",
    descriptorText([
      'RW 10 FLAT "a-f001.vmdk" 90',
      "RW 7 ZERO",
      'RW 50 FLAT "a f002=#.vmdk" 10',
      "RW 1 ZERO",
      'RW 80 VMFS "./a-f001.vmdk"',
    ], { createType: "custom" }),
  );
  const expected = new Uint8Array(148 * 512);
  expected.set(a.subarray(90 * 512), 0);
  expected.set(b.subarray(10 * 512), 17 * 512);
  expected.set(a.subarray(0, 80 * 512), 68 * 512);
  return { path, expected };
}

async function refusal(path: string, options?: OpenDiskOptions): Promise<Error> {
  return await assertRejects(() => openForReading(path, options), Error);
}

Deno.test("openForReading() reads flat extents in several files", async () => {
  using folder = new Folder();
  const { path, expected } = mixedDisk(folder);
  using disk = await openForReading(path);
  assertEquals([disk.format, disk.capacityBytes, disk.adapterType], ["custom", expected.length, 3]);
  assertEquals(disk.metadata, new Map([["adapterType", "lsilogic"]]));
  assertSameBytes(await readByExtents(disk), expected, "by extents");
  assertEquals(await disk.extentAt(12 * 512), { endBytes: 17 * 512, zero: true });
  await assertRandomReads(disk, expected, { seed: 42, longest: 60_000 });
});

Deno.test("extentAt() reports the holes of a flat file, also behind a start", async () => {
  using folder = new Folder();
  const mib = 1 << 20;
  const flat = folder.file("a-flat.vmdk", noise(mib, 1));
  Deno.truncateSync(flat, 8 * mib);
  using disk = await openForReading(
    folder.file("a.vmdk", descriptorText(["RW 4096 ZERO", 'RW 12288 FLAT "a-flat.vmdk" 1024'])),
  );
  const end = 2 * mib + mib / 2;
  const data = await disk.extentAt(2 * mib);
  if (data.endBytes !== end) return assertEquals(data, { endBytes: 8 * mib, zero: false });
  assertEquals(data, { endBytes: end, zero: false });
  assertEquals(await disk.extentAt(end), { endBytes: 8 * mib, zero: true });
});

Deno.test("openForReading() reads a disk of more pieces than it holds open", async () => {
  using folder = new Folder();
  const pieces = Array.from({ length: 30 }, (_, i) => noise(3 * 512, i));
  pieces.forEach((bytes, i) => folder.file(`a-f${i}.vmdk`, bytes));
  const lines = pieces.map((_, i) => `RW 3 FLAT "a-f${i}.vmdk" 0`);
  const path = folder.file("a.vmdk", descriptorText(lines, { createType: "twoGbMaxExtentFlat" }));
  const expected = new Uint8Array(await new Blob(pieces).arrayBuffer());
  using disk = await openForReading(path);
  assertEquals(disk.format, "twoGbMaxExtentFlat");
  await assertRandomReads(disk, expected, { seed: 7, longest: 20_000 });

  using target = await openForWriting(path);
  expected.reverse();
  await target.write(expected, 0);
  await target.sync();
  assertSameBytes(await readByExtents(disk), expected, "written");
});

Deno.test("read() refuses an extent file that was replaced in the meantime", async () => {
  using folder = new Folder();
  const lines = Array.from({ length: 9 }, (_, i) => `RW 1 FLAT "f${i}" 0`);
  for (let i = 0; i < 9; i++) folder.file(`f${i}`, noise(512, i));
  using disk = await openForReading(folder.file("a.vmdk", descriptorText(lines)));
  Deno.renameSync(folder.file("f0"), folder.file("kept"));
  folder.file("f0", noise(512, 99));
  const read = async () => await disk.read(new Uint8Array(512), 0);
  await assertRejects(read, FormatError, 'the extent "f0" was replaced');
});

Deno.test("openForReading() refuses extents outside the folder of the descriptor", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.file("vm"));
  const secret = folder.file("secret", noise(512, 1));
  Deno.symlinkSync(secret, folder.file("vm/link"));
  for (
    const name of ["../secret", secret, "x/../../secret", "..\\secret", "C:\\secret", "\\secret", "link", ""]
  ) {
    const path = folder.file("vm/a.vmdk", descriptorText([`RW 1 FLAT "${name}" 0`]));
    const error = await refusal(path);
    assertEquals(error instanceof FormatError, true);
    assertEquals(
      error.message,
      `Cannot open disk "${path}": the extent "${name}" ` +
        (name === ""
          ? "names no file"
          : "lies outside the folder of the descriptor (--allow-outside accepts that)"),
    );
  }
  for (const name of ["../secret", secret, "link"]) {
    const path = folder.file("vm/a.vmdk", descriptorText([`RW 1 FLAT "${name}" 0`]));
    using disk = await openForReading(path, { allowOutside: true });
    assertSameBytes(await readByExtents(disk), noise(512, 1), name);
  }
});

Deno.test("openForReading() finds extents beside the real descriptor", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.file("vm"));
  folder.file("vm/a-flat.vmdk", noise(512, 1));
  const real = folder.file("vm/a.vmdk", descriptorText(['RW 1 FLAT "a-flat.vmdk" 0']));
  Deno.symlinkSync(real, folder.file("link.vmdk"));
  {
    using disk = await openForWriting(folder.file("link.vmdk"));
    await disk.writeMetadata(new Map([["uuid", "1"]]));
  }
  assertEquals(Deno.lstatSync(folder.file("link.vmdk")).isSymlink, true);
  assertStringIncludes(Deno.readTextFileSync(real), 'ddb.uuid = "1"');
});

const HOSTILE: [string, string[], string][] = [
  ["missing", ['RW 1 FLAT "missing" 0'], 'the extent "missing" cannot be opened: no such file'],
  ["too short", ['RW 9 FLAT "ok" 0'], 'the extent "ok" has 4096 bytes, 4608 are needed'],
  ["too short behind its start", ['RW 8 FLAT "ok" 1'], 'the extent "ok" has 4096 bytes, 4608 are needed'],
  ["directory", ['RW 1 FLAT "sub" 0'], 'the extent "sub" is not a regular file'],
  ["FIFO", ['RW 1 FLAT "fifo" 0'], 'the extent "fifo" is not a regular file'],
  ["device", ['RW 1 FLAT "/dev/zero" 0'], 'the extent "/dev/zero" names a device'],
  [
    "Windows device",
    ['RW 1 FLAT "\\\\.\\PhysicalDrive0" 0'],
    'the extent "\\\\.\\PhysicalDrive0" names a device',
  ],
  ["itself", ['RW 1 FLAT "a.vmdk" 0'], 'the extent "a.vmdk" is the descriptor itself'],
  ["no name", ["RW 1 FLAT"], "an extent of type FLAT lacks a file name"],
  ["ZERO with a name", ['RW 1 ZERO "ok"'], "an extent of type ZERO has a file name"],
  ["NOACCESS", ['NOACCESS 1 FLAT "ok" 0'], "an extent has the access NOACCESS"],
  ["device mapping", ['RW 1 VMFSRDM "ok"'], 'the extent type "VMFSRDM" names a device'],
  ["unknown type", ['RW 1 HOLO "ok"'], 'the extent type "HOLO" is unknown'],
  ["sparse", ['RW 1 SPARSE "ok"'], 'the extent "ok" is not what its type SPARSE says'],
  ["COWD", ['RW 1 VMFSSPARSE "ok"'], 'the extent "ok" is not what its type VMFSSPARSE says'],
  ["seSparse", ['RW 1 SESPARSE "ok"'], 'the extent "ok" is not what its type SESPARSE says'],
  ["sparse without a name", ["RW 1 SPARSE"], "an extent of type SPARSE lacks a file name"],
  ["sparse with a start", ['RW 1 SPARSE "ok" 1'], "an extent of type SPARSE has a start in its file"],
];

Deno.test("openForReading() refuses extents that contradict the descriptor", async () => {
  using folder = new Folder();
  folder.file("ok", noise(4096, 1));
  Deno.mkdirSync(folder.file("sub"));
  new Deno.Command("mkfifo", { args: [folder.file("fifo")] }).outputSync();
  for (const [name, lines, message] of HOSTILE) {
    const path = folder.file("a.vmdk", descriptorText(lines));
    const error = await refusal(path);
    assertEquals(error instanceof FormatError, true, name);
    assertStringIncludes(error.message, `Cannot open disk "${path}": ${message}`, name);
  }
});

Deno.test("openForReading() names the file to open instead of an extent", async () => {
  using folder = new Folder();
  const cases: [string, string, string][] = [
    ["vm-flat.vmdk", "noise", `it is an extent, open the descriptor "${folder.file("vm.vmdk")}" instead`],
    ["vm-f001.vmdk", "noise", `open the descriptor "${folder.file("vm.vmdk")}" instead`],
    ["vm-000001-delta.vmdk", "COWD", `open the descriptor "${folder.file("vm-000001.vmdk")}" instead`],
    [
      "other.vmdk",
      "COWD",
      "it is an extent of a vmfsSparse snapshot, open the descriptor that names it instead",
    ],
    [
      "vm-sesparse.vmdk",
      "\xbe\xba\xfe\xca\0\0\0\0",
      `seSparse snapshot, open the descriptor "${folder.file("vm.vmdk")}"`,
    ],
    ["vm-ctk.vmdk", "\xa2\x72\x19\xf6", "it is a change tracking file and holds no data of a disk"],
    ["vm.vmdk", "kdmv", "its writer did not finish it"],
    ["vm.VMDK", "noise", "begins neither like a descriptor nor like a sparse VMDK"],
    ["a.vmdk", "version=1\n", "begins neither like a descriptor nor like a sparse VMDK"],
    ["e.vmdk", "", "the file is empty"],
  ];
  for (const [name, start, message] of cases) {
    const path = folder.file(name, Uint8Array.from(start, (character) => character.charCodeAt(0)));
    assertStringIncludes((await refusal(path)).message, message, name);
  }
});

Deno.test("openForReading() refuses a descriptor above 1 MiB", async () => {
  using folder = new Folder();
  const path = folder.file("a.vmdk", "# Disk DescriptorFile\n" + "#\n".repeat(600_000));
  const error = await refusal(path);
  assertStringIncludes(error.message, "the descriptor has 1200022 bytes, at most 1048576 are accepted");
});

Deno.test("openForWriting() writes through the extents", async () => {
  using folder = new Folder();
  const { path, expected } = mixedDisk(folder);
  {
    using disk = await openForWriting(path);
    assertEquals([disk.fresh, disk.capacityBytes], [false, expected.length]);
    const patch = noise(40 * 512, 5);
    patch.fill(0, 7 * 512 - 100, 8 * 512 - 100);
    // From the third extent, across the ZERO extent, which gets zeros, into the fifth.
    await disk.write(patch, 60 * 512 + 100);
    expected.set(patch, 60 * 512 + 100);
    const write = async () => await disk.write(noise(1024, 1), 9 * 512 + 511);
    const error = await assertRejects(write, UsageError);
    assertStringIncludes(
      error.message,
      "are given for the bytes 5120 to 8704, which are an extent of type ZERO",
    );
    expected.set(noise(1024, 1).subarray(0, 1), 9 * 512 + 511);
    await disk.sync();
  }
  using disk = await openForReading(path);
  assertSameBytes(await readByExtents(disk), expected, "read back");
});

Deno.test("openForWriting() refuses disks that are not written in place", async () => {
  using folder = new Folder();
  folder.file("ok", noise(4096, 1));
  const rdonly = folder.file("a.vmdk", descriptorText(['RDONLY 8 FLAT "ok" 0']));
  using _readable = await openForReading(rdonly);
  await assertRejects(() => openForWriting(rdonly), UsageError, "an extent has the access RDONLY");

  const sparse = folder.file("s.vmdk", descriptorText(['RW 8 SPARSE "ok"']));
  await assertRejects(() => openForWriting(sparse), UsageError, 'the extent "ok" is of type SPARSE');

  const child = descriptorText(['RW 8 FLAT "ok" 0']).replace("parentCID=ffffffff", "parentCID=abc");
  await assertRejects(
    () => openForWriting(folder.file("c.vmdk", child)),
    UsageError,
    "it is a snapshot of another disk, which is not written in place",
  );

  const shared = folder.file("b.vmdk", descriptorText(['RW 5 FLAT "ok" 3', 'RW 4 FLAT "./ok" 0']));
  using _shared = await openForReading(shared);
  await assertRejects(() => openForWriting(shared), FormatError, "two extents share bytes of the file");
});

Deno.test("writeMetadata() replaces the data base of a descriptor and leaves the rest", async () => {
  using folder = new Folder();
  folder.file("ok", noise(4096, 1));
  const text = descriptorText(['RW 8 FLAT "ok" 0'], { header: ['changeTrackPath="a-ctk.vmdk"'] });
  const path = folder.file("a.vmdk", text);
  Deno.chmodSync(path, 0o640);
  const metadata = new Map([["adapterType", "ide"], ["uuid", "1 2 3"], ["geometry.heads", "16"]]);
  {
    using disk = await openForWriting(path);
    await disk.writeMetadata(new Map([["x", "y"]]));
    await disk.writeMetadata(metadata);
    assertThrows(() => disk.writeMetadata(new Map([["x", '"']])), UsageError);
  }
  using disk = await openForReading(path);
  assertEquals(disk.metadata, new Map([...metadata, ["virtualHWVersion", "4"]]));
  assertEquals(disk.adapterType, 1);
  const [head] = text.split("ddb.");
  assertEquals(
    Deno.readTextFileSync(path),
    `${head}ddb.adapterType = "ide"\nddb.uuid = "1 2 3"\nddb.geometry.heads = "16"\n` +
      'ddb.virtualHWVersion = "4"\n',
  );
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), ["a.vmdk", "ok"]);
  if (Deno.build.os !== "windows") assertEquals(Deno.statSync(path).mode! & 0o777, 0o640);
});

Deno.test("write() gives a flat VMDK another content id once, and writeMetadata() that of the metadata", async () => {
  using folder = new Folder();
  folder.file("ok", noise(4096, 1));
  const path = folder.file("a.vmdk", descriptorText(['RW 8 FLAT "ok" 0']));
  const cid = () => /^CID=([0-9a-f]{8})$/m.exec(Deno.readTextFileSync(path))?.[1];
  const before = cid();
  {
    using disk = await openForWriting(path);
    assertEquals(cid(), before);
    await disk.write(new Uint8Array(512), 0);
    assertNotEquals(cid(), before);
  }
  using disk = await openForWriting(path);
  await disk.writeMetadata(new Map([["longContentID", "0123456789abcdef01234567deadbeef"]]));
  await disk.write(new Uint8Array(512), 512);
  assertEquals(cid(), "deadbeef");
});

qemuTest("openForReading() reads the flat VMDKs of qemu-img", async () => {
  for (const subformat of ["monolithicFlat", "twoGbMaxExtentFlat"]) {
    using folder = new Folder();
    const expected = patchyDisk(5000, 3);
    const path = join(folder.path, "q.vmdk");
    qemuImg("convert", "-O", "vmdk", "-o", `subformat=${subformat}`, folder.file("q.raw", expected), path);
    using disk = await openForReading(path);
    // qemu-img rounds the size up to whole grains of 64 KiB.
    assertSameBytes((await readByExtents(disk)).subarray(0, expected.length), expected, subformat);
    assertEquals(disk.format, subformat);
    assertEquals(disk.adapterType, 1);
  }
});
