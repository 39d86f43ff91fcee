import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { ServerError } from "../../cli/errors.ts";
import { readDatastoreFile } from "../../cli/vsphere/datastore_file.ts";
import { TrustError } from "../../cli/vsphere/errors.ts";
import { examineServer } from "../../cli/vsphere/examine.ts";
import { obstacleOf } from "../../cli/vsphere/machine_disk.ts";
import { chooseDisk, openMachineDisk } from "../../cli/vsphere/open_machine_disk.ts";
import { type BackupPrivilege, missingPrivileges } from "../../cli/vsphere/rights.ts";
import { takeTicket } from "../../cli/vsphere/ticket.ts";
import { DataPortWorld, FROZEN, LIVE } from "./data_port_world.ts";
import { diskDevice, machineProperties } from "./inventory_server.ts";
import { mixedContent } from "./random.ts";
import { assertSame } from "./same.ts";
import { faultReply } from "./soap_server.ts";

const MIB = 1 << 20;

for (const apiType of ["HostAgent", "VirtualCenter"] as const) {
  Deno.test(`the disk of a snapshot is read through the ${apiType}`, async () => {
    const content = mixedContent(3 * MIB, 3);
    await using world = await DataPortWorld.create({ content }, { apiType });
    const { session, machine, snapshot } = await world.open();
    for (const wish of [{ path: LIVE }, { path: FROZEN }, { key: 2000 }]) {
      const disk = chooseDisk(machine, wish, snapshot);
      assertEquals([disk.path, disk.changeId], [FROZEN, "52 2d bb/4"]);
      await using open = await openMachineDisk(session, { machine, disk }, { snapshot });
      const into = new Uint8Array(content.length);
      await open.read(into, 0);
      assertSame(into, content);
    }
    await session.logOut();
    assertEquals(new Set(world.tickets).size, 3);
    assertEquals(world.port.violations, []);
  });
}

Deno.test("a disk that a running machine writes to is refused before a ticket is taken, with the words that help", async () => {
  await using world = await DataPortWorld.create({ content: new Uint8Array(MIB) });
  const { session, machine, snapshot } = await world.open();
  assertThrows(() => chooseDisk(machine, { path: LIVE }), ServerError, "name a snapshot");
  assertThrows(() => chooseDisk(machine, { key: 2000 }), ServerError, "name a snapshot");
  // What lies below a snapshot does not change.
  assertEquals(chooseDisk(machine, { path: FROZEN }).path, FROZEN);
  assertEquals(chooseDisk({ ...machine, isPoweredOn: false }, { path: LIVE }).path, LIVE);
  assertThrows(
    () => chooseDisk(machine, { path: "[ds1] other.vmdk" }, snapshot),
    ServerError,
    `it has "${LIVE}" (2000)`,
  );
  assertThrows(() => chooseDisk(machine, { key: 2001 }, snapshot), ServerError, "with key 2001");
  const without = { ...snapshot, disks: [] };
  assertThrows(
    () => chooseDisk(machine, { key: 2000 }, without),
    ServerError,
    "the snapshot does not have it",
  );
  const disks = snapshot.disks.map((disk) => ({ ...disk, mode: "independent_persistent" }));
  assertThrows(() => chooseDisk(machine, { key: 2000 }, { ...snapshot, disks }), ServerError, "independent");
  await session.logOut();
  assertEquals(world.tickets, []);
});

Deno.test("disks that a snapshot leaves out are told by their reason", () => {
  const base = {
    key: 1,
    label: "",
    adapterType: 3,
    capacityBytes: 512,
    path: "x",
    parentPaths: [],
    backing: "",
    mode: "persistent",
    isShared: false,
  };
  assertEquals(obstacleOf(base), undefined);
  assertStringIncludes(obstacleOf({ ...base, mode: "independent_nonpersistent" })!, "independent");
  assertStringIncludes(obstacleOf({ ...base, compatibilityMode: "physicalMode" })!, "raw device mapping");
  assertEquals(obstacleOf({ ...base, compatibilityMode: "virtualMode" }), undefined);
  assertStringIncludes(obstacleOf({ ...base, isShared: true })!, "share");
  assertStringIncludes(obstacleOf({ ...base, path: "" })!, "no file");
});

Deno.test("a disk of another size than the snapshot's is refused", async () => {
  await using world = await DataPortWorld.create({ content: new Uint8Array(MIB) });
  const { session, machine, snapshot } = await world.open();
  const disk = { ...snapshot.disks[0], capacityBytes: 2 * MIB };
  const opening = openMachineDisk(session, { machine, disk }, { snapshot });
  await assertRejects(() => opening, ServerError, "the host opens one of 1048576 bytes");
  await session.logOut();
});

