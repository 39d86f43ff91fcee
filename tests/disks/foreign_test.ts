/** Raw disks that are something else: images of other hypervisors, archives, compressed files. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openForReading, openForWriting } from "../../cli/disks/open.ts";
import { callMain } from "../support/run_cli.ts";
import { Folder, noise, qemuImg, qemuTest } from "./helpers.ts";

const SIZE = 8192;

/** A file of noise that has `text` at byte `at`, or that many bytes before its end. */
function withText(at: number, text: string): Uint8Array {
  const bytes = noise(SIZE, 1);
  bytes.set(Uint8Array.from(text, (c) => c.charCodeAt(0)), at < 0 ? SIZE + at : at);
  return bytes;
}

const BY_BYTES: [content: Uint8Array, name: string][] = [
  [withText(0, "QFI\xfb\0\0\0\x03"), "a qcow2 image"],
  [withText(64, "\x7f\x10\xda\xbe"), "a VDI image of VirtualBox"],
  [withText(0, "vhdxfile"), "a VHDX image"],
  [withText(0, "conectix"), "a VHD image"],
  [withText(-512, "conectix"), "a VHD image"],
  [withText(-512, "koly"), "a disk image of macOS"],
  [withText(257, "ustar\0"), "a tar archive"],
  [withText(0, "PK\x03\x04"), "a zip archive"],
  [withText(0, "7z\xbc\xaf\x27\x1c"), "a 7-Zip archive"],
  [withText(0, "\x1f\x8b\x08"), "compressed by gzip"],
  [withText(0, "\x28\xb5\x2f\xfd"), "compressed by zstd"],
  [withText(0, "\xfd7zXZ\0"), "compressed by xz"],
  [withText(0, "\x04\x22\x4d\x18"), "compressed by lz4"],
  [withText(0, "BZh91AY&SY"), "compressed by bzip2"],
  [withText(0, "# Disk Descriptor File\nversion=1\n"), "the descriptor of a VMDK"],
];

const BY_NAME: [file: string, name: string][] = [
  ["disk.qcow2", "a qcow2 image"],
  ["disk.VDI", "a VDI image of VirtualBox"],
  ["disk.vhd", "a VHD image"],
  ["disk.vhdx", "a VHDX image"],
  ["web.ova", "an OVA"],
  ["web.box", "a Vagrant box"],
  ["disk.raw.gz", "compressed by gzip"],
  ["disk.img.xz", "compressed by xz"],
  ["disk.lz4", "compressed by lz4"],
  ["web.ovf", "the description of a virtual machine"],
  ["web.vmx", "the description of a virtual machine"],
  ["mon.dump", "an archive of vmdkbkp"],
  ["mon.rdiff", "an archive of vmdkbkp"],
  ["web-disk1.vmdk.000000001", "one part of a split file"],
  ["web.000000012", "one part of a split file"],
  ["web.ova.001", "one part of a split file"],
  ["disk.part02", "one part of a split file"],
];

/** Names and contents of raw disks that are what they seem. */
const RAW: [file: string, content: Uint8Array][] = [
  ["disk.raw", noise(SIZE, 2)],
  ["disk.img", new Uint8Array(SIZE)],
  ["disk", noise(1, 3)],
  ["disk.001", noise(SIZE, 4)],
  ["cd.iso", noise(SIZE, 5)],
  ["vm-flat", noise(600, 6)],
  ["gzip", noise(SIZE, 7)],
  ["disk.raw2.5", noise(SIZE, 8)],
];

async function warningsOf(path: string, format?: "raw"): Promise<string[]> {
  const warnings: string[] = [];
  using disk = await openForReading(path, { format, warn: (line) => warnings.push(line) });
  assertEquals([disk.format, disk.capacityBytes], ["raw", Deno.statSync(path).size]);
  return warnings;
}

async function assertForeign(path: string, name: string): Promise<void> {
  const warnings = await warningsOf(path);
  assertEquals(warnings.length, 1, `${path}: ${name}`);
  assertStringIncludes(warnings[0], `Disk "${path}" is read as raw bytes, but by its `);
  assertStringIncludes(warnings[0], ` it is ${name}: `);
  assertStringIncludes(warnings[0], "--format raw");
  assertEquals(await warningsOf(path, "raw"), [], name);
}

Deno.test("openForReading() warns of raw disks in foreign formats by their bytes", async () => {
  using folder = new Folder();
  for (const [content, name] of BY_BYTES) await assertForeign(folder.file("disk.raw", content), name);
});

Deno.test("openForReading() warns of raw disks in foreign formats by their names", async () => {
  using folder = new Folder();
  for (const [file, name] of BY_NAME) await assertForeign(folder.file(file, noise(SIZE, 1)), name);
});

