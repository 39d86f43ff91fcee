/**
 * The password of a command that fails: it is in nothing that is printed, logged or written, whichever way it
 * was given.
 */

import { assert, assertEquals } from "@std/assert";
import { noise } from "../helpers.ts";
import { type CliResult, runCli } from "../../support/run_cli.ts";
import { testWith } from "../../support/skip.ts";
import { MISSING_STANDIN, PASSWORD, World } from "../../support/standin_world.ts";

const MIB = 1 << 20;

/** The ways to give the password. */
const WAYS: [name: string, args: (world: World) => string[], given: Parameters<typeof runCli>[1]][] = [
  ["--password", () => ["--password", PASSWORD], {}],
  ["--password-file", (world) => ["--password-file", world.passwordFile], {}],
  ["standard input", () => ["--password-file", "-"], { stdin: new TextEncoder().encode(`${PASSWORD}\n`) }],
  ["the environment", () => [], { env: { VMDKBKP_PASSWORD: PASSWORD } }],
];

/**
 * The ways in which a dump fails: in connecting, during a read, by the end of the library's process, by a
 * wrong name.
 */
const FAILURES = [
  { faults: ["call=ConnectEx times=100 code=18000"], json: true },
  { faults: ["call=Read times=100 code=7"], json: false },
  { faults: ["call=Read times=100 action=crash"], json: true },
  { faults: [], json: false, remote: "[ds1] none/none.vmdk" },
];

for (const [name, argsOf, given] of WAYS) {
  testWith(
    { missing: MISSING_STANDIN },
    `dump does not reveal the password when it fails: ${name}`,
    async () => {
      for (const { faults, json, remote } of FAILURES) {
        using world = await World.create({ settings: ["log.calls = yes"] });
        Deno.writeFileSync(world.file("disk.raw"), noise(MIB, 1));
        const disk = world.disk("disk.raw");
        disk.splice(disk.indexOf("--password-file"), 2, ...argsOf(world));
        if (remote !== undefined) disk[disk.indexOf("--remote") + 1] = remote;
        faults.forEach((fault) => world.fault(fault));
        const made = ["new.dump", "new.digest", "library.log"].map((file) => world.file(file));
        const result = await runCli([
          ...["dump", "--mode", "full", ...disk, "--retries", "1", "--library-log", made[2]],
          ...["--dumpout", made[0], "--digestout", made[1], ...json ? ["--json"] : []],
        ], given);
        assertEquals(result.code, 4, `${faults}\n${result.stderr}`);
        assertSilent(result, world);
      }
    },
  );
}

/**
 * Checks that the password is where the test put it, and nowhere else: neither printed nor in a file that the
 * command left.
 */
function assertSilent({ stdout, stderr }: CliResult, world: World): void {
  const own = ["config", "password", "disk.raw"];
  const left = [...Deno.readDirSync(world.path)].filter(({ name, isFile }) => isFile && !own.includes(name));
  const files = left.map(({ name }) => [name, Deno.readTextFileSync(world.file(name))]);
  for (const [name, text] of [["stdout", stdout], ["stderr", stderr], ...files]) {
    assert(!text.includes(PASSWORD), `${name}: ${text}`);
  }
  assert(files.some(([name, text]) => name === "library.log" && text.length > 100), "the log is empty");
}
