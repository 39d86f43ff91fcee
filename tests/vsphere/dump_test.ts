/** Disks of the test server through the command line: every mode, and what the archives hold. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { testWith } from "../support/skip.ts";
import { BLOCK, MIB, MISSING_VSPHERE_SERVER, outputsOf, RemoteWorld } from "./remote_world.ts";

const missing = MISSING_VSPHERE_SERVER;

for (const options of [{}, { release: "7.0.3" }, { vcenter: true }]) {
  testWith(
    { missing },
    `disks of a running machine can be backed up without the library, ${JSON.stringify(options)}`,
    async () => {
      await using world = await RemoteWorld.create(options);
      const f = (name: string) => world.file(name);
      await world.fill(0, MIB, 1);
      await world.fill(5 * MIB + 512, 70_144, 2);
      const first = await world.snapshot("first");
      const dump = async (mode: string, name: string, ...more: string[]) =>
        await world.json(["dump", "--mode", mode, ...world.disk, ...outputsOf(world, name), ...more]);
      const full = await dump("full", "0", "--snapshot", "first", ...BLOCK);
      await world.assertDumpOf("first.raw", "0.dump");

      // The machine writes, frees a part, and touches another without a change.
      await world.fill(2 * MIB, 200_192, 3);
      await world.fill(MIB - 65_536, 65_536);
      await world.fill(5 * MIB + 512, 70_144, 2);
      await world.removeSnapshot("first", first);
      await world.snapshot("second");
      const previous = ["--dumpin", f("0.dump"), "--digestin", f("0.digest"), "--snapshot", "second"];
      const diff = await dump("diff", "1_diff", ...previous, "--rdiffout", f("0_diff.rdiff"));
      const since = ["--changed-since", full.changeId];
      const incr = await dump("incr", "1_incr", ...previous, ...since, "--rdiffout", f("0_incr.rdiff"));
      assertEquals(incr.changedBlocks, diff.changedBlocks);
      assertEquals(incr.audit.result, "agrees");
      for (const mode of ["diff", "incr"]) {
        await world.assertDumpOf("second.raw", `1_${mode}.dump`);
        await world.run(`check --digestin 0.digest 1_${mode}.dump 0_${mode}.rdiff`);
      }
      world.assertSameBytes("0_diff.rdiff", "0_incr.rdiff");

      // The older generation comes back.
      await world.run("restore --create --local back.raw 1_incr.dump 0_incr.rdiff");
      world.assertSameBytes("back.raw", "first.raw");
      await world.assertClean();
    },
  );
}

testWith(
  { missing },
  "the change id of a dump is in its seal, and the next dump finds it there",
  async () => {
    await using world = await RemoteWorld.create();
    const f = (name: string) => world.file(name);
    await world.fill(0, MIB, 1);
    const first = await world.snapshot("first");
    const { changeId } = await world.json([
      ...["dump", "--mode", "full", ...world.disk, "--snapshot", first, ...BLOCK, ...outputsOf(world, "0")],
    ]);
    const { source } = JSON.parse(Deno.readTextFileSync(f("0.seal.json")));
    assertEquals(source.changeId, changeId);
    assertEquals(source.vm, "web01");
    await world.fill(7 * MIB, 65_536, 2);
    await world.snapshot("second");
    const next = [
      ...["dump", "--mode", "incr", ...world.disk, "--snapshot", "second", "--changed-since", "seal"],
      ...["--dumpin", f("0.dump"), "--digestin", f("0.digest"), "--rdiffout", f("0.rdiff")],
      ...outputsOf(world, "1"),
    ];
    const incr = await world.json(next);
    assertEquals(incr.changedBlocks, 1);
    await world.assertDumpOf("second.raw", "1.dump");
    await world.assertClean();
  },
);

testWith({ missing }, "a thin disk is read where it is allocated, and nowhere else", async () => {
  const bytes = 64 * 1024 * MIB;
  await using world = await RemoteWorld.create({}, { bytes });
  for (let i = 0; i < 8; i++) await world.fill(i * 7919 * MIB, 2 * MIB, i + 1);
  await world.server.control.createSnapshot(world.machine, "first");
  await world.server.control.resetCounters();
  const report = await world.json([
    ...["dump", "--mode", "full", ...world.disk, "--snapshot", "first", ...outputsOf(world, "0")],
  ]);
  assertEquals(report.dataBlocks, 16);
  const { counters } = await world.server.control.state();
  // Two samples of 64 KiB in each GiB are taken of what is said to be empty.
  const most = 16 * MIB + 64 * 2 * 65_536;
  assertEquals(
    counters.bytesRead! <= most,
    true,
    `${counters.bytesRead} bytes were read, ${most} at most are wanted`,
  );
  assertEquals(report.transport.bytesRead, counters.bytesRead);
});

testWith({ missing }, "a disk that a running machine writes to is not read without a snapshot", async () => {
  await using world = await RemoteWorld.create();
  const args = ["dump", "--mode", "full", ...world.disk, ...outputsOf(world, "0")];
  const { error } = await world.json(args, 4);
  assertStringIncludes(error.message, "the machine is running and writes to it: name a snapshot");
  world.assertFiles(["password"]);
  await world.assertClean();
  // Switched off, it is.
  await world.server.control.power(world.machine, false);
  await world.json([...args, ...BLOCK]);
  Deno.copyFileSync(world.live, world.file("live.raw"));
  await world.assertDumpOf("live.raw", "0.dump");
  await world.assertClean();
});

testWith({ missing }, "a machine that is switched on while its disk is read spoils the dump", async () => {
  await using world = await RemoteWorld.create({}, { bytes: 3 * MIB, off: true });
  await world.fill(0, 2 * MIB, 1);
  const { control } = world.server;
  await control.settings({ latencyMs: 500 });
  const dumping = world.call(
    "dump",
    "--mode",
    "full",
    ...world.disk,
    ...BLOCK,
    ...outputsOf(world, "0"),
    "--json",
  );
  while ((await control.state()).counters.reads === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await control.power(world.machine, true);
  const { code, stdout } = await dumping;
  assertEquals(code, 1, stdout);
  assertStringIncludes(stdout, "it changed while it was read (its machine was switched on)");
  world.assertFiles(["password"]);
  await world.assertClean();
});

for (const [datastoreKind, asks] of [["VMFS", true], ["NFS", false]] as const) {
  testWith(
    { missing },
    `where a host does not tell the allocated blocks, the server's list is used${
      asks ? "" : " on VMFS only"
    }`,
    async () => {
      await using world = await RemoteWorld.create({ datastoreKind });
      const { control } = world.server;
      await world.fill(0, MIB, 1);
      await world.fill(9 * MIB + 512, 70_144, 2);
      const ref = await world.snapshot("first");
      await control.fault({ at: "record", kind: "error", opcode: 13, code: 2, text: "unknown request" });
      await control.resetCounters();
      const report = await world.json([
        ...["dump", "--mode", "full", ...world.disk, "--snapshot", ref, ...BLOCK, ...outputsOf(world, "0")],
      ]);
      await world.assertDumpOf("first.raw", "0.dump");
      const { counters } = await control.state();
      assertEquals(counters.changeQueries ?? 0, asks ? 1 : 0);
      assertEquals(counters.bytesRead! < 6 * MIB, asks, `${counters.bytesRead} bytes were read`);
      const events = JSON.stringify(report.transport.events);
      assertStringIncludes(events, asks ? "the server's list is used" : "all blocks are read");
    },
  );
}

testWith(
  { missing },
  "a list of allocated areas that lacks some is noticed by samples, and all is read",
  async () => {
    await using world = await RemoteWorld.create({}, { bytes: 3 * MIB });
    const { control } = world.server;
    await world.fill(0, 3 * MIB, 1);
    const ref = await world.snapshot("first");
    await control.fault({ at: "record", kind: "error", opcode: 13, code: 2, text: "unknown request" });
    await control.fault({ at: "changes", kind: "nothing" });
    const report = await world.json([
      ...["dump", "--mode", "full", ...world.disk, "--snapshot", ref, ...BLOCK, ...outputsOf(world, "0")],
    ]);
    await world.assertDumpOf("first.raw", "0.dump");
    assertStringIncludes(
      JSON.stringify(report.transport.events),
      "is said to be unallocated and has content",
    );
  },
);
