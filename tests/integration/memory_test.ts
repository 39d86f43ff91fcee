/** Memory does not grow with what is backed up: not with the disk, not with the number of archives. */

import { assert, assertEquals } from "@std/assert";
import { dumpHeaderBytes } from "../../cli/archive/header.ts";
import { Folder, noise } from "../disks/helpers.ts";
import { drawRdiff, headerOf } from "../pipeline/drawn_archives.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";
import { denoArgs } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";

const MIB = 1024 * 1024;
const LIMIT_BYTES = 256 * MIB;
const ARCHIVES = 40;

const missing = Deno.build.os === "linux" ? undefined : "only Linux tells the peak memory in /proc";

for (const suffix of ["", ".gz", ".zst"]) {
  testWith({ missing }, `Merging forty rdiffs${suffix} takes no more than 256 MiB`, async () => {
    using folder = new Folder();
    const records = await packed(recordsOf(6), suffix);
    const paths = [];
    for (let generation = ARCHIVES - 1; generation >= 0; generation--) {
      const header = headerOf("abcdef", { generation, blockBytes: MIB });
      const start = await packed(dumpHeaderBytes({ ...header, full: false }), suffix);
      paths.push(folder.file(`${generation}.rdiff${suffix}`, new MemoryFile("all", [start, records]).bytes));
    }
    const peakBytes = await peakOf(["merge", "--rdiffout", "/dev/null", ...paths]);
    assert(peakBytes <= LIMIT_BYTES, `${Math.round(peakBytes / MIB)} MiB`);
  });
}

testWith({ missing }, "Dumping a disk of 400 MiB takes no more than 256 MiB", async () => {
  using folder = new Folder();
  const disk = folder.file("disk.raw");
  {
    using file = Deno.createSync(disk);
    const content = noise(MIB, 1);
    for (let i = 0; i < 400; i++) file.writeSync(content);
  }
  const peakBytes = await peakOf(
    [
      "dump",
      "--mode",
      "full",
      "--local",
      disk,
      "--dumpout",
      "/dev/null",
      "--digestout",
      folder.file("0.digest"),
    ],
  );
  assert(peakBytes <= LIMIT_BYTES, `${Math.round(peakBytes / MIB)} MiB`);
});

/** The records of an rdiff that holds so many blocks of noise. */
function recordsOf(blocks: number): Uint8Array {
  const drawn = "abcdefghij".slice(0, blocks);
  const headerBytes = drawRdiff("_".repeat(blocks), { blockBytes: MIB }).bytes.length;
  return drawRdiff(drawn, { blockBytes: MIB }).bytes.subarray(headerBytes);
}

/** A container of its own: behind another one they are one archive. */
async function packed(bytes: Uint8Array, suffix: string): Promise<Uint8Array> {
  const file = new MemoryFile(`part${suffix}`);
  const sink = await file.sink();
  await sink.write(bytes);
  await sink.finish();
  return file.bytes;
}

async function peakOf(args: string[]): Promise<number> {
  const script = new URL("measured_main.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(script), ...args],
  }).output();
  const text = new TextDecoder();
  assertEquals(code, 0, text.decode(stderr));
  return Number(text.decode(stdout).trimEnd().split("\n").at(-1));
}
