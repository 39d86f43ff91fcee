import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type OpenDiskOptions, openForReading } from "../../../cli/disks/open.ts";
import { FormatError } from "../../../cli/errors.ts";
import {
  assertRandomReads,
  assertSameBytes,
  Folder,
  noise,
  patchyDisk,
  qemuImg,
  qemuRaw,
  qemuTest,
  readByExtents,
} from "../helpers.ts";
import { buildSparse, descriptorText } from "./builder.ts";
import { buildCowd, buildSeSparse } from "./esx_builder.ts";
import { buildStream } from "./stream_builder.ts";

const SECTORS = 9000;
const BYTES = SECTORS * 512;

/** The keys in which a link names its parent. */
interface Parent {
  cid: string;
  name: string;
}

/** Returns a descriptor with a CID and possibly a parent. */
function linkText(extents: string[], { cid, parent }: { cid: string; parent?: Parent }): string {
  const text = descriptorText(extents, {
    createType: "custom",
    header: parent === undefined ? [] : [`parentFileNameHint="${parent.name}"`],
  });
  return text.replace("CID=3f2a90c1", `CID=${cid}`)
    .replace("parentCID=ffffffff", `parentCID=${parent?.cid ?? "ffffffff"}`);
}

/** Writes a base of noise in one flat extent. */
function writeBase(folder: Folder, { name = "base.vmdk", cid = "b0" } = {}): Uint8Array {
  const content = noise(BYTES, 1);
  folder.file("base-flat.vmdk", content);
  folder.file(name, linkText([`RW ${SECTORS} FLAT "base-flat.vmdk" 0`], { cid }));
  return content;
}

/** Writes a child without data. */
function writeEmptyChild(folder: Folder, name: string, ids: { cid: string; parent?: Parent }): string {
  folder.file("empty-delta.vmdk", buildCowd(new Uint8Array(BYTES)).bytes);
  return folder.file(name, linkText([`RW ${SECTORS} VMFSSPARSE "empty-delta.vmdk"`], ids));
}

/** Copies the units of `delta` that are not zero over `disk`, and zeros over those of `zeroed`. */
function overlay(disk: Uint8Array, delta: Uint8Array, unit: number, zeroed: number[] = []): void {
  for (let i = 0; i * unit < disk.length; i++) {
    const part = delta.subarray(i * unit, (i + 1) * unit);
    if (zeroed.includes(i)) disk.fill(0, i * unit, Math.min((i + 1) * unit, disk.length));
    else if (part.some((byte) => byte !== 0)) disk.set(part, i * unit);
  }
}

/** Returns a disk with contents in the given units. */
function scattered(unit: number, seed: number): Uint8Array {
  const disk = new Uint8Array(BYTES);
  for (let i = seed % 7; i * unit < BYTES; i += 5 + seed % 11) {
    disk.set(noise(unit, seed + i).subarray(0, BYTES - i * unit), i * unit);
  }
  return disk;
}

/**
 * Writes the chain base (flat) <- COWD <- seSparse <- hosted sparse <- stream, all with zeroed grains if the
 * format has them.
 */
function writeMixedChain(folder: Folder): { path: string; expected: Uint8Array } {
  const expected = writeBase(folder);

  const cowd = scattered(512, 3);
  const cowdZeroed = [1000, 1001, 1002, 4097];
  folder.file("a-delta.vmdk", buildCowd(cowd, { zeroed: cowdZeroed }).bytes);
  folder.file(
    "a.vmdk",
    linkText([`RW ${SECTORS} VMFSSPARSE "a-delta.vmdk"`], {
      cid: "a1",
      parent: { cid: "b0", name: "base.vmdk" },
    }),
  );
  overlay(expected, cowd, 512, cowdZeroed);

  const se = scattered(4096, 5);
  const seZeroed = [500, 501];
  folder.file("b-sesparse.vmdk", buildSeSparse(se, { zeroed: seZeroed, unmapped: [502] }).bytes);
  folder.file(
    "b.vmdk",
    linkText([`RW ${SECTORS} SESPARSE "b-sesparse.vmdk"`], {
      cid: "000000B2",
      parent: { cid: "000000A1", name: "/vmfs/volumes/5f/vm/a.vmdk" },
    }),
  );
  overlay(expected, se, 4096, [...seZeroed, 502]);

  const hosted = scattered(65536, 2);
  const hostedZeroed = [20, 21];
  const descriptor = linkText([`RW ${SECTORS} SPARSE "c"`], {
    cid: "c3",
    parent: { cid: "b2", name: "..\\vm\\b.vmdk" },
  });
  folder.file("c.vmdk", buildSparse(hosted, { zeroed: hostedZeroed, descriptor }).bytes);
  overlay(expected, hosted, 65536, hostedZeroed);

  const stream = scattered(65536, 9);
  const top = linkText([`RW ${SECTORS} SPARSE "d"`], { cid: "d4", parent: { cid: "c3", name: "c.vmdk" } });
  const path = folder.file("d.vmdk", buildStream(stream, { descriptor: top }).bytes);
  overlay(expected, stream, 65536);
  return { path, expected };
}

