/**
 * VMDKs read by tools of two more families: 7-Zip for their bytes, libvmdk's `vmdkinfo` for their properties.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertEqualBytes } from "../../integration/same_bytes.ts";
import { Workspace } from "../../integration/workspace.ts";
import { testWith } from "../../support/skip.ts";
import { noise, qemuImg } from "../helpers.ts";

const MIB = 1024 * 1024;
const SIZE_BYTES = 12 * MIB + 3 * 512;

/** The name of 7-Zip in Debian, and its other names. */
const SEVEN_ZIP = ["7zz", "7z"].find(isThere);
const missing = SEVEN_ZIP === undefined
  ? "7-Zip (7zz) is not installed"
  : !isThere("vmdkinfo")
  ? "libvmdk's vmdkinfo is not installed"
  : undefined;

function isThere(program: string): boolean {
  try {
    new Deno.Command(program, { stdin: "null", stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}

/** Makes a disk of noise and zeros, its dump and its digest. */
async function workspace(): Promise<Workspace> {
  const work = new Workspace();
  using file = Deno.createSync(work.file("disk.raw"));
  file.writeSync(noise(3 * MIB + 512, 1));
  file.truncateSync(SIZE_BYTES);
  file.seekSync(SIZE_BYTES - MIB, Deno.SeekMode.Start);
  file.writeSync(noise(MIB, 2));
  await work.run("dump --mode full --local disk.raw --dumpout 0.dump --digestout 0.digest");
  return work;
}

function bytesBySevenZip(path: string): Uint8Array {
  return new Deno.Command(SEVEN_ZIP!, { args: ["e", "-so", path], stdin: "null" }).outputSync().stdout;
}

function vmdkinfo(path: string): string {
  const { code, stdout, stderr } = new Deno.Command("vmdkinfo", { args: [path] }).outputSync();
  const text = new TextDecoder();
  assertEquals(code, 0, text.decode(stderr));
  return text.decode(stdout);
}

const TYPES = {
  monolithicFlat: "Monolithic flat",
  vmfs: "VMFS flat",
  monolithicSparse: "Monolithic sparse",
  streamOptimized: "Stream optimized",
};

for (const [format, type] of Object.entries(TYPES)) {
  testWith({ missing }, `7-Zip and libvmdk read the disks that are made as ${format}`, async () => {
    using work = await workspace();
    await work.run(`restore --create --format ${format} --local made.vmdk 0.dump`);
    assertEqualBytes(
      bytesBySevenZip(work.file("made.vmdk")),
      Deno.readFileSync(work.file("disk.raw")),
      format,
    );
    const said = vmdkinfo(work.file("made.vmdk"));
    assertStringIncludes(said, `(${SIZE_BYTES} bytes)`);
    assertStringIncludes(said, type);
  });
}

/** 7-Zip calls the compressed streams of qemu-img damaged; qemu-img and this program read them. */
for (const format of ["monolithicSparse", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"]) {
  testWith({ missing }, `openForReading() reads ${format} disks as 7-Zip and libvmdk do`, async () => {
    using work = await workspace();
    const path = work.file("disk.vmdk");
    qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", `subformat=${format}`, work.file("disk.raw"), path);
    await work.run("dump --mode full --local disk.vmdk --dumpout 1.dump --digestout 1.digest");
    await work.assertCompare("0.dump", "1.dump");
    await work.run("restore --create --local back.raw 1.dump");
    assertEqualBytes(bytesBySevenZip(path), Deno.readFileSync(work.file("back.raw")), format);
    assertStringIncludes(vmdkinfo(path), `(${SIZE_BYTES} bytes)`);
  });
}
