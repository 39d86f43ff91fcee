/**
 * A disk of 3 TiB that consists almost completely of holes. Offsets beyond 2^32 bytes and 2^32 sectors must
 * work, and time and space must depend on the data and not on the size of the disk.
 */

import { assert, assertEquals } from "@std/assert";
import { openHoleMap } from "../../ffi/hole_map.ts";
import { Folder } from "../disks/helpers.ts";
import { runCli } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";

const MIB = 1024 * 1024;
const CAPACITY_BYTES = 3 * 2 ** 40;
const BLOCKS = CAPACITY_BYTES / MIB;

/** Offsets of the data, 32 bytes each. Around 2^32 bytes and 2^32 sectors they cross a block's border. */
const MARKS = [
  0,
  4096,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 40 + 12345,
  2 ** 41 - 1,
  2 ** 41 + MIB,
  CAPACITY_BYTES - 32,
];
const MARKED_BLOCKS = new Set(MARKS.flatMap((mark) => [blockOf(mark), blockOf(mark + 31)])).size;

testWith(
  { missing: whatIsMissing() },
  "a sparse disk of 3 TiB can be dumped, checked, changed and restored",
  async () => {
    using folder = new Folder();
    const disk = folder.file("disk.raw", "");
    Deno.truncateSync(disk, CAPACITY_BYTES);
    for (const mark of MARKS) writeMark(disk, mark);
    const [dump0, digest0, rdiff0] = ["0.dump", "0.digest", "0.rdiff"].map((name) => folder.file(name));
    const [dump1, digest1] = ["1.dump.zst", "1.digest.zst"].map((name) => folder.file(name));

    const full = await run(`dump --mode full --local ${disk} --dumpout ${dump0} --digestout ${digest0}`);
    assertEquals([full.blocks, full.zeroBlocks], [BLOCKS, BLOCKS - MARKED_BLOCKS]);
    assert(full.blocksRead < 100, `${full.blocksRead} blocks were read`);

    const check = await run(`check --digestin ${digest0} ${dump0}`);
    assertEquals([check.goodBlocks, check.badBlocks], [BLOCKS, 0]);

    writeMark(disk, 2 ** 41 + 5 * MIB);
    const diff = await run(
      `dump --mode diff --local ${disk} --dumpin ${dump0} --digestin ${digest0} ` +
        `--dumpout ${dump1} --digestout ${digest1} --rdiffout ${rdiff0}`,
    );
    assertEquals(diff.changedBlocks, 1);

    const restored = folder.file("restored.raw");
    const { writtenBlocks } = await run(`restore --create --local ${restored} ${dump1} ${rdiff0}`);
    assertEquals(writtenBlocks, MARKED_BLOCKS);
    assertEquals(readMarks(restored), MARKS.map(markText));
    const { size, blocks } = Deno.statSync(restored);
    assertEquals(size, CAPACITY_BYTES);
    assert(blocks! * 512 <= (MARKED_BLOCKS + 1) * MIB, `the restored disk takes ${blocks} sectors`);
  },
);

/** Returns what is missing here to make such a disk, or to find its holes. */
function whatIsMissing(): string | undefined {
  using folder = new Folder();
  const path = folder.file("probe.raw", "");
  try {
    Deno.truncateSync(path, CAPACITY_BYTES);
  } catch {
    return "the file system cannot have a file of 3 TiB";
  }
  using file = Deno.openSync(path);
  using holes = openHoleMap(path, file);
  if (holes?.runAt(0).hole !== true) return "the file system does not report holes";
}

async function run(line: string): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await runCli([...line.split(" "), "--json"]);
  assertEquals(code, 0, `vmdkbkp ${line}\n${stderr}`);
  return JSON.parse(stdout);
}

function blockOf(offsetBytes: number): number {
  return Math.floor(offsetBytes / MIB);
}

function markText(offsetBytes: number): string {
  return `Data at byte ${offsetBytes}`.padEnd(32, ".");
}

function writeMark(path: string, offsetBytes: number): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(offsetBytes, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(markText(offsetBytes)));
}

function readMarks(path: string): string[] {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(32);
  return MARKS.map((mark) => {
    file.seekSync(mark, Deno.SeekMode.Start);
    file.readSync(bytes);
    return new TextDecoder().decode(bytes);
  });
}
