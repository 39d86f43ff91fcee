/** The exit codes of `compare`: a difference is a result, and no damage. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { EXIT } from "../../cli/errors.ts";
import { Archives } from "../refusals/refusal.ts";
import { callMain } from "../support/run_cli.ts";

Deno.test("compare has exit code 5 for archives that differ, of every kind", async () => {
  using archives = new Archives();
  for (const kind of ["dump", "digest", "rdiff"]) {
    for (const pair of [`g0.${kind} g1.${kind}`, `g1.${kind} g0.${kind}`]) {
      const { code, stdout, stderr } = await archives.run(`compare ${pair}`);
      assertEquals([pair, code, stdout.trimEnd().split("\n").at(-1)], [pair, 5, "DIFFERENT"]);
      assertEquals(stderr, "", pair);
    }
  }
});

Deno.test("compare has exit code 0 for archives that are the same, of every kind", async () => {
  using archives = new Archives();
  for (const kind of ["dump", "digest", "rdiff"]) {
    const { code, stdout } = await archives.run(`compare g0.${kind} g0.${kind}`);
    assertEquals([kind, code, stdout], [kind, 0, "SAME\n"]);
  }
});

Deno.test("compare has exit code 3 for an archive that is damaged, also behind a difference", async () => {
  using archives = new Archives();
  for (const kind of ["dump", "digest", "rdiff"]) {
    archives.file(`cut.${kind}`, archives.read(`g1.${kind}`).slice(0, -1));
    for (const pair of [`cut.${kind} g0.${kind}`, `g0.${kind} cut.${kind}`]) {
      const { code, stdout, stderr } = await archives.run(`compare ${pair}`);
      assertEquals([pair, code, stdout], [pair, EXIT.corrupt, ""]);
      assertStringIncludes(stderr, `cut.${kind}`);
    }
  }
});

Deno.test("compare --json tells a difference from damage", async () => {
  using archives = new Archives();
  archives.file("cut.dump", archives.read("g1.dump").slice(0, -100));
  const different = JSON.parse((await archives.run("compare --json g0.dump g1.dump")).stdout);
  assertEquals([different.ok, different.same, different.error], [false, false, undefined]);
  const damaged = JSON.parse((await archives.run("compare --json g0.dump cut.dump")).stdout);
  assertEquals([damaged.ok, damaged.same, damaged.error.exitCode], [false, undefined, EXIT.corrupt]);
});

Deno.test("the help says which exit code a difference has", async () => {
  for (const args of [["help"], ["help", "compare"], ["compare", "--help"]]) {
    assertMatch((await callMain(args)).stdout, /Exit codes:[^:]* 5 different/, args.join(" "));
  }
  assertMatch((await callMain(["help", "compare"])).stdout, /DIFFERENT\s+has exit code 5/);
});
