/**
 * The integration test of the original program, on disks with a file system: full dumps of two generations,
 * the second one again as diff and incr dump, and every way back to the first (archive format, section 8).
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { changeDisk, makeDisk } from "../../scripts/disk_image.ts";
import { Workspace } from "./workspace.ts";

const MIB = 1024 * 1024;
/** The suffix of archives' names for each container; below it is called `z`. */
const SUFFIXES = { plain: "", gzip: ".gz", zstd: ".zst" };

/** Sizes of blocks and disks. Two of the disks end within their last block. */
const DISKS = [
  { blockBytes: 512, sizeBytes: 4 * MIB },
  { blockBytes: 64 * 1024, sizeBytes: 8 * MIB + 3 * 512 },
  { blockBytes: MIB, sizeBytes: 12 * MIB + 512 },
];

for (const { blockBytes, sizeBytes } of DISKS) {
  Deno.test(`full, diff and incr dumps agree and can be restored, blocks of ${blockBytes} bytes`, async (t) => {
    using images = new Workspace();
    makeGenerations(images, sizeBytes);
    for (const [container, z] of Object.entries(SUFFIXES)) {
      await t.step(container, async () => {
        using work = new Workspace();
        for (const name of ["gen0.raw", "gen1.raw"]) Deno.copyFileSync(images.file(name), work.file(name));
        await dumpBoth(work, { z, blockBytes });
        await dumpChanges(work, z);
        await goBack(work, z);
        await checkAll(work, z);
        await restoreAll(work, { z, sizeBytes });
        await dumpAgain(work, { z, blockBytes });
      });
    }
  });
}

function makeGenerations(images: Workspace, sizeBytes: number): void {
  makeDisk(images.file("gen0.raw"), { sizeBytes, seed: 1 });
  Deno.truncateSync(images.file("gen0.raw"), sizeBytes);
  images.copy("gen0.raw", "gen1.raw");
  changeDisk(images.file("gen1.raw"), { seed: 1 });
}

async function dumpBoth(
  work: Workspace,
  { z, blockBytes }: { z: string; blockBytes: number },
): Promise<void> {
  for (const n of [0, 1]) {
    await work.run(
      `dump --mode full --blocksize ${blockBytes} --local gen${n}.raw ` +
        `--dumpout ${n}.dump${z} --digestout ${n}.digest${z}`,
    );
  }
  assertStringIncludes(await work.run(`compare 0.dump${z} 1.dump${z}`, { exitCode: 5 }), "DIFFERENT");
  assertStringIncludes(await work.run(`compare 0.digest${z} 1.digest${z}`, { exitCode: 5 }), "DIFFERENT");
}

/** Dumps generation 1 as diff and as incr with a bitmap. Both must have the blocks of its full dump. */
async function dumpChanges(work: Workspace, z: string): Promise<void> {
  const changes = (mode: string) =>
    `dump --mode ${mode} --local gen1.raw --dumpin 0.dump${z} --digestin 0.digest${z} ` +
    `--dumpout 1_${mode}.dump${z} --digestout 1_${mode}.digest${z} --rdiffout 1-0_${mode}.rdiff${z}`;
  const diff = await work.runJson(changes("diff"));
  const bitmap = await work.runJson(`rdiff2bmp 1-0_diff.rdiff${z} --bmpout 1.bmp`);
  const incr = await work.runJson(`${changes("incr")} --bmpin 1.bmp`);
  assertEquals(bitmap.setBlocks, diff.changedBlocks);
  assertEquals(incr.changedBlocks, diff.changedBlocks);
  assertEquals(incr.blocksRead <= bitmap.setBlocks, true, `${incr.blocksRead} blocks were read`);

  for (const mode of ["diff", "incr"]) {
    await work.assertCompare(`1.dump${z}`, `1_${mode}.dump${z}`);
    await work.assertCompare(`1.digest${z}`, `1_${mode}.digest${z}`);
  }
  await work.assertCompare(`1-0_diff.rdiff${z}`, `1-0_incr.rdiff${z}`);
  work.assertSameBytes(`1-0_diff.rdiff${z}`, `1-0_incr.rdiff${z}`);
  await work.run(`rdiff 0.dump${z} 1_diff.dump${z} --rdiffout 1-0.rdiff${z}`);
  work.assertSameBytes(`1-0.rdiff${z}`, `1-0_diff.rdiff${z}`);
}

