import { assertEquals, assertStringIncludes } from "@std/assert";
import { readBitmap } from "../../cli/archive/bitmap.ts";
import { PlainSource } from "../../cli/archive/plain_source.ts";
import { Folder, noise } from "../disks/helpers.ts";
import { descriptorText } from "../disks/vmdk/builder.ts";
import { buildCowd } from "../disks/vmdk/esx_builder.ts";
import { callMain } from "../support/run_cli.ts";

const SECTORS = 5000;
const SECTOR = 512;

/** base <- one <- two; each child has some sectors of its own. */
function writeChain(folder: Folder): void {
  folder.file("base-flat.vmdk", noise(SECTORS * SECTOR, 1));
  const base = descriptorText([`RW ${SECTORS} FLAT "base-flat.vmdk" 0`]);
  folder.file("base.vmdk", base);
  folder.file("other.vmdk", base);
  for (
    const [name, parent, order, zeroed] of [
      ["one", "base", [3, 2999], [700]],
      ["two", "one", [100, 101, 4999], []],
    ] as const
  ) {
    const delta = buildCowd(noise(SECTORS * SECTOR, 7), { order: [...order], zeroed: [...zeroed] });
    folder.file(`${name}-delta.vmdk`, delta.bytes);
    const text = descriptorText([`RW ${SECTORS} VMFSSPARSE "${name}-delta.vmdk"`], {
      createType: "vmfsSparse",
      header: [`parentFileNameHint="${parent}.vmdk"`],
    });
    folder.file(`${name}.vmdk`, text.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));
  }
}

async function changedBlocks(folder: Folder, since: string, blockBytes: number): Promise<number[]> {
  const out = folder.file("x.bmp");
  const { code, stderr } = await callMain([
    ...["changed", folder.file("two.vmdk"), "--since", folder.file(since), "--bmpout", out, "--force"],
    ...["--blocksize", String(blockBytes)],
  ]);
  assertEquals(code, 0, stderr);
  using source = new PlainSource(out, await Deno.open(out));
  const bitmap = await readBitmap(source);
  assertEquals(bitmap.bitCount, Math.ceil(SECTORS * SECTOR / blockBytes));
  return Array.from({ length: bitmap.bitCount }, (_, i) => i).filter((i) => bitmap.get(i));
}

Deno.test("changed names the blocks of the snapshots above a parent, zeros among them", async () => {
  using folder = new Folder();
  writeChain(folder);
  assertEquals(await changedBlocks(folder, "one.vmdk", 512), [100, 101, 4999]);
  assertEquals(await changedBlocks(folder, "base.vmdk", 512), [3, 100, 101, 700, 2999, 4999]);
  assertEquals(await changedBlocks(folder, "base.vmdk", 65536), [0, 5, 23, 39]);
  assertEquals(await changedBlocks(folder, "one.vmdk", 1 << 20), [0, 2]);
});

Deno.test("changed refuses what is no parent", async () => {
  using folder = new Folder();
  writeChain(folder);
  folder.file("two-ctk.vmdk", Uint8Array.of(0xa2, 0x72, 0x19, 0xf6));
  const cases: [disk: string, since: string, code: number, message: string][] = [
    ["two.vmdk", "two.vmdk", 2, "since itself: name one of its parents"],
    [
      "two.vmdk",
      "other.vmdk",
      3,
      `its parents are "${folder.file("one.vmdk")}", "${folder.file("base.vmdk")}"`,
    ],
    ["one.vmdk", "two.vmdk", 3, "its parents are"],
    ["base.vmdk", "other.vmdk", 3, "it is no snapshot"],
    ["two.vmdk", "gone.vmdk", 1, "No such file"],
    ["two-ctk.vmdk", "base.vmdk", 2, "it is a change tracking file and holds no data of a disk"],
    ["base-flat.vmdk", "base.vmdk", 2, "it is an extent, open the descriptor"],
  ];
  for (const [disk, since, code, message] of cases) {
    const result = await callMain([
      ...["changed", folder.file(disk), "--since", folder.file(since), "--bmpout", folder.file("x.bmp")],
    ]);
    assertStringIncludes(result.stderr, message);
    assertEquals(result.code, code, result.stderr);
  }
});

Deno.test("changed does not write into a file of the chain", async () => {
  using folder = new Folder();
  writeChain(folder);
  const { code, stderr } = await callMain([
    ...["changed", folder.file("two.vmdk"), "--since", folder.file("base.vmdk")],
    ...["--bmpout", folder.file("base-flat.vmdk"), "--force"],
  ]);
  assertEquals(code, 2, stderr);
});