Deno.test("a ticket that could not be used, or not be trusted, is refused", async () => {
  await using world = await DataPortWorld.create({ content: new Uint8Array(MIB) }, {
    apiType: "VirtualCenter",
  });
  const { server } = world.inventory;
  const { session, machine } = await world.open();
  const whole = world.giveTicket(false);
  const cases: [string, string, typeof ServerError][] = [
    [whole.replace(/<sslThumbprint>.*<\/sslThumbprint>/, ""), "no thumbprint", TrustError],
    [whole.replace(/<sslThumbprint>[^<]*/, "<sslThumbprint>AA:BB"), "thumbprint", TrustError],
    [whole.replace(/<sessionId>[^<]*/, "<sessionId>a b"), "not usable", ServerError],
    [whole.replace(/<sessionId>[^<]*/, "<sessionId>a&#13;&#10;PROXY x"), "not usable", ServerError],
    [whole.replace(/<sessionId>[^<]*/, "<sessionId>"), "not usable", ServerError],
    [whole.replace(/<service>[^<]*/, "<service>a b"), "no service", ServerError],
    [whole.replace(/<port>[^<]*/, "<port>0"), "no port", ServerError],
    [whole.replace(/<port>[^<]*/, "<port>65536"), "no port", ServerError],
    [whole.replace(/<host>[^<]*/, "<host>a/b"), "no host", ServerError],
    [whole.replace(/<host>.*<\/host>/, ""), "no host", ServerError],
  ];
  for (const [reply, message, kind] of cases) {
    server.on("NfcGetVmFiles", () => reply);
    await assertRejects(() => takeTicket(session, machine), kind, message);
  }
  server.on(
    "NfcGetVmFiles",
    () => faultReply("NoPermission", "Permission to perform this operation was denied."),
  );
  await assertRejects(
    () => takeTicket(session, machine),
    ServerError,
    "Permission to perform this operation was denied.",
  );
  server.on("RetrieveInternalContent", () => "<returnval/>");
  await assertRejects(() => takeTicket(session, machine), ServerError, "no service for its data port");
  await session.logOut();
});

Deno.test("the ticket of a host without a thumbprint is believed by the certificate of the management port", async () => {
  const content = mixedContent(MIB, 4);
  await using world = await DataPortWorld.create({ content });
  const { session, machine, snapshot } = await world.open();
  const give = world.inventory.server.replyOf("NfcGetVmFiles");
  world.inventory.server.on(
    "NfcGetVmFiles",
    (call) => String(give(call)).replace(/<sslThumbprint>.*<\/sslThumbprint>/, ""),
  );
  const disk = chooseDisk(machine, { key: 2000 }, snapshot);
  await using open = await openMachineDisk(session, { machine, disk }, { snapshot });
  const into = new Uint8Array(512);
  await open.read(into, 0);
  assertEquals(into, content.subarray(0, 512));
  await session.logOut();
});

Deno.test("files of a datastore are read whole or not at all", async () => {
  await using world = await DataPortWorld.create({ content: new Uint8Array(MIB) });
  const { server } = world.inventory;
  const { session } = await world.open();
  const read = (path: string) => readDatastoreFile(session, path, { datacenterPath: "ha-datacenter" });
  const bytes = mixedContent(300_000, 5);
  server.files.set(
    "/folder/a%20%26%20%C3%A4/a%20%26%20%C3%A4.nvram?dcPath=ha-datacenter&dsName=ds%201",
    () => new Response(bytes, { headers: { "Content-Length": `${bytes.length}` } }),
  );
  assertEquals(await read("[ds 1] a & ä/a & ä.nvram"), bytes);
  // A session that has expired is renewed for a file, too.
  server.isExpired = true;
  assertEquals(await read("[ds 1] a & ä/a & ä.nvram"), bytes);
  assertEquals(server.loginCount, 2);
  await assertRejects(() => read("[ds 1] none"), ServerError, "HTTP status 404");
  for (const path of ["a.vmx", "[ds1]", "[] a", "[ds1] ../secret", "[ds1] a/./b", "ds1] a"]) {
    await assertRejects(() => read(path), ServerError, "is expected", path);
  }
  server.files.set(
    "/folder/big?dcPath=ha-datacenter&dsName=ds1",
    () => new Response(new Uint8Array(33 * MIB)),
  );
  await assertRejects(() => read("[ds1] big"), ServerError, "more than 33554432 bytes");
  await session.logOut();
});