Deno.test("openForReading() reads through a chain in which every link is of another format", async () => {
  using folder = new Folder();
  const { path, expected } = writeMixedChain(folder);
  using disk = await openForReading(path);
  assertEquals([disk.format, disk.files.length], ["streamOptimized", 8]);
  assertSameBytes(await readByExtents(disk), expected, "by extents");
  await assertRandomReads(disk, expected, { seed: 4, count: 100 });
});

Deno.test("mapAt() returns the link that stores a run, and the place", async () => {
  using folder = new Folder();
  const { path, expected } = writeMixedChain(folder);
  using disk = await openForReading(path);
  const depths = new Set<number>();
  for (let at = 0; at < BYTES;) {
    const { endBytes, depth, present, zero, path: file, fileBytes } = disk.mapAt!(at);
    depths.add(depth);
    assert(endBytes > at && present);
    if (zero) {
      assert(expected.subarray(at, endBytes).every((byte) => byte === 0), `zero at ${at}`);
      assertEquals(file, undefined);
    } else if (fileBytes !== undefined) {
      const bytes = new Uint8Array(endBytes - at);
      using handle = Deno.openSync(file!);
      handle.seekSync(fileBytes, Deno.SeekMode.Start);
      handle.readSync(bytes);
      assertSameBytes(bytes, expected.subarray(at, endBytes), `${file} at ${fileBytes}`);
    }
    at = endBytes;
  }
  assertEquals([...depths].sort(), [0, 1, 2, 3, 4]);
});

Deno.test("A child inherits the keys that its data base does not have", async () => {
  using folder = new Folder();
  writeBase(folder);
  const base = folder.file("base.vmdk");
  Deno.writeTextFileSync(
    base,
    Deno.readTextFileSync(base) + 'ddb.uuid = "1"\nddb.longContentID = "2"\nddb.toolsVersion = "3"\n',
  );
  const path = writeEmptyChild(folder, "a.vmdk", { cid: "a1", parent: { cid: "b0", name: "base.vmdk" } });
  Deno.writeTextFileSync(
    path,
    Deno.readTextFileSync(path).replace('ddb.adapterType = "lsilogic"', 'ddb.toolsversion = "4"'),
  );
  using disk = await openForReading(path);
  assertEquals(disk.metadata, new Map([["toolsversion", "4"], ["adapterType", "lsilogic"], ["uuid", "1"]]));
  assertEquals(disk.adapterType, 3);
});

Deno.test("openForReading() finds a parent by its name, or in the child's folder", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.file("vm"));
  const content = writeBase(folder);
  const read = async (path: string, options?: OpenDiskOptions) => {
    using disk = await openForReading(path, options);
    assertSameBytes(await readByExtents(disk), content, path);
  };
  for (const name of ["base.vmdk", "./base.vmdk", "gone/base.vmdk", "/gone/base.vmdk", "C:\\vm\\base.vmdk"]) {
    await read(writeEmptyChild(folder, "a.vmdk", { cid: "a1", parent: { cid: "b0", name } }));
  }
  // A linked clone with the name of its parent.
  Deno.writeFileSync(folder.file("vm/empty-delta.vmdk"), buildCowd(new Uint8Array(BYTES)).bytes);
  for (const name of ["../base.vmdk", "..\\base.vmdk", folder.file("base.vmdk")]) {
    const extents = [`RW ${SECTORS} VMFSSPARSE "empty-delta.vmdk"`];
    const clone = folder.file("vm/base.vmdk", linkText(extents, { cid: "a1", parent: { cid: "b0", name } }));
    await read(clone, { allowOutside: true });
    await assertRejects(
      () => openForReading(clone),
      FormatError,
      "lies outside the folder of the descriptor",
    );
  }
  Deno.symlinkSync(folder.file("base.vmdk"), folder.file("vm/link.vmdk"));
  const parent = { cid: "b0", name: "link.vmdk" };
  const linked = folder.file(
    "vm/c.vmdk",
    linkText([`RW ${SECTORS} VMFSSPARSE "empty-delta.vmdk"`], { cid: "a1", parent }),
  );
  await read(linked, { allowOutside: true });
  await assertRejects(() => openForReading(linked), FormatError, 'the parent "link.vmdk" lies outside');
});

