/** Dumps through a fault of the test server. */

import { assert, assertEquals } from "@std/assert";
import type { Fault } from "./control.ts";
import { FAULTS } from "./fault_list.ts";
import { BLOCK, MIB, outputsOf, RemoteWorld } from "./remote_world.ts";

const OUTPUTS = ["new.dump", "new.digest", "new.seal.json", "new.rdiff"];

/** Calls of the API that a dump does not make. */
const OTHER_CALLS = ["CreateSnapshot_Task", "RemoveSnapshot_Task"];

/** The faults of the calls and the connections of a dump. */
export const DUMP_FAULTS: readonly Fault[] = Object.entries(FAULTS).flatMap(([at, faults]) =>
  faults.filter(({ method }) => !OTHER_CALLS.includes(String(method)))
    .map((fault) => ({ at, ...fault }) as unknown as Fault)
);

/** Starts a server with a snapshot, and makes the dump of the state before it. */
export async function beginFaults(): Promise<RemoteWorld> {
  const world = await RemoteWorld.create({}, { bytes: 3 * MIB });
  await world.fill(0, MIB, 1);
  const first = await world.snapshot("first");
  await world.json([
    "dump",
    "--mode",
    "full",
    ...world.disk,
    "--snapshot",
    "first",
    ...BLOCK,
    ...outputsOf(world, "0"),
  ]);
  await world.fill(MIB + 512, 99_840, 2);
  await world.removeSnapshot("first", first);
  await world.snapshot("second");
  const second = ["dump", "--mode", "full", "--local", world.file("second.raw"), ...BLOCK];
  await world.json([...second, ...outputsOf(world, "expected")]);
  return world;
}

/**
 * Dumps while the server has a fault, and checks that the archives are right, or that the exit code is 4 and
 * there is no output; that the client has logged out, the snapshot is there, and no secret is printed.
 *
 * @returns whether there is a dump
 */
export async function dumpThrough(
  world: RemoteWorld,
  fault: Fault,
  { isLasting }: { isLasting: boolean },
): Promise<boolean> {
  const name = JSON.stringify(fault);
  const { control } = world.server;
  const asksChanges = fault.at === "changes" || fault.method === "QueryChangedDiskAreas";
  const number = await control.fault({
    ...fault,
    ...(isLasting ? {} : { count: 1, skip: fault.at === "fragment" ? 3 : 0 }),
  });
  const f = (name: string) => world.file(name);
  const { code, stdout, stderr } = await world.call(
    ...["dump", "--mode", asksChanges ? "incr" : "full", ...world.disk, "--snapshot", "second", "--json"],
    ...["--timeout", "1", "--retries", isLasting ? "1" : "3", ...outputsOf(world, "new"), "--force"],
    ...(asksChanges
      ? [
        ...["--dumpin", f("0.dump"), "--digestin", f("0.digest"), "--changed-since", "seal"],
        ...["--rdiffout", f("new.rdiff")],
      ]
      : BLOCK),
  );
  await control.clear(number);
  const said = `${name}\n${stdout}${stderr}`;
  for (const secret of await control.secrets()) assert(!`${stdout}${stderr}`.includes(secret), said);
  const written = [...Deno.readDirSync(world.path)].map(({ name }) => name).filter((name) =>
    OUTPUTS.includes(name) || name.startsWith(".")
  );
  if (code === 0) {
    await world.assertCompare("expected.dump", "new.dump");
    await world.assertCompare("expected.digest", "new.digest");
    for (const name of written) Deno.removeSync(f(name));
  } else {
    // A list of changes that lacks some is noticed by the sample of the blocks that it calls unchanged.
    const isCaught = fault.at === "changes" && code === 3 && stdout.includes("Cannot believe");
    assert(code === 4 || isCaught, said);
    assertEquals(written, [], said);
    assertEquals(JSON.parse(stdout).ok, false, said);
  }
  await assertNothingLeft(world, said);
  return code === 0;
}

/** How long the server may take to see that a connection has ended. */
const PATIENCE_MS = 20_000;

async function assertNothingLeft(world: RemoteWorld, name: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await world.assertClean();
    } catch (cause) {
      if (performance.now() > deadline) throw new Error(`${name}: ${(cause as Error).message}`, { cause });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
