/** vCenter is told of the end of a backup, whatever becomes of the library's process. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { testWith } from "../../support/skip.ts";
import { MISSING_STANDIN, World } from "../../support/standin_world.ts";
import { noise } from "../helpers.ts";

const missing = MISSING_STANDIN;

/** Calls that tell of a backup, in their order: `+` for its beginning, `-` for its end; the identities are equal. */
function accesses(world: World): string {
  const calls = world.trace().filter(({ call }) => call === "PrepareForAccess" || call === "EndAccess");
  const identities = new Set(calls.map((call) => (call as { identity?: string }).identity));
  assertEquals(identities.size <= 1, true, [...identities].join());
  return calls.map(({ call, code }) => code !== 0 ? "!" : call === "EndAccess" ? "-" : "+").join("");
}

/** The backups of the machine of which vCenter was not told that they ended, by the state that processes share. */
function openAccesses(world: World): number {
  const lines = Deno.readTextFileSync(world.file("state")).split("\n");
  const [line] = lines.filter((line) => line.startsWith("access."));
  return Number(line.split("=")[1]);
}

/** Runs a dump whose library has a fault; returns the world, the exit code and what was printed. */
async function dumpWith(fault: string, options: string[] = []) {
  const world = await World.create();
  Deno.writeFileSync(world.file("disk.raw"), noise(3 << 20, 1));
  const disk = world.disk("disk.raw");
  world.fault(fault);
  const outputs = ["--dumpout", world.file("a.dump"), "--digestout", world.file("a.digest")];
  const { code, stderr } = await world.call("dump", "--mode", "full", ...disk, ...outputs, ...options);
  return { world, code, stderr };
}

const CRASHES: [fault: string, options: string[], code: number, accesses: string][] = [
  ["call=Read after=1 action=crash scope=world", [], 0, "+-+-"],
  ["call=Read after=1 times=2 action=crash scope=world", [], 0, "+-+-+-"],
  ["call=Read after=1 action=crash scope=world", ["--retries", "0"], 4, "+-"],
  ["call=Read action=crash times=99", ["--retries", "2"], 4, "+-+-+-"],
  ["call=Open action=crash scope=world", ["--retries", "0"], 4, "+-"],
  ["call=GetInfo action=crash scope=world", [], 0, "+-+-"],
  ["call=ConnectEx action=crash scope=world", ["--retries", "0"], 4, "+-"],
  ["call=Close action=crash scope=world", [], 0, "+-"],
  ["call=Disconnect action=crash scope=world", [], 0, "+-"],
  ["call=Cleanup action=crash scope=world", [], 0, "+-"],
  ["call=Read after=1 action=hang scope=world", ["--timeout", "1"], 4, "+-"],
];

for (const [fault, options, exitCode, wanted] of CRASHES) {
  testWith({ missing }, `dump ends the access after a fault: ${fault} ${options.join(" ")}`, async () => {
    const { world, code, stderr } = await dumpWith(fault, options);
    using _world = world;
    assertEquals([code, accesses(world), openAccesses(world)], [exitCode, wanted, 0], stderr);
    assertEquals(world.trace().filter(({ violation }) => violation !== undefined), []);
  });
}

testWith(
  { missing },
  "dump warns if vCenter could not be told of the end of the backup after a crash",
  async () => {
    using world = await World.create();
    Deno.writeFileSync(world.file("disk.raw"), noise(1 << 20, 1));
    const disk = world.disk("disk.raw");
    world.fault("call=Read action=crash scope=world");
    world.fault("call=EndAccess code=18000 times=99");
    const outputs = ["--dumpout", world.file("a.dump"), "--digestout", world.file("a.digest")];
    const { code, stderr } = await world.call(
      "dump",
      "--mode",
      "full",
      ...disk,
      ...outputs,
      "--retries",
      "0",
    );
    assertEquals(code, 4, stderr);
    assertStringIncludes(
      stderr,
      "Warning: vCenter may not know that the backup of vm-16 has ended: EndAccess failed",
    );
  },
);

testWith({ missing }, "dump does not end an access that a single host did not begin", async () => {
  using world = await World.create({ server: "kind=esxi" });
  Deno.writeFileSync(world.file("disk.raw"), noise(1 << 20, 1));
  const disk = world.disk("disk.raw");
  world.fault("call=Read action=crash scope=world");
  const outputs = ["--dumpout", world.file("a.dump"), "--digestout", world.file("a.digest")];
  const { code, stderr } = await world.call("dump", "--mode", "full", ...disk, ...outputs, "--retries", "0");
  assertEquals([code, accesses(world)], [4, "!"], stderr);
});
