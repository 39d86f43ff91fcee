/** The mark of a generation whose disk changed while it was read goes on to all that is made of the generation. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { noise } from "../disks/helpers.ts";
import type { Archives } from "../refusals/refusal.ts";
import { changing, disks, FULL, MODES, poke } from "./changing_disk.ts";

const WRITTEN = 'd1.raw" was written at 20';
const OLDER_MODE = MODES.diff.replaceAll("g0.", "new.").replaceAll(" new.rdiff", " torn.rdiff")
  .replace("--dumpout new", "--dumpout next").replace("--digestout new", "--digestout next");

/**
 * `new.dump` is of a disk that changed; `next.dump` is a later one of a disk that did not, from which `torn.rdiff` leads
 * back.
 */
async function tornSeries(): Promise<Archives> {
  const archives = disks();
  const { code, stderr } = await changing(archives, `${FULL} --local d1.raw --allow-changes`, () => {
    poke(archives.file("d1.raw"), { at: 3000 });
  });
  assertEquals(code, 0, stderr);
  archives.file("d2.raw", noise(3072, 77));
  const next = await archives.run(`${OLDER_MODE} --local d2.raw`);
  assertEquals(next.code, 0, next.stderr);
  return archives;
}

function markIn(archives: Archives, seal: string): string | undefined {
  return JSON.parse(new TextDecoder().decode(archives.read(seal))).source.changed;
}

/** Commands that make something of the changed generation, and the seals that they write. */
const MADE: Record<string, string> = {
  "merge --dumpout made.dump next.dump torn.rdiff": "made.seal.json",
  "digest --dumpin new.dump --digestout made.digest": "made.seal.json",
  "rdiff --rdiffout made.rdiff new.dump next.dump": "made.seal.json",
  "seal --force new.dump new.digest": "new.seal.json",
};

for (const [line, seal] of Object.entries(MADE)) {
  Deno.test(`the seal of what is made of a changed disk has the mark: ${line}`, async () => {
    using archives = await tornSeries();
    const { code, stdout, stderr } = await archives.run(line);
    assertEquals(code, 0, stdout + stderr);
    assertEquals(stderr.match(/^Warning: .* changed while it was read/gm)?.length, 1, stderr);
    assertStringIncludes(markIn(archives, seal) ?? "no mark", WRITTEN);
  });
}

Deno.test("the mark goes on where the folder of the outputs is another one, and with several steps", async () => {
  using archives = await tornSeries();
  Deno.mkdirSync(archives.file("elsewhere"));
  for (
    const line of [
      "merge --dumpout elsewhere/a.dump next.dump torn.rdiff",
      "digest --dumpin elsewhere/a.dump --digestout elsewhere/b.digest",
    ]
  ) assertEquals((await archives.run(line)).code, 0, line);
  for (const seal of ["elsewhere/a.seal.json", "elsewhere/b.seal.json"]) {
    assertStringIncludes(markIn(archives, seal) ?? "no mark", WRITTEN, seal);
  }
});

Deno.test("commands that read a changed generation through an rdiff say that the disk changed", async () => {
  for (
    const line of [
      "restore --create --local back.raw next.dump torn.rdiff",
      "check next.dump torn.rdiff",
      "check --digestin new.digest next.dump torn.rdiff",
      "merge --dumpout made.dump next.dump torn.rdiff",
    ]
  ) {
    using archives = await tornSeries();
    Deno.removeSync(archives.file("new.dump"));
    const { stderr } = await archives.run(line);
    assertEquals(stderr.match(/^Warning: .* changed while it was read/gm)?.length, 1, `${line}\n${stderr}`);
    assertStringIncludes(stderr, WRITTEN, line);
  }
});

Deno.test("what is made of other generations of the series has no mark, and nothing is said", async () => {
  using archives = await tornSeries();
  for (
    const [line, seal] of Object.entries({
      "digest --dumpin next.dump --digestout made.digest": "made.seal.json",
      "merge --dumpout older.dump g1.dump g0.rdiff": "older.seal.json",
      "restore --create --local back.raw next.dump": undefined,
      "check --digestin next.digest next.dump": undefined,
    })
  ) {
    const { code, stderr } = await archives.run(line);
    assertEquals([line, code, stderr], [line, 0, ""]);
    if (seal !== undefined) assertEquals(markIn(archives, seal), undefined, line);
  }
  assertEquals(markIn(archives, "next.seal.json"), undefined);
});
