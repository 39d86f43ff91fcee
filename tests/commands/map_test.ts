import { assertEquals } from "@std/assert";
import { Folder, noise, patchyDisk, qemuImg, qemuTest } from "../disks/helpers.ts";
import { buildSparse, descriptorText } from "../disks/vmdk/builder.ts";
import { buildStream } from "../disks/vmdk/stream_builder.ts";
import { callMain } from "../support/run_cli.ts";

const GRAIN = 65536;

async function mapOf(path: string, ...options: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await callMain(["map", "--json", path, ...options]);
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("map tells data, zeros and holes of a sparse VMDK", async () => {
  using folder = new Folder();
  const disk = new Uint8Array(10 * GRAIN);
  disk.set(noise(3 * GRAIN, 1), 2 * GRAIN);
  const { bytes, overheadBytes } = buildSparse(disk, { zeroed: [7], order: [2, 3, 4] });
  const path = folder.file("s.vmdk", bytes);
  const hole = { depth: 0, present: false, zero: true, data: false };
  assertEquals(await mapOf(path), [
    { start: 0, length: 2 * GRAIN, ...hole },
    {
      start: 2 * GRAIN,
      length: 3 * GRAIN,
      depth: 0,
      present: true,
      zero: false,
      data: true,
      offset: overheadBytes,
      filename: path,
    },
    { start: 5 * GRAIN, length: 2 * GRAIN, ...hole },
    { start: 7 * GRAIN, length: GRAIN, ...hole, present: true },
    { start: 8 * GRAIN, length: 2 * GRAIN, ...hole },
  ]);
  const { stdout } = await callMain(["map", path]);
  assertEquals(stdout.split("\n").map((line) => line.trim().replaceAll(/ +/g, " ")), [
    "start length kind depth offset file",
    "0 131072 hole 0",
    `131072 196608 data 0 ${overheadBytes} ${path}`,
    "327680 131072 hole 0",
    "458752 65536 zero 0",
    "524288 131072 hole 0",
    `${path} (monolithicSparse): 192 KiB data, 64 KiB zero, 384 KiB hole`,
    "",
  ]);
});

Deno.test("map of compressed grains names no offsets", async () => {
  using folder = new Folder();
  const path = folder.file("s.vmdk", buildStream(noise(3 * GRAIN, 1)).bytes);
  assertEquals(await mapOf(path), [
    {
      start: 0,
      length: 3 * GRAIN,
      depth: 0,
      present: true,
      zero: false,
      data: true,
      compressed: true,
      filename: path,
    },
  ]);
});

Deno.test("map refuses what dump refuses", async () => {
  using folder = new Folder();
  const path = folder.file("x.vmdk", descriptorText(['RW 1 VMFSRDM "x-rdm.vmdk"']));
  const { code, stderr } = await callMain(["map", path]);
  assertEquals([code, stderr], [
    3,
    `vmdkbkp: Cannot open disk "${path}": the extent type "VMFSRDM" names a device\n`,
  ]);
});

/** What both tools say, byte for byte alike: neighbours joined, and only what has a meaning in both. */
function essence(map: Record<string, unknown>[]): string[] {
  const rows: { start: number; length: number; text: string }[] = [];
  for (const { start, length, depth, zero, data, offset } of map as Record<string, number>[]) {
    const shift = data ? offset - start : "";
    const text = `${data ? depth : "-"} ${zero} ${data} ${shift}`;
    const last = rows.at(-1);
    if (last?.text === text) last.length += length;
    else rows.push({ start, length, text });
  }
  return rows.map(({ start, length, text }) => `${start}+${length} ${text}`);
}

qemuTest("map agrees with qemu-img map", async () => {
  for (const subformat of ["monolithicSparse", "twoGbMaxExtentSparse"]) {
    using folder = new Folder();
    const raw = folder.file("q.raw", patchyDisk(50_048, 3));
    const base = folder.file("base.vmdk");
    qemuImg("convert", "-O", "vmdk", "-o", `subformat=${subformat}`, raw, base);
    const child = folder.file("child.vmdk");
    qemuImg("create", "-f", "vmdk", "-o", `subformat=${subformat}`, "-b", "base.vmdk", "-F", "vmdk", child);
    const args = ["-c", "write 1M 5M", "-c", "write 9M 64k", "-c", "write 20M 300k"];
    new Deno.Command("qemu-io", { args: ["-f", "vmdk", ...args, child] }).outputSync();
    for (const path of [base, child]) {
      const theirs = JSON.parse(qemuImg("map", "--output=json", "-f", "vmdk", path));
      assertEquals(essence(await mapOf(path)), essence(theirs), path);
    }
  }
});
