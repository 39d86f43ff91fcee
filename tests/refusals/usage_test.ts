/** Command lines that cannot be meant: exit code 2, and nothing is touched. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runCli } from "../support/run_cli.ts";
import { Archives, EXIT } from "./refusal.ts";

const OUT = "--dumpout new.dump --digestout new.digest";
const IN = "--dumpin g0.dump --digestin g0.digest";

Deno.test("no command is refused", async () => {
  const { code, stdout, stderr } = await runCli([]);
  assertEquals({ code, stdout }, { code: EXIT.usage, stdout: "" });
  assertStringIncludes(stderr, "No command is given");
});

Deno.test("an unknown command is refused by its name", async () => {
  using archives = new Archives();
  await archives.refused("copying", { code: EXIT.usage, says: ['"copying"'] });
});

Deno.test("help and --version are no refusals", async () => {
  for (const args of [["help"], ["--help"], ["--version"], ["help", "dump"], ["dump", "--help"]]) {
    const { code, stdout, stderr } = await runCli(args);
    assertEquals({ code, stderr }, { code: EXIT.done, stderr: "" }, args.join(" "));
    assertMatch(stdout, /\S/);
  }
});

/** Wrong command lines and what the message must name. */
const WRONG: Record<string, string> = {
  [`dump --mode full --local d0.raw --bogus ${OUT}`]: "--bogus",
  [`dump --local d0.raw ${OUT}`]: "--mode",
  [`dump --mode half --local d0.raw ${OUT}`]: "half",
  [`dump --mode full ${OUT}`]: "no disk is named",
  [`dump --mode full --local d0.raw d1.raw ${OUT}`]: "more than one disk",
  [`dump --mode full d0.raw d1.raw ${OUT}`]: "argument",
  "dump --mode full --local d0.raw --dumpout new.dump": "--digestout",
  "dump --mode full --local d0.raw --digestout new.digest": "--dumpout",
  [`dump --mode diff --local d1.raw --digestin g0.digest --rdiffout new.rdiff ${OUT}`]: "--dumpin is missing",
  [`dump --mode diff --local d1.raw --dumpin g0.dump --rdiffout new.rdiff ${OUT}`]: "--digestin is missing",
  [`dump --mode diff --local d1.raw ${IN} ${OUT}`]: "--rdiffout is missing",
  [`dump --mode incr --local d1.raw ${IN} --rdiffout new.rdiff ${OUT}`]:
    "--bmpin or --changed-since is missing",
  [`dump --mode full --local d0.raw --dumpout - --digestout -`]: '"-" can be used only once',
  "restore g0.dump": "--local",
  "restore --local d0.raw": "archives",
  "restore --create --local new.disk g0.dump": ".vmdk",
  "restore --create --local new.raw g0.rdiff": "is not a dump",
  "restore --create --local new.vmdk --format thin g0.dump": "thin",
  "restore --local d1.raw --format streamOptimized g0.dump": "without --create",
  "restore --local d1.raw --format vmfs g0.dump": "without --create",
  "restore --create --local new.raw --format monolithicSparse g0.dump": "must end in .vmdk",
  "restore --create --local new.vmdk --libdir lib.d --format monolithicSparse g0.dump": "library",
  "check g0.dump": "--digestin",
  "check --digestin g0.digest": "archives",
  "digest --dumpin g0.dump": "--digestout",
  "digest --digestout new.digest": "--dumpin",
  "digest --dumpin g0.dump --digestout new.digest d0.raw": "argument",
  "merge g1.dump g0.rdiff": "--dumpout",
  "merge --dumpout new.dump g1.dump": "two or more",
  "merge --rdiffout new.rdiff g0.rdiff": "two or more",
  "merge --dumpout new.dump --rdiffout new.rdiff g1.dump g0.rdiff": "one of",
  "merge --rdiffout new.rdiff g1.dump g0.rdiff": "use --dumpout",
  "merge --dumpout new.dump g1.rdiff g0.rdiff": "use --rdiffout",
  "rdiff g0.dump --rdiffout new.rdiff": "newer",
  "rdiff g0.dump g1.dump": "--rdiffout",
  "compare g0.dump": "b",
  "compare g0.dump g1.dump d0.raw": "argument",
  "print": "no archive",
  "print --level 3 g0.dump": "--level",
  "rdiff2bmp g0.rdiff g1.rdiff": "argument",
  "print-bmp all.bmp d0.raw": "argument",
  [`dump --mode full --local d0.raw --level much ${OUT}`]: "much",
  [`dump --mode full --local d0.raw --level 99 --dumpout new.dump.gz --digestout new.digest`]: "99",
  [`dump --mode full --local d0.raw --level 0 --dumpout new.dump.zst --digestout new.digest`]: "0",
};