Deno.test("openForReading() refuses parents that do not fit", async () => {
  using folder = new Folder();
  writeBase(folder);
  const flat = Deno.readTextFileSync(folder.file("base.vmdk"));
  folder.file("small.vmdk", flat.replace(`RW ${SECTORS}`, `RW ${SECTORS - 1}`));
  folder.file("no-cid.vmdk", flat.replace("CID=b0\n", "").replace(/^parentCID/m, "parentCID"));
  folder.file("text.vmdk", "nothing");
  folder.file("empty.vmdk", "");
  folder.file("orphan.vmdk", flat.replace("parentCID=ffffffff", "parentCID=1"));
  Deno.mkdirSync(folder.file("sub.vmdk"));
  new Deno.Command("mkfifo", { args: [folder.file("fifo.vmdk")] }).outputSync();
  const cases: [name: string, cid: string, message: string][] = [
    ["base.vmdk", "b1", `has CID 000000b0, 000000b1 is wanted: it was changed after the child was made`],
    ["no-cid.vmdk", "b0", `has no CID, 000000b0 is wanted`],
    ["small.vmdk", "b0", `has ${BYTES - 512} bytes, the child ${BYTES}`],
    ["gone.vmdk", "b0", 'the parent "gone.vmdk" cannot be opened: no such file'],
    ["sub.vmdk", "b0", 'the parent "sub.vmdk" is not a regular file'],
    ["fifo.vmdk", "b0", 'the parent "fifo.vmdk" is not a regular file'],
    ["/dev/zero", "b0", 'the parent "/dev/zero" names a device'],
    ["../base.vmdk/..", "b0", "lies outside the folder of the descriptor"],
    ["", "b0", "it is a snapshot of a disk with CID 000000b0, but does not name that disk"],
    ["base-flat.vmdk", "b0", "it is an extent, open the descriptor"],
    ["text.vmdk", "b0", "begins neither like a descriptor nor like a sparse VMDK"],
    ["empty.vmdk", "b0", "begins neither like a descriptor nor like a sparse VMDK"],
    ["orphan.vmdk", "b0", "it is a snapshot of a disk with CID 00000001, but does not name that disk"],
  ];
  for (const [name, cid, message] of cases) {
    const path = writeEmptyChild(folder, "a.vmdk", { cid: "a1", parent: { cid, name } });
    const error = await assertRejects(() => openForReading(path), Error, undefined, name);
    assertStringIncludes(error.message, message, name);
  }
});

Deno.test("openForReading() refuses loops and endless chains", async () => {
  using folder = new Folder();
  const child = (name: string, parent: string) =>
    writeEmptyChild(folder, name, { cid: "1", parent: { cid: "1", name: parent } });
  const self = child("self.vmdk", "self.vmdk");
  let error = await assertRejects(() => openForReading(self), FormatError);
  assertStringIncludes(error.message, `the parents form a loop: "${self}" -> "${self}"`);
  child("a.vmdk", "b.vmdk");
  child("b.vmdk", "./a.vmdk");
  error = await assertRejects(() => openForReading(folder.file("a.vmdk")), FormatError);
  assertStringIncludes(error.message, "the parents form a loop: ");

  for (let i = 0; i < 70; i++) child(`${i}.vmdk`, `${i + 1}.vmdk`);
  error = await assertRejects(() => openForReading(folder.file("0.vmdk")), FormatError);
  assertStringIncludes(error.message, "it has 64 links or more above its base");

  writeBase(folder, { name: "63.vmdk", cid: "1" });
  using disk = await openForReading(folder.file("0.vmdk"));
  const bytes = new Uint8Array(2048);
  await disk.read(bytes, 4096);
  assertSameBytes(bytes, noise(BYTES, 1).subarray(4096, 6144), "64 links");
});

