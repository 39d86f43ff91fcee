/** An archive that somebody changes while it is read: what was verified of it may not be what is copied. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Folder, noise } from "../disks/helpers.ts";
import { denoArgs, runCli } from "../support/run_cli.ts";

Deno.test("A previous dump that changes while it is read is refused, and nothing is left", async () => {
  using folder = new Folder();
  const path = (name: string) => folder.file(name);
  folder.file("0.raw", noise(3 * 1024 * 1024, 1));
  const full = ["dump", "--mode", "full", "--local", path("0.raw"), "--dumpout", path("0.dump")];
  assertEquals((await runCli([...full, "--digestout", path("0.digest")])).code, 0);
  const diff = [
    "dump",
    "--mode",
    "diff",
    "--local",
    path("0.raw"),
    "--dumpin",
    path("0.dump"),
    "--digestin",
    "-",
  ];
  const outputs = [
    "--dumpout",
    path("1.dump"),
    "--digestout",
    path("1.digest"),
    "--rdiffout",
    path("0.rdiff"),
  ];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(), ...diff, ...outputs],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  // The command has opened the dump when it waits for the digest; until that has come it cannot be done.
  const digest = Deno.readFileSync(path("0.digest"));
  const writer = child.stdin.getWriter();
  await writer.write(digest.slice(0, 20));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  Deno.utimeSync(path("0.dump"), 1, 1);
  await writer.write(digest.slice(20));
  await writer.close();
  const { code, stderr } = await child.output();
  assertStringIncludes(new TextDecoder().decode(stderr), `"${path("0.dump")}": it changed while it was read`);
  assertEquals(code, 1);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), [
    "0.digest",
    "0.dump",
    "0.raw",
    "0.seal.json",
  ]);
});
