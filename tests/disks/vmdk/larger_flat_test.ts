/** Flat files that are larger than their extent lines: the rest is in no backup, and a warning says so. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { openForReading } from "../../../cli/disks/open.ts";
import { assertSameBytes, Folder, noise, readByExtents } from "../helpers.ts";
import { callMain } from "../../support/run_cli.ts";
import { descriptorText } from "./builder.ts";
import { buildCowd } from "./esx_builder.ts";

const CONTENT = noise(64 * 512, 1);

/** Extent lines, the bytes of the file `f` that they use, and the contents of the disk. */
const CASES: [lines: string[], usedBytes: number, content: Uint8Array][] = [
  [['RW 16 FLAT "f" 0'], 16 * 512, CONTENT.subarray(0, 16 * 512)],
  [['RW 16 VMFS "f"'], 16 * 512, CONTENT.subarray(0, 16 * 512)],
  [['RW 63 FLAT "f" 0'], 63 * 512, CONTENT.subarray(0, 63 * 512)],
  [['RW 1 FLAT "f" 8'], 9 * 512, CONTENT.subarray(8 * 512, 9 * 512)],
  [
    ['RW 8 FLAT "f" 8', 'RW 8 FLAT "f" 0'],
    16 * 512,
    new Uint8Array([
      ...CONTENT.subarray(8 * 512, 16 * 512),
      ...CONTENT.subarray(0, 8 * 512),
    ]),
  ],
  [['RW 8 FLAT "f" 0', 'RW 8 FLAT "./f" 8'], 16 * 512, CONTENT.subarray(0, 16 * 512)],
  [['RW 32 FLAT "f" 0', 'RW 32 FLAT "f" 32'], 64 * 512, CONTENT],
  [['RW 64 FLAT "f" 0'], 64 * 512, CONTENT],
];

Deno.test("openForReading() warns of a flat file that is larger than its extent lines", async () => {
  using folder = new Folder();
  folder.file("f", CONTENT);
  for (const [lines, usedBytes, content] of CASES) {
    const path = folder.file("disk.vmdk", descriptorText(lines));
    const warnings: string[] = [];
    using disk = await openForReading(path, { warn: (line) => warnings.push(line) });
    assertSameBytes(await readByExtents(disk), content, lines.join());
    const rest = CONTENT.length - usedBytes;
    const wanted =
      `Disk "${path}": the file "f" has 32768 bytes, the extent lines use ${usedBytes} of them; ` +
      `the last ${rest} bytes are not part of the disk and in no backup of it`;
    assertEquals(warnings, rest === 0 ? [] : [wanted], lines.join());
  }
});

Deno.test("openForReading() warns of a flat file of a parent that is larger than its extent line", async () => {
  using folder = new Folder();
  folder.file("f", CONTENT);
  folder.file("base.vmdk", descriptorText(['RW 16 FLAT "f" 0']));
  folder.file("delta", buildCowd(new Uint8Array(16 * 512)).bytes);
  const header = ['parentFileNameHint="base.vmdk"'];
  const text = descriptorText(['RW 16 VMFSSPARSE "delta"'], { header });
  const path = folder.file("child.vmdk", text.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));
  const warnings: string[] = [];
  using disk = await openForReading(path, { warn: (line) => warnings.push(line) });
  assertEquals([disk.capacityBytes, warnings.length], [16 * 512, 1]);
  assertStringIncludes(warnings[0], 'base.vmdk": the file "f" has 32768 bytes');
});

Deno.test("dump warns of a larger flat file and ends with exit code 0", async () => {
  using folder = new Folder();
  folder.file("disk-flat.vmdk", CONTENT);
  const path = folder.file("disk.vmdk", descriptorText(['RW 16 FLAT "disk-flat.vmdk" 0']));
  const outputs = ["--dumpout", folder.file("a.dump"), "--digestout", folder.file("a.digest")];
  const { code, stderr } = await callMain(["dump", "--mode", "full", "--local", path, ...outputs]);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, 'Warning: Disk "');
  assertStringIncludes(stderr, "disk-flat.vmdk");
});
