/**
 * Archives of earlier versions of this program must remain readable. Plain archives must still be written
 * with the same bytes; compressed ones may change with the compressors.
 *
 * `VMDKBKP_WRITE_GOLDEN=1 deno test -A --no-check tests/own_golden_test.ts` writes the files of
 * `tests/golden/` again. If git then shows a difference, the format has changed: this needs a reason, and old
 * files must still be read.
 */

import { assert, assertEquals } from "@std/assert";
import { Bitmap } from "../cli/archive/bitmap.ts";
import { sinkFor, sourceFor } from "../cli/archive/container.ts";
import type { DumpHeader } from "../cli/archive/header.ts";
import { Core } from "../cli/core.ts";
import { ADAPTER, type ReadableDisk } from "../cli/disks/disk.ts";
import { DigestReader, DumpReader } from "../cli/pipeline/archive_reader.ts";
import { dumpChanged, dumpFull } from "../cli/pipeline/dump.ts";
import { assertSameBytes, Folder } from "./disks/helpers.ts";
import { callMain } from "./support/run_cli.ts";
import { bytesOf } from "./pipeline/bitmaps.ts";

const GOLDEN = new URL("golden/", import.meta.url).pathname;
const BLOCK_BYTES = 512;
const SUFFIXES = ["", ".gz", ".zst"];

/**
 * Two generations of a disk. In generation 0 blocks 0, 1, 4 and 6 have text and the others are zero. In
 * generation 1 block 1 has another text, block 4 is zero and block 5 has text.
 */
const DISKS = [
  diskOf(["same", "old", , , "gone", , "same"]),
  diskOf(["same", "new", , , , "born", "same"]),
];
/** A disk that ends within its last block. */
const PADDED = diskOf(["same", , "half"]).subarray(0, 2 * BLOCK_BYTES + 200);

if (Deno.env.get("VMDKBKP_WRITE_GOLDEN")) {
  for (const [name, bytes] of Object.entries(await makeAll())) Deno.writeFileSync(GOLDEN + name, bytes);
}

Deno.test("plain archives are written with the same bytes as by earlier versions", async () => {
  const made = await makeAll();
  const plain = Object.keys(made).filter((name) => !/\.(gz|zst)$/.test(name));
  assert(plain.length > 0);
  for (const name of plain) assertSameBytes(made[name], golden(name), name);
});

Deno.test("tests/golden has the files that this test makes, and no others", async () => {
  const names = [...Deno.readDirSync(GOLDEN)].map(({ name }) => name).sort();
  assertEquals(names, Object.keys(await makeAll()).sort());
});

for (const suffix of SUFFIXES.slice(1)) {
  Deno.test(`old "${suffix}" archives decompress to the plain archives`, async () => {
    for (const name of [...Deno.readDirSync(GOLDEN)].map(({ name }) => name)) {
      if (!name.endsWith(suffix)) continue;
      const plain = golden(name.slice(0, -suffix.length));
      using source = await sourceFor(name, Deno.openSync(GOLDEN + name));
      const bytes = new Uint8Array(plain.length + 1);
      assertSameBytes(bytes.subarray(0, await source.read(bytes)), plain, name);
    }
  });
}

for (const suffix of SUFFIXES) {
  Deno.test(`old "${suffix}" archives can be checked, merged and restored`, async () => {
    using folder = new Folder();
    const path = (name: string) => `${GOLDEN}${name}${suffix}`;
    const lists: [digest: string, disk: Uint8Array, ...archives: string[]][] = [
      ["0.digest", DISKS[0], "0.dump"],
      ["1.digest", DISKS[1], "1.dump"],
      ["0.digest", DISKS[0], "1.dump", "0.rdiff"],
      ["padded.digest", PADDED, "padded.dump"],
    ];
    for (const [i, [digest, disk, ...archives]] of lists.entries()) {
      const restored = folder.file(`${i}.raw`);
      await runOk("check", "--digestin", path(digest), ...archives.map(path));
      await runOk("restore", "--create", "--local", restored, ...archives.map(path));
      assertSameBytes(Deno.readFileSync(restored), disk, archives.join(" "));
    }
    await runOk("merge", "--dumpout", folder.file("0.dump"), path("1.dump"), path("0.rdiff"));
    assertSameBytes(Deno.readFileSync(folder.file("0.dump")), golden("0.dump"), "merged");
  });
}

Deno.test("rdiff2bmp makes the old bitmap from the old rdiff", async () => {
  using folder = new Folder();
  await runOk("rdiff2bmp", `${GOLDEN}0.rdiff`, "--bmpout", folder.file("1.bmp"));
  assertSameBytes(Deno.readFileSync(folder.file("1.bmp")), golden("1.bmp"), "bitmap");
});