for (const [line, word] of Object.entries(WRONG)) {
  Deno.test(`refused as a usage error: ${line}`, async () => {
    using archives = new Archives();
    const before = archives.snapshot();
    const { code, stdout, stderr } = await archives.run(line);
    assertEquals({ code, stdout }, { code: EXIT.usage, stdout: "" }, stderr);
    assertStringIncludes(stderr, word);
    assertEquals(archives.snapshot(), before);
  });
}

/** An output option that a command does not use must not make, empty or replace a file. */
for (
  const line of [
    "check --digestin g0.digest --dumpout g1.dump g0.dump",
    "print --digestout g1.digest g0.dump",
    "restore --create --local new.raw --dumpout g1.dump g0.dump",
    "digest --dumpin g0.dump --digestout new.digest --dumpout g1.dump",
    `dump --mode full --local d0.raw --rdiffout g0.rdiff ${OUT}`,
    `dump --mode full --local d0.raw --dumpin g0.dump ${OUT}`,
    `dump --mode diff --local d1.raw --bmpin all.bmp --rdiffout new.rdiff ${IN} ${OUT}`,
    "merge --dumpout new.dump --digestout g1.digest g1.dump g0.rdiff",
  ]
) {
  Deno.test(`an option without use is refused: ${line}`, async () => {
    using archives = new Archives();
    const before = archives.snapshot();
    const { code, stderr } = await archives.run(line);
    assertEquals(code, EXIT.usage, stderr);
    assertEquals(archives.snapshot(), before);
  });
}

for (const size of ["0", "-512", "513", "many", "1e3", "0x200", "512.5", String(16 * 1024 * 1024 + 512)]) {
  Deno.test(`--blocksize ${size} is refused`, async () => {
    using archives = new Archives();
    const before = archives.snapshot();
    const { code, stderr } = await archives.run(
      `dump --mode full --local d0.raw ${OUT}`.concat(` --blocksize=${size}`),
    );
    assertEquals(code, EXIT.usage, stderr);
    assertStringIncludes(stderr, "--blocksize");
    assertEquals(archives.snapshot(), before);
  });
}

Deno.test("--blocksize that contradicts the previous dump is refused", async () => {
  using archives = new Archives();
  await archives.refused(
    `dump --mode diff --blocksize 1024 --local d1.raw ${IN} ${OUT} --rdiffout new.rdiff`,
    {
      code: EXIT.usage,
      says: ["--blocksize 1024", 'g0.dump"', "512"],
    },
  );
});

Deno.test("--blocksize that contradicts the archives is refused by restore", async () => {
  using archives = new Archives();
  for (const target of ["--local d1.raw", "--create --local new.raw"]) {
    await archives.refused(`restore --blocksize 1024 ${target} g0.dump`, {
      code: EXIT.usage,
      says: ["--blocksize 1024", "512"],
    });
  }
});

Deno.test("restore --blocksize compares numbers, not the ways to write them", async () => {
  using archives = new Archives();
  for (const size of ["512", "0512", "0000000512"]) {
    await archives.done(`restore --blocksize ${size} --create --force --local new.raw g0.dump`);
  }
  await archives.refused("restore --blocksize 512x --create --local other.raw g0.dump", {
    code: EXIT.usage,
    says: ['--blocksize cannot be "512x"', "a number of bytes from 512 to 16777216"],
  });
});

/** What is mistyped, and what the message suggests. */
for (
  const [line, suggested] of [
    ["dmp --mode full", 'Unknown command "dmp", did you mean "dump"?'],
    ["help restor", 'Unknown command "restor", did you mean "restore"?'],
    ["print_bmp a.bmp", 'Unknown command "print_bmp", did you mean "print-bmp"?'],
    ["copying", 'Unknown command "copying" (vmdkbkp help lists them)'],
    ["dump --dumpuot a", '"--dumpuot", did you mean "--dumpout"?'],
  ]
) {
  Deno.test(`a mistyped word gets a suggestion if one is near: ${line}`, async () => {
    using archives = new Archives();
    await archives.refused(line, { code: EXIT.usage, says: [suggested] });
  });
}

Deno.test("--json reports a refusal as an object too", async () => {
  using archives = new Archives();
  const { code, stdout } = await archives.run("check --json --digestin g1.digest g0.dump");
  const { ok, error } = JSON.parse(stdout);
  assertEquals({ code, ok, exitCode: error.exitCode }, {
    code: EXIT.corrupt,
    ok: false,
    exitCode: EXIT.corrupt,
  });
  assertStringIncludes(error.message, "different generations");
});

Deno.test("--json reports a wrong command line as an object too", async () => {
  using archives = new Archives();
  const { code, stdout } = await archives.run("check --json g0.dump");
  assertEquals(code, EXIT.usage);
  assertEquals(JSON.parse(stdout).error.exitCode, EXIT.usage);
});