Deno.test("openForReading() reads extents of every type in one descriptor", async () => {
  using folder = new Folder();
  const parts = [noise(1000 * 512, 1), patchyDisk(777, 2), new Uint8Array(5 * 512), patchyDisk(4099, 3)];
  folder.file("x-flat.vmdk", parts[0]);
  folder.file("x-s001.vmdk", buildSparse(parts[1]).bytes);
  folder.file("x-s002.vmdk", buildStream(parts[3]).bytes);
  const cowd = patchyDisk(1234, 6);
  folder.file("x-delta.vmdk", buildCowd(cowd).bytes);
  const path = folder.file(
    "x.vmdk",
    descriptorText([
      'RW 1000 FLAT "x-flat.vmdk" 0',
      'RW 777 SPARSE "x-s001.vmdk"',
      "RW 5 ZERO",
      'RDONLY 4099 SPARSE "x-s002.vmdk"',
      'RW 1234 VMFSSPARSE "x-delta.vmdk"',
      // VirtualBox rounds the capacity up and keeps the exact size in the line.
      'RW 100 SPARSE "x-s001.vmdk"',
      'RW 3 VMFS "x-flat.vmdk"',
    ], { createType: "custom" }),
  );
  const expected = new Uint8Array(
    await new Blob(
      [...parts, cowd, parts[1].subarray(0, 100 * 512), parts[0].subarray(0, 3 * 512)] as BlobPart[],
    )
      .arrayBuffer(),
  );
  using disk = await openForReading(path);
  assertEquals([disk.format, disk.capacityBytes, disk.files.length], ["custom", expected.length, 5]);
  assertSameBytes(await readByExtents(disk), expected, "mixed");
  await assertRandomReads(disk, expected, { seed: 3, count: 100 });
});

Deno.test("openForReading() does not hold all of 4000 sparse pieces of a split disk open", async () => {
  using folder = new Folder();
  const piece = buildSparse(noise(512, 1)).bytes;
  const names = Array.from({ length: 40 }, (_, i) => `x-s${i}.vmdk`);
  for (const name of names) folder.file(name, piece);
  const lines = Array.from({ length: 4000 }, (_, i) => `RW 1 SPARSE "${names[i % 40]}"`);
  const path = folder.file("x.vmdk", descriptorText(lines, { createType: "twoGbMaxExtentSparse" }));
  using disk = await openForReading(path);
  const bytes = await readByExtents(disk);
  for (let i = 0; i < 4000; i += 333) {
    assertSameBytes(bytes.subarray(i * 512, i * 512 + 512), noise(512, 1), `piece ${i}`);
  }
});

qemuTest("openForReading() reads a chain of the builders as qemu-img does", async () => {
  using folder = new Folder();
  writeMixedChain(folder);
  // qemu-img uses names unchanged, does not know the createType custom, and does not read 1 in a COWD table
  // as zeros.
  folder.file("a-delta.vmdk", buildCowd(scattered(512, 3)).bytes);
  for (
    const [name, createType, parent] of [
      ["base.vmdk", "monolithicFlat"],
      ["a.vmdk", "vmfsSparse", "base.vmdk"],
      ["b.vmdk", "seSparse", "a.vmdk"],
    ]
  ) {
    const text = Deno.readTextFileSync(folder.file(name)).replace("custom", createType);
    folder.file(name, parent ? text.replace(/Hint=".*"/, `Hint="${folder.file(parent)}"`) : text);
  }
  using disk = await openForReading(folder.file("b.vmdk"));
  assertSameBytes(await readByExtents(disk), qemuRaw(folder.file("b.vmdk")), "chain");
});

qemuTest(
  "openForReading() refuses a child whose base was changed, which qemu-img cannot read either",
  async () => {
    using folder = new Folder();
    const raw = folder.file("q.raw", patchyDisk(2048, 1));
    qemuImg("convert", "-O", "vmdk", raw, folder.file("base.vmdk"));
    qemuImg("create", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", folder.file("child.vmdk"));
    using _disk = await openForReading(folder.file("child.vmdk"));
    new Deno.Command("qemu-io", { args: ["-f", "vmdk", "-c", "write 0 512", folder.file("base.vmdk")] })
      .outputSync();
    await assertRejects(
      () => openForReading(folder.file("child.vmdk")),
      FormatError,
      "it was changed after the child was made",
    );
  },
);
