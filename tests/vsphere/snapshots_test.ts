/** Snapshots and change tracking of the test server: what they show, and that they tell the truth. */

import { assert, assertEquals } from "@std/assert";
import { testWith } from "../support/skip.ts";
import { PlainSoap, texts } from "./plain_soap.ts";
import { MISSING_VSPHERE_SERVER, VsphereServer, type VsphereServerOptions } from "./test_server.ts";

const missing = MISSING_VSPHERE_SERVER;
const MEBIBYTE = 1 << 20;
const UNIT = 65536;

async function begin(options: VsphereServerOptions & { bytes?: number } = {}) {
  const { bytes = 8 * MEBIBYTE, ...rest } = options;
  const server = await VsphereServer.start(rest);
  const soap = new PlainSoap(server, { vcenter: options.vcenter ?? false });
  const machine = await server.control.addMachine({ name: "db", tracking: true, disks: [{ bytes }] });
  await soap.login();
  return { server, soap, machine, control: server.control };
}

/** Random numbers below `limit`, the same for the same seed (mulberry32). */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6D2B79F5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

/** Numbers of the units of 64 KiB in which two files differ. */
function differing(one: Uint8Array, other: Uint8Array): number[] {
  const units: number[] = [];
  for (let at = 0; at < one.length; at += UNIT) {
    const [a, b] = [one.subarray(at, at + UNIT), other.subarray(at, at + UNIT)];
    if (a.some((byte, i) => byte !== b[i])) units.push(at / UNIT);
  }
  return units;
}

const unitsOf = (areas: [number, number][]) =>
  areas.flatMap(([at, length]) => Array.from({ length: length / UNIT }, (_, i) => at / UNIT + i));

for (const vcenter of [false, true]) {
  testWith(
    { missing },
    `change queries of the test server ${vcenter ? "(vCenter)" : "(ESXi)"} tell exactly what was written`,
    async () => {
      const seed = 20261130;
      const random = numbers(seed);
      const capacity = 8 * MEBIBYTE;
      const { server, soap, machine, control } = await begin({ vcenter });
      await using _ = server;
      await control.settings({ page: 3 });
      const file = `${server.folder}/frozen`;
      let snapshot = await soap.snapshot(machine.ref);
      let [id] = await soap.changeIds(snapshot);
      let { changeId } = await control.copyFrozen(machine.ref, 2000, snapshot, file);
      assertEquals(changeId, id);
      let old = Deno.readFileSync(file);
      let mostAnswers = 0;
      for (let round = 0; round < 12; round++) {
        const live = Deno.readFileSync(machine.disks[0].file);
        for (let n = random(10); n > 0; n--) {
          const sector = random(capacity / 512);
          const sectors = Math.min(1 + random(400), capacity / 512 - sector);
          const number = random(1000);
          await control.fill(
            machine.ref,
            2000,
            sector * 512,
            sectors * 512,
            number === 0 ? undefined : number,
          );
        }
        const message = `seed ${seed} round ${round}`;
        // What was written since is in the file of the disk and not in the snapshot.
        await control.copyFrozen(machine.ref, 2000, snapshot, file);
        assertEquals(differing(old, Deno.readFileSync(file)), [], message);
        const written = differing(live, Deno.readFileSync(machine.disks[0].file));

        const next = await soap.snapshot(machine.ref, `round ${round}`);
        [changeId] = await soap.changeIds(next);
        const { areas, answers } = await soap.areas(machine.ref, next, 2000, id, capacity);
        mostAnswers = Math.max(mostAnswers, answers);
        await control.copyFrozen(machine.ref, 2000, next, file);
        const now = Deno.readFileSync(file);
        const units = unitsOf(areas);
        assertEquals(differing(old, now).filter((unit) => !units.includes(unit)), [], message);
        assertEquals(units.filter((unit) => !written.includes(unit)), [], message);
        const removed = await soap.task(
          await soap.good(
            "RemoveSnapshot_Task",
            "VirtualMachineSnapshot",
            snapshot,
            "<removeChildren>false</removeChildren>",
          ),
        );
        assertEquals(texts(removed, "state"), ["success"], message);
        [snapshot, id, old] = [next, changeId, now];
      }
      assert(mostAnswers > 1, "no answer was cut into pages");
      assertEquals(server.events("violation"), []);
    },
  );
}

