/** A chain of so many archives that each of them gets a smaller window for reading than usual. */

import { assertEquals } from "@std/assert";
import { drawDisk } from "../pipeline/drawn_archives.ts";
import { assertEqualBytes } from "./same_bytes.ts";
import { Workspace } from "./workspace.ts";

const DAYS = 40;
const DISK = { blockBytes: 65536 };

Deno.test("a chain of forty generations can be checked, merged, and restored to the oldest one", async () => {
  using work = new Workspace();
  let drawn = ".".repeat(DAYS);
  for (let day = 0; day < DAYS; day++) {
    drawn = `${drawn.slice(0, day)}${String.fromCharCode(0x41 + day)}${drawn.slice(day + 1)}`;
    work.file("disk.raw", drawDisk(drawn, DISK));
    const outputs = `--local disk.raw --dumpout ${day}.dump.zst --digestout ${day}.digest`;
    const previous = `--dumpin ${day - 1}.dump.zst --digestin ${day - 1}.digest --rdiffout ${
      day - 1
    }.rdiff.gz`;
    await work.run(
      day === 0
        ? `dump --mode full --blocksize ${DISK.blockBytes} ${outputs}`
        : `dump --mode diff ${outputs} ${previous}`,
    );
  }
  const rdiffs = Array.from({ length: DAYS - 1 }, (_, i) => `${DAYS - 2 - i}.rdiff.gz`);
  const list = [`${DAYS - 1}.dump.zst`, ...rdiffs].join(" ");

  await work.run(`check --digestin 0.digest ${list}`);
  await work.run(`merge --dumpout 0m.dump.zst ${list}`);
  work.assertSameBytes("0m.dump.zst", "0.dump.zst");
  await work.run(`merge --rdiffout all.rdiff ${rdiffs.join(" ")}`);
  const { records } = await work.runJson(`merge --dumpout 0n.dump ${DAYS - 1}.dump.zst all.rdiff`);
  assertEquals(records, DAYS);
  await work.run(`restore --local disk.raw ${list}`);
  assertEqualBytes(Deno.readFileSync(work.file("disk.raw")), drawDisk("A".padEnd(DAYS, "."), DISK), "day 0");
  await work.assertCompare("0n.dump", "0.dump.zst");
});
