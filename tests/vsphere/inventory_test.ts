import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ServerError } from "../../cli/errors.ts";
import {
  datacenterPathOf,
  findMachine,
  findMachines,
  listMachines,
  parseMachineWish,
} from "../../cli/vsphere/inventory.ts";
import { allSnapshots, readMachine } from "../../cli/vsphere/machine.ts";
import { chooseSnapshot } from "../../cli/vsphere/snapshot.ts";
import { readAll } from "../../cli/vsphere/properties.ts";
import { diskDevice, Inventory, machineProperties, snapshotTree } from "./inventory_server.ts";
import { faultReply, refVal, stringVal } from "./soap_server.ts";

/** A server with machines of these names, `vm-1` and on. */
async function serverWith(names: string[]): Promise<Inventory> {
  const inventory = await Inventory.start();
  names.forEach((name, i) => {
    inventory.objects.set(`VirtualMachine:vm-${i + 1}`, machineProperties({ moref: `vm-${i + 1}`, name }));
  });
  return inventory;
}

Deno.test("all pages of a list are read, and views do not stay", async () => {
  for (const count of [0, 1, 2, 3, 7]) {
    await using inventory = await serverWith(Array.from({ length: count }, (_, i) => `web${i}`));
    await using session = await inventory.server.open();
    const machines = await listMachines(session);
    assertEquals(machines.map(({ name }) => name), Array.from({ length: count }, (_, i) => `web${i}`));
    assertEquals([inventory.viewCount, inventory.destroyedViews], [1, 1]);
  }
});

Deno.test("a list whose session expires between two pages is read again as a whole", async () => {
  await using inventory = await serverWith(["a", "b", "c", "d", "e"]);
  const { server } = inventory;
  await using session = await server.open();
  const goOn = server.replyOf("ContinueRetrievePropertiesEx");
  let isFirst = true;
  server.on("ContinueRetrievePropertiesEx", (call) => {
    if (isFirst) server.isExpired = true;
    const isOld = isFirst || server.loginCount > 1 && call.body.includes("<token>token-1</token>");
    isFirst = false;
    if (server.isExpired) return faultReply("NotAuthenticated", "The session is not authenticated.");
    return isOld ? faultReply("InvalidArgument", "A specified parameter was not correct: token") : goOn(call);
  });
  const objects = await readAll(session, { type: "VirtualMachine", paths: ["name"] });
  assertEquals(objects.map(({ ref }) => ref.value), ["vm-1", "vm-2", "vm-3", "vm-4", "vm-5"]);
  assertEquals(server.loginCount, 2);
  // Without a new login, a token that is refused is an error.
  server.on("ContinueRetrievePropertiesEx", () => faultReply("InvalidArgument", "not correct: token"));
  await assertRejects(
    () => readAll(session, { type: "VirtualMachine", paths: ["name"] }),
    ServerError,
    "token",
  );
});

Deno.test("a machine is described as a backup needs it", async () => {
  await using inventory = await Inventory.start();
  inventory.objects.set(
    "VirtualMachine:3",
    machineProperties({
      moref: "3",
      name: "007",
      disks: [
        diskDevice({
          path: "[ds1] 007/007-000002.vmdk",
          parents: ["[ds1] 007/007-000001.vmdk", "[ds1] 007/007.vmdk"],
        }),
        diskDevice({
          key: 2001,
          path: "[ds1] 007/b.vmdk",
          mode: "independent_persistent",
          capacityBytes: 5 * 2 ** 40,
        }),
      ],
      snapshot: snapshotTree([["3-snapshot-1", "first"], ["3-snapshot-2", "second"]]),
    }),
  );
  inventory.hidden.add("config.instanceUuid");
  await using session = await inventory.server.open();
  const machine = await readMachine(session, { type: "VirtualMachine", value: "3" });
  assertEquals(machine.name, "007");
  assertEquals(machine.instanceUuid, undefined);
  assertEquals(machine.tracking, { isSupported: true, isEnabled: true });
  assertEquals(
    machine.disks.map(({ slot, capacityBytes, adapterType }) => [slot, capacityBytes, adapterType]),
    [
      ["scsi0:0", 10 << 20, 3],
      ["scsi0:1", 5 * 2 ** 40, 3],
    ],
  );
  assertEquals(machine.disks[0].parentPaths, ["[ds1] 007/007-000001.vmdk", "[ds1] 007/007.vmdk"]);
  assertEquals(machine.currentSnapshot?.value, "3-snapshot-2");
  assertEquals(allSnapshots(machine).map(({ name }) => name), ["first", "second"]);
  assertEquals(chooseSnapshot(machine, "first").value, "3-snapshot-1");
  assertEquals(chooseSnapshot(machine, "moref=3-snapshot-2").value, "3-snapshot-2");
  assertThrows(() => chooseSnapshot(machine, "third"), ServerError, '"first" (3-snapshot-1)');
});

