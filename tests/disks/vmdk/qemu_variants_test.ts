/**
 * Every variant that qemu-img writes: its content is read by extents and at random, and compared with what
 * qemu-img reads.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { openForReading } from "../../../cli/disks/open.ts";
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

const SUBFORMATS = [
  "monolithicSparse",
  "monolithicFlat",
  "twoGbMaxExtentSparse",
  "twoGbMaxExtentFlat",
  "streamOptimized",
];

for (const subformat of SUBFORMATS) {
  qemuTest(`openForReading() reads ${subformat} of qemu-img as qemu-img does`, async () => {
    using folder = new Folder();
    const contents = [
      patchyDisk(1, 1),
      patchyDisk(129, 2),
      patchyDisk(65537, 3),
      new Uint8Array(200 * 512),
      noise(3000 * 512, 4),
    ];
    for (const [index, content] of contents.entries()) {
      const path = join(folder.path, `${subformat}-${index}.vmdk`);
      const options = `subformat=${subformat}`;
      qemuImg("convert", "-O", "vmdk", "-o", options, folder.file("q.raw", content), path);
      const expected = qemuRaw(path);
      using disk = await openForReading(path);
      assertEquals(disk.format, subformat);
      assertSameBytes(await readByExtents(disk), expected, `${subformat}, content ${index}`);
      assertSameBytes(expected.subarray(0, content.length), content, `${subformat}, content ${index}`);
      await assertRandomReads(disk, expected, { seed: index, count: 60 });
    }
  });
}

qemuTest("openForReading() reads a split disk of several pieces as qemu-img does", async () => {
  using folder = new Folder();
  for (const subformat of ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"]) {
    const path = join(folder.path, `${subformat}.vmdk`);
    qemuImg("create", "-f", "vmdk", "-o", `subformat=${subformat}`, path, "5G");
    // The run crosses the border between the first two pieces.
    const [at, length] = [2 ** 31 - 100 * 512, 300 * 512];
    new Deno.Command("qemu-io", {
      args: ["-f", "vmdk", "-c", `write -P 0x5a ${at} ${length}`, "-c", "write -P 0x77 5368708608 512", path],
    }).outputSync();
    using disk = await openForReading(path);
    assertEquals([disk.format, disk.capacityBytes, disk.files.length], [subformat, 5 * 2 ** 30, 4]);
    const bytes = new Uint8Array(length + 2048);
    await disk.read(bytes, at - 1024);
    const expected = new Uint8Array(length + 2048);
    expected.fill(0x5a, 1024, 1024 + length);
    assertSameBytes(bytes, expected, subformat);
    const last = new Uint8Array(512);
    await disk.read(last, disk.capacityBytes - 512);
    assertSameBytes(last, new Uint8Array(512).fill(0x77), subformat);
  }
});

qemuTest("openForReading() reads chains of qemu-img as qemu-img does", async () => {
  for (
    const [base, child] of [["monolithicSparse", "monolithicSparse"], [
      "monolithicFlat",
      "twoGbMaxExtentSparse",
    ]]
  ) {
    using folder = new Folder();
    const path = (link: number) => folder.file(`link${link}.vmdk`);
    const raw = folder.file("q.raw", patchyDisk(20000 - 20000 % 128, 3));
    qemuImg("convert", "-O", "vmdk", "-o", `subformat=${base}`, raw, path(0));
    for (let link = 1; link < 5; link++) {
      const options = `subformat=${child}`;
      qemuImg("create", "-f", "vmdk", "-o", options, "-b", `link${link - 1}.vmdk`, "-F", "vmdk", path(link));
      const writes = Array.from({ length: 6 }, (_, i) => (link * 977 + i * 4219) % 19900);
      const args = writes.flatMap((sector) => ["-c", `write -P ${link * 40} ${sector * 512} 20480`]);
      new Deno.Command("qemu-io", { args: ["-f", "vmdk", ...args, path(link)] }).outputSync();
    }
    const expected = qemuRaw(path(4));
    using disk = await openForReading(path(4));
    assertEquals(disk.format, child);
    assertSameBytes(await readByExtents(disk), expected, child);
    await assertRandomReads(disk, expected, { seed: 9, count: 100 });
  }
});
