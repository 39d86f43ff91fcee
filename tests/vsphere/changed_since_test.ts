/** `dump --changed-since`: a list of changes that may lack some is never used. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testWith } from "../support/skip.ts";
import { BLOCK, KEY, MIB, MISSING_VSPHERE_SERVER, outputsOf, RemoteWorld } from "./remote_world.ts";

const missing = MISSING_VSPHERE_SERVER;
const FILES = ["password", "0.dump", "0.digest", "0.seal.json"];

/** A server with a dump of the first generation, whose snapshot is gone. */
async function begin(): Promise<RemoteWorld> {
  const world = await RemoteWorld.create();
  await world.fill(0, MIB, 1);
  const ref = await world.snapshot("first");
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
  await world.removeSnapshot("first", ref);
  Deno.removeSync(world.file("first.raw"));
  return world;
}

/** The words of an incremental dump of the snapshot `second`. */
function incr(world: RemoteWorld, ...more: string[]): string[] {
  return [
    ...["dump", "--mode", "incr", ...world.disk, "--snapshot", "second", ...outputsOf(world, "1")],
    ...["--dumpin", world.file("0.dump"), "--digestin", world.file("0.digest")],
    ...["--rdiffout", world.file("0.rdiff"), ...more],
  ];
}

const DOUBTS: [what: string, spoil: (world: RemoteWorld) => Promise<unknown>, reason: RegExp][] = [
  [
    "tracking began anew",
    ({ server: { control }, machine }) => control.resetTracking(machine, KEY),
    /change tracking has begun anew since the last backup/,
  ],
  [
    "the server has a fault",
    ({ server: { control } }) =>
      control.fault({
        at: "call",
        kind: "fault",
        method: "QueryChangedDiskAreas",
        type: "FileFault",
        text: "no",
      }),
    /the server does not tell the changes: .*FileFault/,
  ],
  [
    "an answer tells of no part of the disk",
    ({ server: { control } }) => control.fault({ at: "changes", kind: "zero-length" }),
    /the server does not tell the changes: .*tells of 0 bytes/,
  ],
  [
    "the machine went back to a snapshot",
    async (world) => {
      const { control } = world.server;
      await control.revertTo(world.machine, await world.snapshot("by hand"));
      await control.power(world.machine, true);
    },
    /change tracking has begun anew|earlier/,
  ],
];

for (const [what, spoil, reason] of DOUBTS) {
  testWith(
    { missing },
    `an incremental dump is refused, or compares the whole disk, when ${what}`,
    async () => {
      await using world = await begin();
      await world.fill(3 * MIB, 65_536, 2);
      await spoil(world);
      await world.snapshot("second");
      const { error } = await world.json(incr(world, "--changed-since", "seal"), 4);
      assertMatch(error.message, reason);
      assertStringIncludes(error.message, "--mode diff or full");
      const images = [...Deno.readDirSync(world.path)].map(({ name }) => name).filter((name) =>
        name.endsWith(".raw")
      );
      world.assertFiles([...FILES, ...images]);
      const diff = await world.json(incr(world, "--changed-since", "seal", "--on-mismatch", "diff"));
      assertEquals([diff.mode, diff.modeAsked], ["diff", "incr"]);
      assertMatch(diff.modeReason, reason);
      await world.assertDumpOf("second.raw", "1.dump");
      await world.run("check --digestin 0.digest 1.dump 0.rdiff");
      await world.assertClean();
    },
  );
}

testWith({ missing }, "a change id that is not the one of the previous dump is refused", async () => {
  await using world = await begin();
  const { source: { changeId } } = JSON.parse(Deno.readTextFileSync(world.file("0.seal.json")));
  await world.fill(3 * MIB, 65_536, 2);
  const { ref, id } = await secondId(world);
  await world.fill(5 * MIB, 65_536, 3);
  await world.removeSnapshot("between", ref);
  await world.snapshot("second");
  const { error } = await world.json(incr(world, "--changed-since", id), 3);
  assertStringIncludes(error.message, `the seal of "${world.file("0.dump")}" records "${changeId}"`);
  // Without a seal nothing tells; the sample of unchanged blocks does.
  Deno.removeSync(world.file("0.seal.json"));
  const { code, stderr } = await world.call(...incr(world, "--changed-since", id, "--audit", "100%"));
  assertEquals(code, 3, stderr);
  assertStringIncludes(stderr, "nothing proves that change id");
  assertStringIncludes(stderr, "Cannot believe the server's list of changes");
  const unknown = await world.json(incr(world, "--changed-since", "seal"), 2);
  assertStringIncludes(unknown.error.message, "no seal names it");
  await world.assertClean();
});

/** A snapshot between the two generations, and the change id of it. */
async function secondId(world: RemoteWorld): Promise<{ ref: string; id: string }> {
  const ref = await world.snapshot("between");
  const file = world.file("between.raw");
  const { changeId } = await world.server.control.copyFrozen(world.machine, KEY, ref, file);
  return { ref, id: changeId };
}

testWith({ missing }, "a disk that has grown needs a full dump", async () => {
  await using world = await begin();
  await world.server.control.grow(world.machine, KEY, 13 * MIB);
  await world.snapshot("second");
  const { error } = await world.json(incr(world, "--changed-since", "seal"), 4);
  assertStringIncludes(error.message, "the capacity has changed");
  await world.json(incr(world, "--changed-since", "seal", "--on-mismatch", "diff"), 3);
  await world.assertClean();
});

testWith({ missing }, "a disk without tracking has no change id, and no list of changes", async () => {
  await using world = await RemoteWorld.create({}, { tracking: false });
  const ref = await world.snapshot("first");
  const full = [
    "dump",
    "--mode",
    "full",
    ...world.disk,
    "--snapshot",
    "first",
    ...BLOCK,
    ...outputsOf(world, "0"),
  ];
  assertEquals((await world.json(full)).changeId, undefined);
  await world.removeSnapshot("first", ref);
  await world.snapshot("second");
  const { error } = await world.json(incr(world, "--changed-since", "52 00/1"), 4);
  assertStringIncludes(error.message, "change tracking is off for this disk");
  await world.assertClean();
});