testWith({ missing }, "snapshots of the test server make files, and removing them merges", async () => {
  const { server, soap, machine, control } = await begin();
  await using _ = server;
  const vm = (...names: string[]) => names.map((name) => `[datastore1] db/${name}.vmdk`);
  const live = () => soap.files("VirtualMachine", machine.ref);
  assertEquals(await live(), vm("db"));
  const one = await soap.snapshot(machine.ref, "one");
  const two = await soap.snapshot(machine.ref, "two");
  assertEquals(await live(), vm("db-000002", "db-000001", "db"));
  assertEquals(await soap.files("VirtualMachineSnapshot", one), vm("db"));
  assertEquals(await soap.files("VirtualMachineSnapshot", two), vm("db-000001", "db"));
  await control.fill(machine.ref, 2000, 0, 4096, 1);
  await control.removeSnapshot(machine.ref, one);
  // The file of the second has taken the name of the first.
  assertEquals(await soap.files("VirtualMachineSnapshot", two), vm("db"));
  assertEquals(await live(), vm("db-000002", "db"));
  assertEquals((await control.state()).machines[0].snapshots, ["two"]);
  await control.removeSnapshot(machine.ref, two);
  assertEquals(await live(), vm("db"));
  assertEquals((await control.state()).machines[0].snapshots, []);

  // With children.
  const base = await soap.snapshot(machine.ref, "base");
  await soap.snapshot(machine.ref, "child");
  await soap.task(
    await soap.good(
      "RemoveSnapshot_Task",
      "VirtualMachineSnapshot",
      base,
      "<removeChildren>true</removeChildren>",
    ),
  );
  assertEquals((await control.state()).machines[0].snapshots, []);
  assertEquals(await live(), vm("db"));
});

testWith(
  { missing },
  "going back to a snapshot of the test server voids change ids and makes a branch",
  async () => {
    const { server, soap, machine, control } = await begin();
    await using _ = server;
    await control.fill(machine.ref, 2000, 0, MEBIBYTE, 1);
    const before = Deno.readFileSync(machine.disks[0].file);
    const one = await soap.snapshot(machine.ref, "one");
    await control.fill(machine.ref, 2000, 4096, 3 * MEBIBYTE, 2);
    const between = Deno.readFileSync(machine.disks[0].file);
    const two = await soap.snapshot(machine.ref, "two");
    await control.revertTo(machine.ref, one);
    assertEquals(differing(before, Deno.readFileSync(machine.disks[0].file)), []);
    const file = `${server.folder}/frozen`;
    const { changeId } = await control.copyFrozen(machine.ref, 2000, two, file);
    assertEquals(differing(between, Deno.readFileSync(file)), []);
    assertEquals((await control.state()).machines[0].running, false);
    await control.power(machine.ref, true);
    const three = await soap.snapshot(machine.ref, "three");
    const [name] = await soap.refused(
      "QueryChangedDiskAreas",
      "VirtualMachine",
      machine.ref,
      soap.query(three, 2000, 0, changeId),
    );
    assertEquals(name, "InvalidArgument");
    assertEquals((await control.state()).machines[0].snapshots, ["one", "two", "three"]);
  },
);

