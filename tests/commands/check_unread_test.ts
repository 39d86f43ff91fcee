/** What `check` of folders says of files that the system does not let it read. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Archives, EXIT } from "../refusals/refusal.ts";
import type { CliResult } from "../support/run_cli.ts";

/** Runs a command during which files whose path matches cannot be opened. */
async function withoutAccess(path: RegExp, run: () => Promise<CliResult>): Promise<CliResult> {
  const { open } = Deno;
  Deno.open = async (given, options) => {
    if (!path.test(`${given}`)) return await open(given, options);
    throw Object.assign(new Error("Input/output error (os error 5)"), { code: "EIO" });
  };
  try {
    return await run();
  } finally {
    Deno.open = open;
  }
}

function lastLineOf({ stdout }: CliResult): string {
  return stdout.trimEnd().split("\n").at(-1)!;
}

for (const name of ["g0.dump", "g0.digest", "g0.rdiff", "g1.seal.json"]) {
  Deno.test(`check of a folder with an unreadable "${name}" has the exit code of an error`, async () => {
    using archives = new Archives();
    await archives.run("seal g1.dump g1.digest");
    for (const options of ["", " --quick"]) {
      const result = await withoutAccess(
        new RegExp(`/${name}$`),
        () => archives.run(`check${options} .`),
      );
      assertEquals([result.code, lastLineOf(result)], [EXIT.environment, "Check: NOT READ"], result.stdout);
      assertStringIncludes(result.stdout, name);
      assertStringIncludes(result.stdout, "Input/output error (os error 5)");
    }
  });
}

Deno.test("check of a folder with a damaged file and an unreadable one has the exit code of damage", async () => {
  using archives = new Archives();
  archives.file("g1.dump", archives.read("g1.dump").slice(0, -1));
  const result = await withoutAccess(/\/g0\.dump$/, () => archives.run("check ."));
  assertEquals([result.code, lastLineOf(result)], [EXIT.corrupt, "Check: WRONG"], result.stdout);
});

Deno.test("check of a folder calls it wrong that an archive is a link that leads nowhere", async () => {
  using archives = new Archives();
  Deno.symlinkSync("gone.dump", `${archives.path}/g7.dump`);
  const result = await archives.run("check .");
  assertEquals([result.code, lastLineOf(result)], [EXIT.corrupt, "Check: WRONG"], result.stdout);
});
