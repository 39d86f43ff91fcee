/** Standard input and output in the place of files. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { runCli } from "../support/run_cli.ts";
import { Archives, assertRefusal, EXIT } from "./refusal.ts";

Deno.test("standard output takes one archive and the report goes to standard error", async () => {
  using archives = new Archives();
  const { code, stdoutBytes, stderr } = await runCli(archives.args("merge --dumpout - g1.dump g0.rdiff"));
  assertEquals(code, EXIT.done, stderr);
  assertEquals(stdoutBytes, Deno.readFileSync(join(archives.path, "g0.dump")));
  assertStringIncludes(stderr, "Merged 2 archives");
});

Deno.test("a damaged archive on standard input is refused like a file", async () => {
  using archives = new Archives();
  const stdin = Deno.readFileSync(join(archives.path, "g0.dump")).subarray(0, -1);
  const line = "digest --dumpin - --digestout new.digest";
  const before = archives.snapshot();
  const result = await runCli(archives.args(line), { stdin });
  assertRefusal(line, result, { code: EXIT.corrupt, says: ['dump "-"', "the end of the file"] });
  assertEquals(archives.snapshot(), before);
});

Deno.test("restore of standard input to an existing disk is refused", async () => {
  using archives = new Archives();
  await archives.refused("restore --local d1.raw -", { code: EXIT.usage, says: ['"-"', "--create"] });
});