/** Merges dump and rdiff to the dump before, including its header, and makes the digest of that. */
async function goBack(work: Workspace, z: string): Promise<void> {
  for (const mode of ["diff", "incr"]) {
    await work.run(`merge --dumpout 0m_${mode}.dump${z} 1_${mode}.dump${z} 1-0_${mode}.rdiff${z}`);
    await work.run(`digest --dumpin 0m_${mode}.dump${z} --digestout 0m_${mode}.digest${z}`);
    for (const kind of ["dump", "digest"]) {
      await work.assertCompare(`0.${kind}${z}`, `0m_${mode}.${kind}${z}`);
      work.assertSameBytes(`0.${kind}${z}`, `0m_${mode}.${kind}${z}`);
    }
  }
}

async function checkAll(work: Workspace, z: string): Promise<void> {
  const names = ["0", "1", "1_diff", "1_incr", "0m_diff", "0m_incr"];
  const lists = names.map((name) => [`${name}.digest${z}`, `${name}.dump${z}`]);
  for (const mode of ["diff", "incr"]) {
    lists.push([`0.digest${z}`, `1_${mode}.dump${z}`, `1-0_${mode}.rdiff${z}`]);
    lists.push([`0.digest${z}`, `1-0_${mode}.rdiff${z}`]);
  }
  for (const [digest, ...archives] of lists) {
    const said = await work.run(`check --digestin ${digest} ${archives.join(" ")}`);
    assertEquals(said.trimEnd().split("\n").at(-1), "Check: OK");
  }
  await work.run(`check --digestin 0.digest${z} 1_diff.dump${z}`, { exitCode: 3 });
}

async function restoreAll(
  work: Workspace,
  { z, sizeBytes }: { z: string; sizeBytes: number },
): Promise<void> {
  const lists = {
    gen0: [`0.dump${z}`, `1_diff.dump${z} 1-0_diff.rdiff${z}`, `1_incr.dump${z} 1-0_incr.rdiff${z}`],
    gen1: [`1.dump${z}`, `1_diff.dump${z}`],
  };
  for (const [generation, archives] of Object.entries(lists)) {
    for (const [i, list] of archives.entries()) {
      const name = `${generation}-${i}`;
      await work.run(`restore --create --local ${name}.raw ${list}`);
      await work.run(`restore --create --local ${name}.vmdk ${list}`);
      Deno.writeFileSync(work.file(`${name}-old.raw`), new Uint8Array(sizeBytes).fill(0xa5));
      await work.run(`restore --local ${name}-old.raw ${list}`);
      for (const disk of [`${name}.raw`, `${name}-flat.vmdk`, `${name}-old.raw`]) {
        work.assertSameBytes(disk, `${generation}.raw`);
      }
    }
  }
  work.copy("gen1.raw", "back.raw");
  await work.run(`restore --local back.raw 1-0_incr.rdiff${z}`);
  work.assertSameBytes("back.raw", "gen0.raw");
}

/** Dumps restored disks. Their archives must be those that the disks were restored from. */
async function dumpAgain(
  work: Workspace,
  { z, blockBytes }: { z: string; blockBytes: number },
): Promise<void> {
  for (const [disk, generation] of [["gen0-1.raw", 0], ["gen0-1.vmdk", 0], ["gen1-0-old.raw", 1]]) {
    await work.run(
      `dump --mode full --blocksize ${blockBytes} --local ${disk} ` +
        `--dumpout again.dump${z} --digestout again.digest${z} --force`,
    );
    await work.assertCompare(`again.dump${z}`, `${generation}.dump${z}`);
    await work.assertCompare(`again.digest${z}`, `${generation}.digest${z}`);
  }
}