/** The answer to `HasPrivilegeOnEntities`: all that is asked for but `lacking`. */
function rightsReply(body: string, lacking: RegExp): string {
  const names = [...body.matchAll(/<privId>([^<]*)/g)].map(([, name]) => name);
  return [...body.matchAll(/<entity type="(\w+)">([^<]*)/g)].map(([, type, value]) =>
    `<returnval><entity type="${type}">${value}</entity>${
      names.map((name) =>
        `<privAvailability><privId>${name}</privId><isGranted>${!lacking.test(
          name,
        )}</isGranted></privAvailability>`
      ).join("")
    }</returnval>`
  ).join("");
}

Deno.test("rights that an account lacks are told by their names", async () => {
  await using world = await DataPortWorld.create({ content: new Uint8Array(MIB) });
  const { server } = world.inventory;
  const { session, machine: { ref } } = await world.open();
  assertEquals(await missingPrivileges(session, [ref]), undefined);
  server.on("HasPrivilegeOnEntities", ({ body }) => rightsReply(body, /Snapshot$/));
  const lacking = ["VirtualMachine.State.CreateSnapshot", "VirtualMachine.State.RemoveSnapshot"];
  const refs = Array.from({ length: 120 }, (_, i) => ({ type: "VirtualMachine", value: `vm-${i}` }));
  const missing = await missingPrivileges(session, refs);
  assertEquals(missing?.size, 120);
  assertEquals(missing?.get("VirtualMachine:vm-119"), lacking as BackupPrivilege[]);
  assertEquals(server.callsOf("HasPrivilegeOnEntities").length, 1 + 3);
  // What is not told is not granted.
  server.on(
    "HasPrivilegeOnEntities",
    () => `<returnval><entity type="VirtualMachine">vm-1</entity></returnval>`,
  );
  assertEquals((await missingPrivileges(session, [ref]))?.get("VirtualMachine:vm-1")?.length, 5);
  await session.logOut();
});

Deno.test("an examination tells what works and what does not, and changes nothing", async () => {
  await using world = await DataPortWorld.create({ content: new Uint8Array(MIB) });
  const { inventory, port } = world;
  inventory.objects.set(
    "VirtualMachine:vm-2",
    machineProperties({
      moref: "vm-2",
      name: "db1",
      isTracked: false,
      disks: [diskDevice({ path: "[ds1] db1/db1.vmdk", mode: "independent_persistent" })],
    }),
  );
  inventory.server.on("HasPrivilegeOnEntities", ({ body }) => rightsReply(body, /^$/));
  const findings = await examineServer(inventory.server.login());
  assertEquals(findings.failure, undefined);
  assertEquals(findings.fullName, "VMware ESXi 8.0.1 build-21495797");
  assertEquals(findings.thumbprints?.sha1, port.certificate.sha1);
  assertEquals(
    findings.machines?.map(({ name, tracking, snapshotCount }) => [name, tracking, snapshotCount]),
    [
      ["web01", "on", 1],
      ["db1", "off", 0],
    ],
  );
  assertEquals(findings.machines?.[0].missingPrivileges, []);
  assertEquals(findings.machines?.[1].obstacles.map(({ disk }) => disk), ["Hard disk 1"]);
  assertEquals(findings.dataPorts?.length, 1);
  assertEquals(findings.dataPorts?.[0].failure, undefined);
  assertEquals(findings.dataPorts?.[0].thumbprints?.sha256, port.certificate.sha256);
  assertEquals(findings.dataPorts?.[0].items?.includes("NFCSSL supported"), true);
  const methods = new Set(inventory.server.calls.map(({ method }) => method));
  assertEquals([...methods].filter((method) => /_Task$/.test(method)), []);
  assertEquals(methods.has("Logout"), true);
  assertEquals(port.disks, []);
});

Deno.test("an examination of a server that refuses is a finding", async () => {
  await using world = await DataPortWorld.create({
    content: new Uint8Array(MIB),
    greeting: "220 Daemon 1.10: SSL Required",
  });
  const { server } = world.inventory;
  const refused = await examineServer(server.login({ password: "wrong" }));
  assertStringIncludes(refused.failure!, "incorrect user name or password");
  const old = await examineServer(server.login());
  assertEquals(old.failure, undefined);
  assertStringIncludes(old.dataPorts![0].failure!, "ESXi 7 or newer");
});
