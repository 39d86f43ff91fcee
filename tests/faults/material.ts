/** What the commands of the scenarios read: disks, three generations of one in every format, a snapshot. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Frozen } from "../crash/frozen.ts";
import { Folder, noise, seeded } from "../disks/helpers.ts";
import { descriptorText } from "../disks/vmdk/builder.ts";
import { buildCowd } from "../disks/vmdk/esx_builder.ts";
import { callMain } from "../support/run_cli.ts";
import { type Files, readFiles } from "./files.ts";

/** No whole number of blocks, but of sectors. Transfers of it are large enough for the calls through Deno.dlopen. */
const DISK_BYTES = 3 * 512 * 1024 + 512;
/** Of all archives but those of `large.raw`. */
export const BLOCK_BYTES = 65536;

/** Three batches of blocks of 512 bytes, so that a killed dump leaves some of them behind. */
const LARGE_BYTES = 9 * 512 * 1024;

const SNAPSHOT_SECTORS = 5000;

/**
 * Makes the files: disks `d0.raw` to `d2.raw`, and for each format (`p` plain, `q` gzip, `z` zstd) dumps and digests of
 * these three, with `p0.rdiff` from the second to the first generation and `p1.rdiff` from the third to the second.
 */
export async function makeMaterial(): Promise<Files> {
  using folder = new Folder();
  // Their times lie behind those of all that the cases make.
  using _frozen = new Frozen();
  const random = seeded(20130630);
  const disk = new Uint8Array(DISK_BYTES);
  disk.set(noise(DISK_BYTES >> 1, 1), DISK_BYTES >> 2);
  for (const name of ["d0.raw", "d1.raw", "d2.raw"]) {
    folder.file(name, disk);
    for (let i = 0; i < 5; i++) disk.set(noise(512, random(2 ** 30)), random(DISK_BYTES / 512) * 512);
  }
  const large = new Uint8Array(LARGE_BYTES);
  for (let at = 0; at < LARGE_BYTES; at += 8 * BLOCK_BYTES) large.set(noise(2 * BLOCK_BYTES, at + 1), at);
  folder.file("large.raw", large);

  for (const [letter, z] of [["p", ""], ["q", ".gz"], ["z", ".zst"]]) {
    const generation = (i: number) => `--dumpout ${letter}${i}.dump${z} --digestout ${letter}${i}.digest`;
    await run(
      folder.path,
      `dump --mode full --blocksize ${BLOCK_BYTES} --local d0.raw ${generation(0)}`,
    );
    for (const i of [0, 1]) {
      await run(
        folder.path,
        `dump --mode diff --local d${i + 1}.raw --dumpin ${letter}${i}.dump${z} ` +
          `--digestin ${letter}${i}.digest ${generation(i + 1)} --rdiffout ${letter}${i}.rdiff${z}`,
      );
    }
  }
  await run(folder.path, "rdiff2bmp p0.rdiff --bmpout changed.bmp");
  for (const name of ["p1.dump", "p1.digest", "p0.rdiff"]) {
    Deno.copyFileSync(folder.file(name), folder.file(name.replace("p", "s")));
  }
  const damaged = Deno.readFileSync(folder.file("p0.dump"));
  folder.file("damaged.dump", damaged.fill(0x55, damaged.length >> 1, (damaged.length >> 1) + 1000));
  writeSnapshot(folder);
  return readFiles(folder.path);
}

/** Runs a command line in `folder`, which must succeed. Words with a dot are paths there. */
export async function run(folder: string, line: string): Promise<string> {
  const { code, stderr, stdout } = await callMain(argumentsOf(folder, line));
  assertEquals(code, 0, `${line}\n${stderr}`);
  return stdout;
}

/** The words of a line; those with a dot are paths in `folder`. */
export function argumentsOf(folder: string, line: string): string[] {
  return line.split(" ").map((word) => word.includes(".") ? join(folder, word) : word);
}

function writeSnapshot(folder: Folder): void {
  const bytes = SNAPSHOT_SECTORS * 512;
  folder.file("base-flat.vmdk", noise(bytes, 1));
  folder.file("base.vmdk", descriptorText([`RW ${SNAPSHOT_SECTORS} FLAT "base-flat.vmdk" 0`]));
  const delta = buildCowd(noise(bytes, 7), { order: [3, 2999, 4321], zeroed: [700] });
  folder.file("snapshot-delta.vmdk", delta.bytes);
  const text = descriptorText([`RW ${SNAPSHOT_SECTORS} VMFSSPARSE "snapshot-delta.vmdk"`], {
    createType: "vmfsSparse",
    header: ['parentFileNameHint="base.vmdk"'],
  });
  folder.file("snapshot.vmdk", text.replace("parentCID=ffffffff", "parentCID=3f2a90c1"));
}
