/** Disks that other programs write and read, with spellings that are rare: they are read, or refused with the reason. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openForReading, openForWriting } from "../../../cli/disks/open.ts";
import { FormatError } from "../../../cli/errors.ts";
import { assertSameBytes, Folder, noise, qemuRaw, qemuTest, readByExtents } from "../helpers.ts";
import { descriptorText } from "./builder.ts";
import { buildCowd } from "./esx_builder.ts";

const SECTORS = 16;
const CONTENT = noise(SECTORS * 512, 1);
const LINE = `RW ${SECTORS} FLAT "disk-flat.vmdk" 0`;

/** Writes a flat disk with the given descriptor; returns the path of the descriptor. */
function write(folder: Folder, text: string): string {
  folder.file("disk-flat.vmdk", CONTENT);
  return folder.file("disk.vmdk", text);
}

/** Opens a disk and checks its contents; returns the warnings. */
async function assertRead(path: string, message: string, options = {}): Promise<string[]> {
  const warnings: string[] = [];
  using disk = await openForReading(path, { warn: (line) => warnings.push(line), ...options });
  assertSameBytes(await readByExtents(disk), CONTENT, message);
  return warnings;
}

const FIRST_LINES = [
  "# Disk Descriptor File",
  "#Disk Descriptor File",
  "#Disk DescriptorFile",
  "#  disk  descriptor  file",
  "# DISK DESCRIPTOR FILE",
  "# Disk descriptor",
  "# Copied by hand",
  "#",
  "\n \n# VMware virtual disk\n\n# second line",
  "\ufeff# Disk Descriptor File",
  "# x\r# y",
  "# a\n".repeat(3000),
];

Deno.test("openForReading() reads descriptors that begin with any comment, then version=", async () => {
  using folder = new Folder();
  for (const first of FIRST_LINES) {
    const text = descriptorText([LINE]).replace("# Disk DescriptorFile", first);
    assertEquals(await assertRead(write(folder, text), first), [], first);
    assertEquals(
      await assertRead(write(folder, text.replace("version=1", "  Version = 1")), first),
      [],
      first,
    );
    using disk = await openForWriting(folder.file("disk.vmdk"));
    assertEquals(disk.format, "monolithicFlat", first);
  }
});

Deno.test("openForReading() reads parents that begin with any comment", async () => {
  using folder = new Folder();
  write(folder, descriptorText([LINE]).replace("# Disk DescriptorFile", "#Disk Descriptor File"));
  folder.file("child-delta.vmdk", buildCowd(new Uint8Array(SECTORS * 512)).bytes);
  const header = ['parentFileNameHint="disk.vmdk"'];
  const child = descriptorText([`RW ${SECTORS} VMFSSPARSE "child-delta.vmdk"`], { header });
  const path = folder.file("child.vmdk", child.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));
  assertEquals(await assertRead(path, "child"), []);
});

Deno.test("openForReading() refuses files that begin with a comment and are no descriptors", async () => {
  using folder = new Folder();
  for (
    const text of [
      "# a shell script\necho version=1\n",
      "# comments\n".repeat(5000) + "version=1\n",
      "#!/bin/sh\n",
      "# \0\nversion",
      "version=1\n",
      "CID=1\n# Disk Descriptor File\nversion=1\n",
    ]
  ) {
    await assertRejects(
      () => openForReading(folder.file("disk.vmdk", text)),
      FormatError,
      "begins neither like a descriptor nor like a sparse VMDK",
    );
  }
});

Deno.test("openForReading() reads raw disks that begin with a comment, and warns if they read like a descriptor", async () => {
  using folder = new Folder();
  const warnings: string[] = [];
  for (
    const [text, count] of [["# x\nversion=1\n", 1], ["# x\nversion", 0], [
      "#Disk Descriptor File\nv",
      0,
    ]] as const
  ) {
    warnings.length = 0;
    using disk = await openForReading(folder.file("disk.raw", text), { warn: (line) => warnings.push(line) });
    assertEquals([disk.format, warnings.length], ["raw", count], text);
  }
});

const BAD_LINES = [
  'ddb.comment = "a "golden" image"',
  'ddb.comment = "unfinished',
  'ddb.comment = one "two" three',
  "ddb.comment",
  "ddb.",
  "ddb. = 1",
  'ddb.com ment = "x"',
  'ddb."comment" = "x"',
  "ddb.comment = \u00e4\u00f6",
];