Deno.test("openForReading() names an OVA and a box by the suffix, other files by their bytes", async () => {
  using folder = new Folder();
  await assertForeign(folder.file("web.ova", withText(257, "ustar\0")), "an OVA");
  await assertForeign(folder.file("web.box", withText(0, "\x1f\x8b\x08")), "a Vagrant box");
  await assertForeign(folder.file("disk.vdi", withText(0, "QFI\xfb")), "a qcow2 image");
});

Deno.test("openForReading() says in refusals of VMDKs which foreign format a file has", async () => {
  using folder = new Folder();
  const cases: [file: string, content: Uint8Array, name: string][] = [
    ["disk.vmdk", withText(0, "QFI\xfb"), "by its first bytes it is a qcow2 image, convert it first"],
    ["disk.vmdk", withText(257, "ustar"), "by its first bytes it is a tar archive, unpack it first"],
    [
      "web-disk1.vmdk.000000000",
      withText(0, "KDMV"),
      "by its name it is one part of a split file, join the parts",
    ],
    ["web.ova", withText(0, "KDMV"), "by its name it is an OVA, unpack it first"],
  ];
  for (const [file, content, name] of cases) {
    const error = await assertRejects(
      () => openForReading(folder.file(file, content)),
      Error,
      undefined,
      file,
    );
    assertStringIncludes(error.message, `; ${name}`, file);
  }
  await assertForeign(folder.file("web.ova.000000000", withText(257, "ustar")), "one part of a split file");
});

Deno.test("openForReading() does not warn of other raw disks", async () => {
  using folder = new Folder();
  for (const [file, content] of RAW) assertEquals(await warningsOf(folder.file(file, content)), [], file);
});

Deno.test("openForReading() warns of the archives that dump writes, whatever their names", async () => {
  using folder = new Folder();
  const disk = folder.file("disk.raw", noise(3 * 4096, 1));
  const path = (name: string) => folder.file(name);
  const full = ["dump", "--mode", "full", "--blocksize", "4096", "--local", disk];
  const run = async (args: string[]) => assertEquals((await callMain(args)).code, 0, args.join(" "));
  await run([...full, "--dumpout", path("0.dump"), "--digestout", path("0.digest")]);
  folder.file("disk.raw", noise(3 * 4096, 2));
  await run([
    ...[
      "dump",
      "--mode",
      "diff",
      "--local",
      disk,
      "--dumpin",
      path("0.dump"),
      "--digestin",
      path("0.digest"),
    ],
    ...["--dumpout", path("1.dump"), "--digestout", path("1.digest"), "--rdiffout", path("0.rdiff")],
  ]);
  for (const name of ["0.dump", "1.dump", "0.digest", "0.rdiff"]) {
    Deno.renameSync(path(name), path("copy"));
    await assertForeign(path("copy"), "an archive of vmdkbkp");
  }
});

Deno.test("openForWriting() warns that a raw disk in a foreign format is written over", async () => {
  using folder = new Folder();
  const path = folder.file("disk.qcow2", withText(0, "QFI\xfb"));
  const warnings: string[] = [];
  {
    using disk = await openForWriting(path, { warn: (line) => warnings.push(line) });
    assertEquals(disk.format, "raw");
  }
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0], "is written as raw bytes");
  using _disk = await openForWriting(path, { format: "raw", warn: (line) => warnings.push(line) });
  assertEquals(warnings.length, 1);
});

Deno.test("dump warns of a foreign container and makes the archive; with --format raw it does not warn", async () => {
  using folder = new Folder();
  const disk = folder.file("disk.qcow2", withText(0, "QFI\xfb"));
  const args = ["dump", "--mode", "full", "--local", disk, "--force"];
  const outputs = ["--dumpout", folder.file("a.dump"), "--digestout", folder.file("a.digest")];
  const warned = await callMain([...args, ...outputs]);
  assertEquals(warned.code, 0, warned.stderr);
  assertStringIncludes(warned.stderr, "Warning: Disk ");
  assertStringIncludes(warned.stderr, "a qcow2 image");
  const meant = await callMain([...args, ...outputs, "--format", "raw"]);
  assertEquals([meant.code, meant.stderr], [0, ""]);
});

qemuTest("openForReading() warns of every image that qemu-img makes", async () => {
  using folder = new Folder();
  for (
    const [format, ...options] of [
      ["qcow2"],
      ["vdi"],
      ["vhdx"],
      ["vpc"],
      ["vpc", "-o", "subformat=fixed"],
      ["qed"],
      ["parallels"],
      ["qcow"],
    ]
  ) {
    const path = folder.file("image");
    qemuImg("create", "-q", "-f", format, ...options, path, "10M");
    assertEquals((await warningsOf(path)).length, 1, format);
    Deno.removeSync(path);
  }
});
