/** `check` while another process replaces what is checked. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Folder, noise } from "../disks/helpers.ts";
import { callMain, runCli } from "../support/run_cli.ts";

/** A backup of a disk of so many bytes that another one replaces again and again. */
async function replaceFor(folder: Folder, rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    const disk = folder.file("disk.raw", noise(2 ** 20, i + 1));
    const outs = [
      "--dumpout",
      join(folder.path, "backup/a.dump"),
      "--digestout",
      join(folder.path, "backup/a.digest"),
    ];
    const { code, stderr } = await runCli(["dump", "--mode", "full", "--force", "--local", disk, ...outs]);
    assertEquals(code, 0, stderr);
  }
}

Deno.test("check() of a backup that is replaced at the moment never calls it wrong", async () => {
  using folder = new Folder();
  Deno.mkdirSync(join(folder.path, "backup"));
  await replaceFor(folder, 1);
  const dump = join(folder.path, "backup/a.dump");
  const digest = join(folder.path, "backup/a.digest");
  let isDone = false;
  const replacing = replaceFor(folder, 8).finally(() => isDone = true);
  let checks = 0;
  while (!isDone) {
    for (const args of [["check", join(folder.path, "backup")], ["check", "--digestin", digest, dump]]) {
      const { code, stdout, stderr } = await callMain(args);
      assert(code === 0 || code === 1, `${args[0]}: ${stdout}${stderr}`);
      if (code === 1) assertStringIncludes(stderr, "while it was read");
      checks++;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  await replacing;
  assert(checks > 5);
});