Deno.test("openForReading() leaves lines of the disk data base out that it does not understand, with a warning", async () => {
  using folder = new Folder();
  for (const line of BAD_LINES) {
    const text = descriptorText([LINE], { ddb: ['ddb.adapterType = "ide"', line, 'ddb.uuid = "1"'] });
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    folder.file("disk-flat.vmdk", CONTENT);
    const path = folder.file("disk.vmdk", bytes);
    const warnings = await assertRead(path, line);
    assertEquals(warnings.length, 1, line);
    assertStringIncludes(warnings[0], "line 15, ", line);
    using disk = await openForReading(path);
    assertEquals(disk.metadata, new Map([["adapterType", "ide"], ["uuid", "1"]]), line);
    using writable = await openForWriting(path);
    await writable.writeMetadata(new Map([["uuid", "2"]]));
    assert(!Deno.readTextFileSync(path).split("\n").includes(line), line);
    assertEquals(await assertRead(path, line), [], line);
  }
});

Deno.test("openForReading() warns once of a thousand lines that it does not understand", async () => {
  using folder = new Folder();
  const ddb = Array.from({ length: 1000 }, (_, i) => `ddb.comment${i} = "a "b" c"`);
  const warnings = await assertRead(write(folder, descriptorText([LINE], { ddb })), "comments");
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0], "; and 997 more");
  assert(warnings[0].length < 1000, warnings[0]);
});

Deno.test("openForReading() keeps a later line of the data base if an earlier one is not understood", async () => {
  using folder = new Folder();
  const ddb = ['ddb.uuid = "1"2"', 'ddb.uuid = "3"'];
  using disk = await openForReading(write(folder, descriptorText([LINE], { ddb })));
  assertEquals(disk.metadata, new Map([["uuid", "3"]]));
});

Deno.test("openForReading() takes parentCID=00000000 without a hint for no parent, with flat extents only", async () => {
  using folder = new Folder();
  const withParent = (text: string, cid: string) => text.replace("parentCID=ffffffff", `parentCID=${cid}`);
  for (const cid of ["00000000", "0"]) {
    for (const lines of [[LINE], [LINE.replace("FLAT", "VMFS").replace(" 0", "")]]) {
      assertEquals(await assertRead(write(folder, withParent(descriptorText(lines), cid)), cid), []);
      using disk = await openForWriting(folder.file("disk.vmdk"));
      assertEquals(disk.capacityBytes, CONTENT.length);
    }
    const header = ['parentFileNameHint=""'];
    await assertRead(write(folder, withParent(descriptorText([LINE], { header }), cid)), cid);
  }
  folder.file("delta.vmdk", buildCowd(CONTENT).bytes);
  const refused: [lines: string[], cid: string, header: string[], message: string][] = [
    [[`RW ${SECTORS} VMFSSPARSE "delta.vmdk"`], "00000000", [], "does not name that disk"],
    [[LINE], "00000001", [], "does not name that disk"],
    [[LINE], "00000000", ['parentFileNameHint="gone.vmdk"'], "cannot be opened: no such file"],
  ];
  for (const [lines, cid, header, message] of refused) {
    const path = write(folder, withParent(descriptorText(lines, { header }), cid));
    await assertRejects(() => openForReading(path), FormatError, message);
  }
});

const FOREIGN_PATHS = [
  "/vmfs/volumes/5a6b7c8d-12345678-9abc-001122334455/web/disk-flat.vmdk",
  "/vmfs/volumes/datastore 1/web/disk-flat.vmdk",
  "C:\\Virtual Machines\\web\\disk-flat.vmdk",
  "d:/vm/disk-flat.vmdk",
  "\\\\server\\share\\disk-flat.vmdk",
  "/gone/x\\disk-flat.vmdk",
];

Deno.test("openForReading() finds extents with an absolute path of another host beside the descriptor", async () => {
  using folder = new Folder();
  for (const name of FOREIGN_PATHS) {
    const path = write(folder, descriptorText([`RW ${SECTORS} FLAT "${name}" 0`]));
    for (const options of [{}, { allowOutside: true }]) {
      const warnings = await assertRead(path, name, options);
      assertEquals(warnings.length, 1, name);
      assertStringIncludes(
        warnings[0],
        'does not exist here, "disk-flat.vmdk" beside the descriptor is used',
      );
    }
    using disk = await openForWriting(path);
    await disk.write(CONTENT.subarray(0, 512), 0);
    assertEquals(disk.files, [path, folder.file("disk-flat.vmdk")], name);
  }
});

