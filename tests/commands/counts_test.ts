/** The counts of a report add up: every block is data or zero, and was read, skipped, or there already. */

import { assert, assertEquals } from "@std/assert";
import { Random } from "../../scripts/disk_image.ts";
import { Interrupted } from "../integration/interrupted.ts";
import { Workspace } from "../integration/workspace.ts";
import { callMain } from "../support/run_cli.ts";
import { Archives } from "../refusals/refusal.ts";
import { seriesFiles } from "../refusals/material.ts";
import { Bitmap } from "../../cli/archive/bitmap.ts";
import { bytesOf } from "../pipeline/bitmaps.ts";

const BLOCK_BYTES = 65536;

/** A sparse disk: D data, Z zeros that are written, H hole, for each block. */
function writeDisk(path: string, kinds: string): void {
  using file = Deno.createSync(path);
  file.truncateSync(kinds.length * BLOCK_BYTES);
  for (const [i, kind] of [...kinds].entries()) {
    if (kind === "H") continue;
    file.seekSync(i * BLOCK_BYTES, Deno.SeekMode.Start);
    const bytes = new Uint8Array(BLOCK_BYTES);
    file.writeSync(kind === "Z" ? bytes : new Random(i).fill(bytes));
  }
}

/** The numbers of the first line of a report, by the words behind them. */
function countsIn(text: string): Record<string, number> {
  const line = text.split("\n").find((line) => / blocks? of /.test(line))!;
  return Object.fromEntries(
    [...line.matchAll(/(\d+) (blocks|data|zero|read|skipped|changed)/g)].map((
      [, n, word],
    ) => [word, Number(n)]),
  );
}

const KINDS = "DDZHHHDZZH".repeat(20) + "H".repeat(300) + "DZ";
const DUMP = `--blocksize ${BLOCK_BYTES} --local disk.raw --dumpout 0.dump --digestout 0.digest`;

Deno.test("dump tells how many blocks are data and zero, and how many were read and skipped", async () => {
  for (const kinds of [KINDS, "D", "Z", "HHHH", "DDDD", "ZHD"]) {
    using work = new Workspace();
    writeDisk(work.file("disk.raw"), kinds);
    const text = await work.run(`dump --mode full ${DUMP}`);
    const json = await work.runJson(`dump --mode full --force ${DUMP}`);
    const of = (...wanted: string[]) => [...kinds].filter((kind) => wanted.includes(kind)).length;
    // What is a hole to the program depends on the file system; what is data does not.
    const { blocks, data, zero, read, skipped } = countsIn(text);
    assertEquals([blocks ?? 1, data, zero], [kinds.length, of("D"), of("Z", "H")], text);
    assertEquals(read + skipped, kinds.length, text);
    assert(read >= of("D", "Z"), text);
    const { dataBlocks, zeroBlocks, blocksRead, blocksSkipped } = json;
    assertEquals([dataBlocks, zeroBlocks, blocksRead, blocksSkipped], [data, zero, read, skipped]);
  }
});

Deno.test("diff and incr count what they read, and what the bitmap or a hole let them skip", async () => {
  using work = new Workspace();
  writeDisk(work.file("disk.raw"), KINDS);
  await work.run(`dump --mode full ${DUMP}`);
  writeDisk(work.file("disk.raw"), KINDS.replace("DD", "DZ"));
  const changed = new Bitmap(KINDS.length);
  for (const block of [0, 1, 5, 6, 400]) changed.set(block);
  work.file("changed.bmp", await bytesOf(changed));
  const inputs = `--local disk.raw --dumpin 0.dump --digestin 0.digest`;
  const outputs = (name: string) =>
    `--dumpout ${name}.dump --digestout ${name}.digest --rdiffout ${name}.rdiff`;
  for (const mode of ["diff", "incr --bmpin changed.bmp"]) {
    const text = await work.run(`dump --mode ${mode} ${inputs} ${outputs(mode.slice(0, 4))}`);
    const { blocks, data, zero, read, skipped, changed } = countsIn(text);
    assertEquals(data + zero, blocks, text);
    assertEquals(read + skipped, blocks, text);
    assertEquals([blocks, changed], [KINDS.length, 1], text);
    if (mode !== "diff") assert(read <= 5, text);
  }
});

Deno.test("dump --resume counts the blocks that were there by themselves", async () => {
  const sizes = { blockBytes: 4096, sizeBytes: 200 * 4096 };
  using work = await Interrupted.of(new Random(4), { ...sizes, z: "" });
  Deno.writeFileSync(work.leftPath, work.dump.subarray(0, work.dump.length / 2));
  const { stdout } = await callMain([
    ...[
      "dump",
      "--json",
      "--mode",
      "full",
      "--resume",
      "--blocksize",
      "4096",
      "--local",
      work.file("disk.raw"),
    ],
    ...["--dumpout", work.file("new.dump"), "--digestout", work.file("new.digest")],
  ]);
  const { blocks, blocksRead, blocksSkipped, resumedBlocks, dataBlocks, zeroBlocks } = JSON.parse(stdout);
  assert(resumedBlocks > 0);
  assertEquals([blocksRead + blocksSkipped + resumedBlocks, dataBlocks + zeroBlocks], [blocks, blocks]);
});

Deno.test("digest tells how many blocks are data and zero", async () => {
  using work = new Workspace();
  writeDisk(work.file("disk.raw"), KINDS);
  await work.run(`dump --mode full ${DUMP}`);
  const { blocks, data, zero } = countsIn(await work.run("digest --dumpin 0.dump --digestout 1.digest"));
  const dataBlocks = [...KINDS].filter((kind) => kind === "D").length;
  assertEquals([blocks, data, zero], [KINDS.length, dataBlocks, KINDS.length - dataBlocks]);
});

Deno.test("salvage accounts for every block once", async () => {
  const dump = seriesFiles()["g0.dump"];
  for (let at = 100; at < dump.length; at += 97) {
    using archives = new Archives({ "damaged.dump": dump.slice().fill(0x55, at, at + 300) });
    for (const others of ["", " g1.dump g0.rdiff"]) {
      const line = `salvage --force --digestin g0.digest --dumpout saved.dump damaged.dump${others}`;
      const { stdout } = await archives.run(line);
      const [, blocks, intact, found, zero, lost] =
        /: (\d+) blocks: (\d+) intact, (\d+) found elsewhere, (\d+) zero, (\d+) lost/.exec(stdout)!.map(
          Number,
        );
      assertEquals(intact + found + zero + lost, blocks, stdout);
    }
  }
});