testWith({ missing }, "change queries of the test server are refused as the API does", async () => {
  const { server, soap, machine, control } = await begin();
  await using _ = server;
  const snapshot = await soap.snapshot(machine.ref);
  const [id] = await soap.changeIds(snapshot);
  const refused = (elements: string) =>
    soap.refused("QueryChangedDiskAreas", "VirtualMachine", machine.ref, elements);
  const invalid = (
    argument: string,
  ) => ["InvalidArgument", `A specified parameter was not correct: ${argument}`];
  // The call for what is behind the end, with which a client may go on by mistake.
  assertEquals(await refused(soap.query(snapshot, 2000, 8 * MEBIBYTE, id)), invalid("startOffset"));
  assertEquals(await refused(soap.query(snapshot, 2001, 0, id)), invalid("deviceKey"));
  assertEquals(await refused(soap.query(snapshot, 2000, 0, "nonsense")), invalid("changeId"));
  assertEquals(await refused(soap.query(snapshot, 2000, 0, id.replace(/\/1$/, "/9"))), invalid("changeId"));
  assertEquals(
    await refused(`<deviceKey>2000</deviceKey><startOffset>0</startOffset><changeId>*</changeId>`),
    invalid("snapshot"),
  );
  assertEquals((await refused(soap.query("snapshot-0", 2000, 0, id)))[0], "ManagedObjectNotFound");
  await control.resetTracking(machine.ref);
  const later = await soap.snapshot(machine.ref);
  assertEquals(await refused(soap.query(later, 2000, 0, id)), invalid("changeId"));

  // A machine whose changes are not tracked.
  const plain = await control.addMachine({ name: "plain", disks: [{ bytes: MEBIBYTE }] });
  const untracked = await soap.snapshot(plain.ref);
  assertEquals(await soap.changeIds(untracked), [""]);
  const [name, words] = await soap.refused(
    "QueryChangedDiskAreas",
    "VirtualMachine",
    plain.ref,
    soap.query(untracked, 2000, 0, "*"),
  );
  assertEquals([name, words], [
    "FileFault",
    "Error caused by file [datastore1] plain/plain-000001.vmdk",
  ]);
});