Deno.test("openForReading() reads an extent that is named by its absolute path in the folder", async () => {
  using folder = new Folder();
  const name = folder.file("disk-flat.vmdk");
  assertEquals(await assertRead(write(folder, descriptorText([`RW ${SECTORS} FLAT "${name}" 0`])), name), []);
});

Deno.test("openForReading() uses no file beside the descriptor in place of one that exists elsewhere", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.file("old"));
  folder.file("old/disk-flat.vmdk", noise(SECTORS * 512, 2));
  const name = folder.file("old/disk-flat.vmdk");
  Deno.mkdirSync(folder.file("new"));
  folder.file("new/disk-flat.vmdk", CONTENT);
  const path = folder.file("new/disk.vmdk", descriptorText([`RW ${SECTORS} FLAT "${name}" 0`]));
  await assertRejects(() => openForReading(path), FormatError, "(--allow-outside accepts that)");
  using disk = await openForReading(path, { allowOutside: true });
  assertSameBytes(await readByExtents(disk), noise(SECTORS * 512, 2), "the file that is named");
});

Deno.test("openForReading() refuses absolute paths that lead to nothing or out of the folder", async () => {
  using folder = new Folder();
  folder.file("secret", CONTENT);
  Deno.mkdirSync(folder.file("vm"));
  Deno.symlinkSync(folder.file("secret"), folder.file("vm/link"));
  const cases: [name: string, message: string][] = [
    ["/gone/nothing.vmdk", "lies outside the folder of the descriptor (--allow-outside accepts that)"],
    ["/gone/link", "lies outside the folder of the descriptor (--allow-outside accepts that)"],
    ["/gone/disk.vmdk", "is the descriptor itself"],
    ["/gone/..", "lies outside the folder"],
    ["/", "lies outside the folder"],
    ["../secret", "lies outside the folder of the descriptor (--allow-outside accepts that)"],
  ];
  for (const [name, message] of cases) {
    const path = folder.file("vm/disk.vmdk", descriptorText([`RW ${SECTORS} FLAT "${name}" 0`]));
    const error = await assertRejects(() => openForReading(path), FormatError, undefined, name);
    assertStringIncludes(error.message, message, name);
  }
});

Deno.test("openForReading() says of extents and parents in object stores what they are", async () => {
  using folder = new Folder();
  const cases: [line: string, message: string][] = [
    [
      'RW 16 VMFS "vsan://5a6b7c8d-1234-5678-9abc-001122334455"',
      "is an object of vSAN; only its host can read it",
    ],
    ['RW 16 VMFS "VSAN://5a6b"', "is an object of vSAN"],
    [
      'RW 16 VSANSPARSE "vsan://5a6b"',
      'the extent type "VSANSPARSE" is one of vSAN; only its host can read it',
    ],
    [
      'RW 16 VMFS "vvol://rfc4122.1122/rfc4122.3344"',
      "is a virtual volume (VVol); only its host can read it",
    ],
    ['RW 16 VVOLSPARSE "x"', 'the extent type "VVOLSPARSE" is one of virtual volumes (VVol)'],
    ['RW 16 VMFS "s3://bucket/disk"', 'is an object of a store that is named by "s3:"'],
    ['RW 16 SESPARSE "vvol://1"', "is a virtual volume (VVol)"],
  ];
  for (const [line, message] of cases) {
    const error = await assertRejects(
      () => openForReading(write(folder, descriptorText([line]))),
      FormatError,
    );
    assertStringIncludes(error.message, message, line);
    assertStringIncludes(error.message, "--remote", line);
  }
  const header = ['parentFileNameHint="vsan://5a6b"'];
  const text = descriptorText([LINE], { header }).replace("parentCID=ffffffff", "parentCID=1");
  const error = await assertRejects(() => openForReading(write(folder, text)), FormatError);
  assertStringIncludes(error.message, 'the parent "vsan://5a6b" is an object of vSAN');
});

qemuTest("openForReading() reads descriptors with any comment as qemu-img does", () => {
  using folder = new Folder();
  for (const first of ["# Disk Descriptor File", "# x"]) {
    const path = write(folder, descriptorText([LINE]).replace("# Disk DescriptorFile", first));
    assertSameBytes(qemuRaw(path), CONTENT, first);
  }
});