/** Makes all golden files, and returns their bytes by name. */
async function makeAll(): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const suffix of SUFFIXES) {
    const core = await Core.load();
    const sink = (name: string) => collect(files, `${name}${suffix}`);
    const source = (name: string) => sourceFor(`${name}${suffix}`, fileOf(files[`${name}${suffix}`]));

    await dumpFull(core, {
      disk: memoryDisk(DISKS[0]),
      header: headerOf(DISKS[0], { second: 58 }),
      dumpOut: await sink("0.dump"),
      digestOut: await sink("0.digest"),
    });
    await dumpChanged(core, {
      disk: memoryDisk(DISKS[1]),
      header: headerOf(DISKS[1], { second: 59 }),
      dumpIn: await DumpReader.open(core, await source("0.dump")),
      digestIn: await DigestReader.open(core, await source("0.digest")),
      dumpOut: await sink("1.dump"),
      digestOut: await sink("1.digest"),
      rdiffOut: await sink("0.rdiff"),
    });
    await dumpFull(core, {
      disk: memoryDisk(PADDED),
      header: headerOf(PADDED, { second: 0 }),
      dumpOut: await sink("padded.dump"),
      digestOut: await sink("padded.digest"),
    });
  }
  const bitmap = new Bitmap(7);
  for (const block of [1, 4, 5]) bitmap.set(block);
  return { ...files, "1.bmp": await bytesOf(bitmap) };
}

function headerOf(disk: Uint8Array, { second }: { second: number }): DumpHeader {
  return {
    blockCount: Math.ceil(disk.length / BLOCK_BYTES),
    blockBytes: BLOCK_BYTES,
    capacityBytes: disk.length,
    seriesId: Uint8Array.from({ length: 16 }, (_, i) => i * 17),
    // Sunday, 31 March 2013, 23:59, in summer time.
    time: {
      second,
      minute: 59,
      hour: 23,
      dayOfMonth: 31,
      month: 2,
      year: 113,
      dayOfWeek: 0,
      dayOfYear: 89,
      summerTime: 1,
    },
    full: true,
    adapterType: ADAPTER.lsiLogic,
    metadata: new Map([["geometry.cylinders", "1"], ["Größe", "sieben Blöcke"], ["empty", ""]]),
  };
}

/** Returns a disk. Each text fills a block, line after line; a block without a text is zero. */
function diskOf(texts: (string | undefined)[]): Uint8Array {
  const disk = new Uint8Array(texts.length * BLOCK_BYTES);
  texts.forEach((text, block) => {
    if (text === undefined) return;
    const line = new TextEncoder().encode(`block ${block} ${text}\n`);
    for (let at = 0; at < BLOCK_BYTES; at++) disk[block * BLOCK_BYTES + at] = line[at % line.length];
  });
  return disk;
}

function memoryDisk(bytes: Uint8Array): ReadableDisk {
  const { adapterType, metadata, capacityBytes } = headerOf(bytes, { second: 0 });
  return {
    path: "memory",
    files: [],
    format: "memory",
    adapterType,
    metadata,
    capacityBytes,
    extentAt: () => ({ endBytes: capacityBytes, zero: false }),
    read: (into, offsetBytes) => into.set(bytes.subarray(offsetBytes, offsetBytes + into.length)),
    [Symbol.dispose]: () => {},
  };
}

/** Returns a sink that writes to `files[name]`, compressed as the name says. */
function collect(files: Record<string, Uint8Array>, name: string) {
  files[name] = new Uint8Array();
  const writeSync = (from: Uint8Array) => {
    files[name] = Uint8Array.of(...files[name], ...from);
    return from.length;
  };
  return sinkFor(name, { writeSync, write: (from) => Promise.resolve(writeSync(from)) });
}

/** Returns an open file with these bytes. */
function fileOf(bytes: Uint8Array) {
  let at = 0;
  const readSync = (into: Uint8Array) => {
    const part = bytes.subarray(at, at + into.length);
    into.set(part);
    at += part.length;
    return part.length || null;
  };
  return { readSync, read: (into: Uint8Array) => Promise.resolve(readSync(into)), close() {} };
}

function golden(name: string): Uint8Array {
  return Deno.readFileSync(GOLDEN + name);
}

async function runOk(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await callMain(args);
  assertEquals(code, 0, `vmdkbkp ${args.join(" ")}\n${stdout}${stderr}`);
}
