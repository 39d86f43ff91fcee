/** What `--json` promises: one object on standard output, whatever happens. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Archives, EXIT } from "./refusal.ts";

Deno.test("print --json is one object, also when a later file cannot be read", async () => {
  using archives = new Archives();
  archives.file("cut.dump", archives.read("g0.dump").slice(0, -100));
  for (const bad of ["cut.dump", "missing.dump", "d0.raw"]) {
    const { code, stdout, stderr } = await archives.run(`print --json g0.digest ${bad}`);
    const { ok, files, error } = JSON.parse(stdout);
    assertEquals([ok, files[0].kind, files[0].records.length], [false, "digest", 6], bad);
    assertStringIncludes(error.message, bad);
    assertStringIncludes(stderr, error.message);
    assertEquals(code, bad === "missing.dump" ? EXIT.environment : EXIT.corrupt);
  }
});

Deno.test("every result says whether all is well", async () => {
  using archives = new Archives();
  const lines: [string, boolean][] = [
    ["check --json --digestin g0.digest g0.dump", true],
    ["check --json --digestin g1.digest g2.dump g1.rdiff", true],
    ["compare --json g0.dump g0.dump", true],
    ["compare --json g0.dump g1.dump", false],
    ["print --json g0.rdiff", true],
    ["print-bmp --json all.bmp", true],
    ["merge --json --dumpout m.dump g2.dump g1.rdiff", true],
  ];
  for (const [line, ok] of lines) assertEquals(JSON.parse((await archives.run(line)).stdout).ok, ok, line);
});

Deno.test("an error object never goes into the data on standard output", async () => {
  using archives = new Archives();
  archives.file("cut.dump", archives.read("g0.dump").slice(0, -100));
  const { stdout, stderr } = await archives.run("digest --json --dumpin cut.dump --digestout -");
  assertEquals(stdout.includes("error"), false);
  assertEquals(JSON.parse(stderr.trim().split("\n").at(-1)!).ok, false);
});

Deno.test("an error object of rdiff2bmp is on standard output when the bitmap goes to a file", async () => {
  using archives = new Archives();
  const toFile = await archives.run("rdiff2bmp --json g0.dump --bmpout new.bmp");
  assertEquals(JSON.parse(toFile.stdout).ok, false);
  const toStdout = await archives.run("rdiff2bmp --json g0.dump");
  assertEquals(toStdout.stdout, "");
});

Deno.test("a damaged archive's error object says where", async () => {
  using archives = new Archives();
  archives.file("cut.dump", archives.read("g0.dump").slice(0, -100));
  const { stdout } = await archives.run("check --json --digestin g0.digest cut.dump");
  const { error } = JSON.parse(stdout);
  assertEquals(Object.keys(error).sort(), [
    "exitCode",
    "expected",
    "found",
    "message",
    "offsetBytes",
    "path",
  ]);
});