Deno.test("machines are found by name, pattern, path, reference and UUID", async () => {
  await using inventory = await serverWith(["web01", "web02", "db1", "*", "w"]);
  const { server } = inventory;
  server.on(
    "FindByInventoryPath",
    ({ body }) =>
      body.includes("<inventoryPath>DC/vm/a &amp; b/db1</inventoryPath>")
        ? '<returnval type="VirtualMachine">vm-3</returnval>'
        : "",
  );
  server.on(
    "FindByUuid",
    ({ body }) =>
      body.includes(
          "<uuid>564d0000-0000-0000-0000-000000000002</uuid><vmSearch>true</vmSearch><instanceUuid>true",
        )
        ? '<returnval type="VirtualMachine">vm-2</returnval>'
        : "",
  );
  await using session = await server.open();
  const find = async (text: string) =>
    (await findMachines(session, parseMachineWish(text))).map(({ ref }) => ref.value);
  assertEquals(await find("web01"), ["vm-1"]);
  assertEquals(await find("web0?"), ["vm-1", "vm-2"]);
  assertEquals(await find("*e*0*2"), ["vm-2"]);
  assertEquals(await find("?"), ["vm-4", "vm-5"]);
  assertEquals(await find("name=w"), ["vm-5"]);
  assertEquals(await find("*"), ["vm-1", "vm-2", "vm-3", "vm-4", "vm-5"]);
  assertEquals(await find("web"), []);
  assertEquals(await find("moref=vm-3"), ["vm-3"]);
  assertEquals(await find("/DC/vm/a & b/db1"), ["vm-3"]);
  assertEquals(await find("DC/vm/none"), []);
  assertEquals(await find("564d0000-0000-0000-0000-000000000002"), ["vm-2"]);
  await assertRejects(() => findMachine(session, { name: "web*" }), ServerError, "the server has 2");
  await assertRejects(
    () => findMachine(session, { name: "none" }),
    ServerError,
    "none that this account can see",
  );
  assertEquals((await findMachine(session, { name: "db1" })).ref.value, "vm-3");
});

Deno.test("a pattern takes no longer for a name that almost fits", async () => {
  await using inventory = await serverWith([`${"a".repeat(5000)}b`]);
  await using session = await inventory.server.open();
  assertEquals(await findMachines(session, { name: `${"*a".repeat(60)}*c` }), []);
});

Deno.test("the path of a datacenter goes through its folders, without the root", async () => {
  await using inventory = await Inventory.start({ apiType: "VirtualCenter" });
  const { objects } = inventory;
  objects.set("Folder:group-v1", { name: stringVal("vm"), parent: refVal("Datacenter", "dc-1") });
  objects.set("Datacenter:dc-1", { name: stringVal("Sāo 1"), parent: refVal("Folder", "group-d2") });
  objects.set("Folder:group-d2", { name: stringVal("Europe"), parent: refVal("Folder", "group-d1") });
  objects.set("Folder:group-d1", { name: stringVal("Datacenters") });
  await using session = await inventory.server.open();
  const machine = { name: "a", ref: { type: "VirtualMachine", value: "vm-1" } };
  const parent = { type: "Folder", value: "group-v1" };
  assertEquals(await datacenterPathOf(session, { ...machine, parent }), "Europe/Sāo 1");
  await assertRejects(() => datacenterPathOf(session, machine), ServerError, "lies in none");
});
