/** `doctor --server` against the test server. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testWith } from "../support/skip.ts";
import { MISSING_VSPHERE_SERVER, RemoteWorld } from "./remote_world.ts";

const missing = MISSING_VSPHERE_SERVER;

for (const vcenter of [false, true]) {
  testWith({ missing }, `doctor tells what works on a server, ${vcenter ? "vCenter" : "ESXi"}`, async () => {
    await using world = await RemoteWorld.create({ vcenter });
    const { server, account, machine } = world;
    await server.control.addMachine({
      name: "db01",
      off: true,
      disks: [{ bytes: 1 << 20, mode: "independent_persistent" }, { bytes: 1 << 20 }],
    });
    await world.snapshot("first");
    const { server: found } = await world.json(["doctor", ...account]);
    assertEquals([found.usable, found.isVCenter], [true, vcenter]);
    assertStringIncludes(found.fullName, vcenter ? "vCenter" : "ESXi");
    assertEquals(found.thumbprints, { sha1: server.sha1, sha256: server.sha256 });
    assertMatch(found.dataPorts[0].version, /^VMware Authentication Daemon Version/);
    const [db01, web01] = found.machines.toSorted((a: { name: string }, b: { name: string }) =>
      a.name < b.name ? -1 : 1
    );
    assertEquals([web01.moref, web01.tracking, web01.snapshotCount], [machine, "on", 1]);
    assertEquals(web01.missingPrivileges, []);
    assertEquals([db01.tracking, db01.isPoweredOn], ["off", false]);
    assertMatch(db01.obstacles[0].reason, /independent/);

    const { code, stdout, stderr } = await world.call("doctor", ...account);
    assertEquals([code, stderr], [0, ""]);
    for (
      const words of [
        `Disks of ${found.server} without VMware's library (--transport nfc): usable`,
        `machine "web01" (${machine}): switched on, 1 snapshots, change tracking on`,
        'machine "db01"',
        "is left out: it is independent",
        `SHA-256 ${server.sha256}`,
      ]
    ) assertStringIncludes(stdout, words);
    await world.assertClean();
  });
}

testWith({ missing }, "doctor names the rights that an account lacks, and what they are for", async () => {
  await using world = await RemoteWorld.create();
  for (
    const [right, purpose, exitCode] of [
      ["VirtualMachine.State.CreateSnapshot", "to take snapshots", 0],
      // Without it there is no ticket, and the data port cannot be tried.
      ["VirtualMachine.Provisioning.DiskRandomRead", "to read disks and to ask for changed areas", 4],
    ] as const
  ) {
    await world.server.control.settings({ missing: [right] });
    const { server: found } = await world.json(["doctor", ...world.account], exitCode);
    assertEquals(found.machines[0].missingPrivileges, [right]);
    const { stdout } = await world.call("doctor", ...world.account);
    assertStringIncludes(stdout, `missing right: ${right} (${purpose})`);
  }
  await world.assertClean();
});

testWith({ missing }, "doctor says why the disks of a server cannot be read", async () => {
  await using world = await RemoteWorld.create();
  const { control } = world.server;
  const at = async (args: string[], words: string | RegExp) => {
    const { server: found } = await world.json(["doctor", ...args], 4);
    assertEquals(found.usable, false);
    const { code, stdout } = await world.call("doctor", ...args);
    assertEquals(code, 4);
    assertStringIncludes(stdout, "not usable");
    assertMatch(stdout, new RegExp(words));
  };
  await control.fault({ at: "greeting", kind: "close" });
  await at(world.account, 'data port .* \\(asked for machine "web01"\\): Cannot');
  await control.clear();
  const other = world.account.map((word) => word === world.server.sha1 ? "AB".repeat(20) : word);
  await at(other, `failure: Cannot trust .*${world.server.sha1}`);
  Deno.writeTextFileSync(world.file("password"), "wrong\n");
  await at(world.account, "failure: .*InvalidLogin");
  await world.server.control.removeMachine(world.machine);
  Deno.writeTextFileSync(world.file("password"), `${world.server.password}\n`);
  await at(world.account, "machines: none that this account can see");
});
