/**
 * The process of the disk library: it ends in order, however the program ends, and does not reveal the
 * password.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { noise } from "../helpers.ts";
import { denoArgs } from "../../support/run_cli.ts";
import { testWith } from "../../support/skip.ts";
import { MISSING_STANDIN, PASSWORD, until, World } from "../../support/standin_world.ts";

const MIB = 1024 * 1024;

/** Starts a dump that takes some seconds, as a process; its password comes from the environment. */
async function slowDump(): Promise<{ world: World; child: Deno.ChildProcess }> {
  const world = await World.create();
  Deno.writeFileSync(world.file("disk.raw"), noise(16 * MIB, 1));
  const disk = world.disk("disk.raw");
  disk.splice(disk.indexOf("--password-file"), 2);
  world.set("delay.90 = call=Read us=200000");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...[...denoArgs(), "dump", "--mode", "full", ...disk],
      ...["--dumpout", world.file("new.dump"), "--digestout", world.file("new.digest")],
    ],
    env: { VMDKBKP_PASSWORD: PASSWORD },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await until(() => world.calls("Read").length > 0);
  return { world, child };
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const) {
  testWith(
    { missing: MISSING_STANDIN },
    `${signal} ends the program; disk, connection and access end in order`,
    async () => {
      const { world: made, child } = await slowDump();
      using world = made;
      // As a terminal does: all processes of the group get the signal.
      const helper = world.calls("Read")[0].pid;
      if (signal !== "SIGKILL") Deno.kill(helper, signal);
      child.kill(signal);
      const { code } = await child.output();
      assertEquals(code, { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGKILL: 137 }[signal]);
      await until(() => world.calls("Exit").length === 1);
      const ends = world.trace().map(({ call }) => call);
      for (const call of ["Close", "Disconnect", "Cleanup", "EndAccess"]) assert(ends.includes(call), call);
      world.assertClean();
      const left = [...Deno.readDirSync(world.path)].map(({ name }) => name).filter((name) =>
        /^new\./.test(name)
      );
      assertEquals(left, []);
    },
  );
}

testWith({ missing: MISSING_STANDIN }, "dump shows the password in no list of processes", async () => {
  const { world: made, child } = await slowDump();
  using world = made;
  const helper = world.calls("Read")[0].pid;
  for (const pid of [child.pid, helper]) {
    const words = Deno.readTextFileSync(`/proc/${pid}/cmdline`);
    assert(words.length > 0 && !words.includes(PASSWORD), words);
  }
  // The program got the password there; the library's process gets it in another way.
  assertStringIncludes(Deno.readTextFileSync(`/proc/${child.pid}/environ`), PASSWORD);
  assert(!Deno.readTextFileSync(`/proc/${helper}/environ`).includes(PASSWORD));
  child.kill("SIGTERM");
  const { stderr } = await child.output();
  assert(!new TextDecoder().decode(stderr).includes(PASSWORD));
  await until(() => world.calls("Exit").length === 1);
});

testWith(
  { missing: MISSING_STANDIN },
  "A remote dump needs the permissions that docs/permissions.md names, and no more",
  async () => {
    using world = await World.create();
    Deno.writeFileSync(world.file("disk.raw"), noise(MIB, 1));
    const disk = world.disk("disk.raw");
    const named = ["--allow-read", "--allow-write", "--allow-env", "--allow-ffi", "--allow-run"];
    const dump = async (permissions: string[]) => {
      const args = denoArgs().flatMap((arg) => arg === "-A" ? ["--no-prompt", ...permissions] : [arg]);
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...[...args, "dump", "--mode", "full", "--force", ...disk],
          ...["--dumpout", world.file("new.dump"), "--digestout", world.file("new.digest")],
        ],
        stdin: "null",
      }).output();
      return { code, stderr: new TextDecoder().decode(stderr) };
    };
    const { code, stderr } = await dump(named);
    assertEquals(code, 0, stderr);
    for (const flag of ["--allow-ffi", "--allow-run"]) {
      const refused = await dump(named.filter((name) => name !== flag));
      assertEquals(refused.code, 4, refused.stderr);
      assertStringIncludes(refused.stderr, `Deno was started without ${flag}`);
    }
    world.assertClean();
  },
);