testWith({ missing }, "change tracking of the test server begins at the next snapshot", async () => {
  const { server, soap, control } = await begin();
  await using _ = server;
  const machine = await control.addMachine({
    name: "late",
    disks: [{ bytes: MEBIBYTE }, { bytes: MEBIBYTE, untracked: true }, {
      bytes: MEBIBYTE,
      mode: "independent_persistent",
    }],
  });
  await soap.task(
    await soap.good(
      "ReconfigVM_Task",
      "VirtualMachine",
      machine.ref,
      "<spec><changeTrackingEnabled>true</changeTrackingEnabled></spec>",
    ),
  );
  const enabled = await soap.properties("VirtualMachine", machine.ref, "config.changeTrackingEnabled");
  assertEquals(texts(enabled, "val"), ["true"]);
  const snapshot = await soap.snapshot(machine.ref);
  const ids = await soap.changeIds(snapshot);
  assertEquals(ids.map((id) => id.replace(/^.*\//, "")), ["1", "", ""]);
  // An independent disk takes no part in the snapshot.
  assertEquals(await soap.files("VirtualMachineSnapshot", snapshot), [
    "[datastore1] late/late.vmdk",
    "[datastore1] late/late_1.vmdk",
    "[datastore1] late/late_2.vmdk",
  ]);
  assertEquals((await soap.files("VirtualMachine", machine.ref)).at(-1), "[datastore1] late/late_2.vmdk");
});

testWith({ missing }, "the test server lies about changes only when it is told to", async () => {
  const { server, soap, machine, control } = await begin();
  await using _ = server;
  await control.fill(machine.ref, 2000, 0, 4096, 1);
  await control.fill(machine.ref, 2000, 4 * MEBIBYTE, 4096, 1);
  const snapshot = await soap.snapshot(machine.ref);
  const ask = () =>
    soap.good(
      "QueryChangedDiskAreas",
      "VirtualMachine",
      machine.ref,
      soap.query(snapshot, 2000, 0, "*"),
    );
  const right = await ask();
  for (
    const kind of ["nothing", "beyond", "negative", "unsorted", "zero-length", "negative-length", "too-long"]
  ) {
    await control.fault({ at: "changes", kind, count: 1 });
    assert(await ask() !== right, kind);
    assertEquals(await ask(), right, kind);
  }
});

testWith({ missing }, "a disk of 64 GiB costs the test server what was written into it", async () => {
  const capacity = 64 * 1024 * MEBIBYTE;
  const { server, soap, machine, control } = await begin({ bytes: capacity });
  await using _ = server;
  await control.fill(machine.ref, 2000, 40 * 1024 * MEBIBYTE, 2 * MEBIBYTE, 1);
  const snapshot = await soap.snapshot(machine.ref);
  const [id] = await soap.changeIds(snapshot);
  await control.fill(machine.ref, 2000, capacity - 4096, 4096, 1);
  const next = await soap.snapshot(machine.ref);
  const all = await soap.areas(machine.ref, snapshot, 2000, "*", capacity);
  assertEquals(all.areas, [[40 * 1024 * MEBIBYTE, 2 * MEBIBYTE]]);
  const changed = await soap.areas(machine.ref, next, 2000, id, capacity);
  assertEquals(changed.areas, [[capacity - UNIT, UNIT]]);
  let blocks = 0;
  for (const { name } of Deno.readDirSync(`${server.folder}/.frozen`)) {
    blocks += Deno.statSync(`${server.folder}/.frozen/${name}`).blocks ?? 0;
  }
  blocks += Deno.statSync(machine.disks[0].file).blocks ?? 0;
  assert(blocks * 512 < 4 * MEBIBYTE, `${blocks * 512} bytes on the disk`);
});

testWith(
  { missing },
  "machines of the test server have given files, folders and mapped devices",
  async () => {
    const { server, soap, control } = await begin({
      vcenter: true,
      hosts: 2,
      datastores: ["fast", "slow 2"],
    });
    await using _ = server;
    const file = `${server.folder}/given.img`;
    Deno.writeFileSync(file, new Uint8Array(MEBIBYTE).fill(7));
    const machine = await control.addMachine({
      name: "db",
      folder: "prod/east",
      datastore: "slow 2",
      host: 1,
      noTools: true,
      disks: [{ bytes: 2 * MEBIBYTE, file }, { bytes: MEBIBYTE, rdm: "physicalMode" }],
    });
    assertEquals(machine.disks.map(({ path }) => path), [
      "[slow 2] db/db.vmdk",
      "[slow 2] db/db_1.vmdk",
    ]);
    assertEquals(machine.disks[0].file, file);
    const devices = await soap.properties("VirtualMachine", machine.ref, "config.hardware.device");
    assertEquals(texts(devices, "compatibilityMode"), ["physicalMode"]);
    const snapshot = await soap.snapshot(machine.ref, "quiet", true);
    const tree = await soap.properties("VirtualMachine", machine.ref, "snapshot");
    assertEquals(texts(tree, "quiesced"), ["false"], "there is nothing to quiesce without tools");
    await control.fill(machine.ref, 2000, 0, 512, 1);
    await control.copyFrozen(machine.ref, 2000, snapshot, `${server.folder}/frozen`);
    const frozen = Deno.readFileSync(`${server.folder}/frozen`);
    assertEquals(frozen.length, 2 * MEBIBYTE);
    assert(frozen.subarray(0, MEBIBYTE).every((byte) => byte === 7));
    assert(Deno.readFileSync(file).subarray(0, 512).some((byte) => byte !== 7));
    await control.grow(machine.ref, 2000, 3 * MEBIBYTE);
    const grown = await soap.properties("VirtualMachine", machine.ref, "config.hardware.device");
    assert(texts(grown, "capacityInBytes").includes(String(3 * MEBIBYTE)));
    await control.removeMachine(machine.ref);
    assertEquals((await control.state()).machines.map(({ name }) => name), ["db"]);
  },
);
