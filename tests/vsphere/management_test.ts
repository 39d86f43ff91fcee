/** The management side of the test server: sessions, strictness, files, tasks, faults. */

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import tls from "node:tls";
import { testWith } from "../support/skip.ts";
import { Control } from "./control.ts";
import { PlainSoap, texts } from "./plain_soap.ts";
import { MISSING_VSPHERE_SERVER, VsphereServer, type VsphereServerOptions } from "./test_server.ts";

const missing = MISSING_VSPHERE_SERVER;
const MEBIBYTE = 1 << 20;

/** A server with a machine `web 01` that has one disk, and an account that is logged in. */
async function begin(options: VsphereServerOptions = {}) {
  const server = await VsphereServer.start(options);
  const soap = new PlainSoap(server, { vcenter: options.vcenter ?? false });
  const machine = await server.control.addMachine({ name: "web 01", disks: [{ bytes: 8 * MEBIBYTE }] });
  const login = await soap.login();
  assertEquals(login.status, 200, login.body);
  return { server, soap, machine, control: server.control };
}

const violations = (server: VsphereServer) => server.events("violation").map(({ rule }) => rule);

for (const vcenter of [false, true]) {
  const product = vcenter ? "a vCenter" : "an ESXi host";

  testWith({ missing }, `the test server is ${product} with sessions that end`, async () => {
    await using server = await VsphereServer.start({ vcenter, release: "8.0.1" });
    const soap = new PlainSoap(server, { vcenter });
    const content = await soap.good("RetrieveServiceContent", "ServiceInstance", "ServiceInstance");
    assertEquals(texts(content, "apiType"), [vcenter ? "VirtualCenter" : "HostAgent"]);
    assertEquals(texts(content, "version"), ["8.0.1"]);

    assertStringIncludes((await soap.login("wrong")).body, "incorrect user name or password");
    const { headers } = await soap.login();
    assertMatch(String(headers["set-cookie"]), /^vmware_soap_session="[^"]+"; /);
    const { control } = server;
    assertEquals((await control.state()).counters.sessionsOpen, 1);
    await assertRejects(() => server.assertClean(), Error, "sessions without a logout");

    assertEquals(await control.expire(), 1);
    assertEquals(await soap.refused("Logout", "SessionManager", soap.sessions), [
      "NotAuthenticated",
      "The session is not authenticated.",
    ]);
    soap.cookie = undefined;
    await soap.login();
    await soap.logout();
    await server.assertClean();
    const { counters } = await control.state();
    assertEquals([counters.logins, counters.loginsRefused, counters.logouts], [2, 1, 1]);
  });

  testWith({ missing }, `the test server gives the tickets of ${product}`, async () => {
    const { server, soap, machine, control } = await begin({ vcenter });
    await using _ = server;
    const internal = await soap.good("RetrieveInternalContent", "ServiceInstance", "ServiceInstance");
    assertEquals(texts(internal, "nfcService"), [soap.nfc]);
    const vm = `<vm type="VirtualMachine">${machine.ref}</vm>`;
    const ticket = await soap.good("NfcGetVmFiles", "NfcService", soap.nfc, vm);
    assertEquals(texts(ticket, "host"), vcenter ? ["127.0.0.1"] : []);
    assertEquals(texts(ticket, "port"), [String(server.dataPort)]);
    assertEquals(texts(ticket, "sslThumbprint"), [server.sha1]);
    assertEquals(texts(ticket, "service"), [vcenter ? "vpxa-nfc" : "nfc"]);

    const host = texts(await soap.properties("VirtualMachine", machine.ref, "runtime.host"), "val")[0];
    const access = `<hostForAccess type="HostSystem">${host}</hostForAccess>`;
    assertEquals(
      texts(await soap.good("NfcGetServerNfcLibVersion", "NfcService", soap.nfc, access), "returnval"),
      [
        "11",
      ],
    );
    for (const method of ["NfcRandomAccessOpenDisk", "NfcRandomAccessOpenReadonly"]) {
      const disk = `${vm}<diskDeviceKey>2000</diskDeviceKey>`;
      await soap.good(method, "NfcService", soap.nfc, disk + access);
      const wrong = await soap.refused(method, "NfcService", soap.nfc, disk);
      assertEquals(wrong, ["InvalidArgument", "A specified parameter was not correct: hostForAccess"]);
      const noDisk = await soap.refused(
        method,
        "NfcService",
        soap.nfc,
        `${vm}<diskDeviceKey>9</diskDeviceKey>${access}`,
      );
      assertEquals(noDisk[0], "InvalidArgument");
    }
    assertEquals(
      (await soap.refused("NfcGetVmFiles", "NfcService", "ha-nfc", vm))[0],
      "ManagedObjectNotFound",
    );
    await control.settings({ missing: ["VirtualMachine.Provisioning.DiskRandomRead"] });
    assertEquals((await soap.refused("NfcGetVmFiles", "NfcService", soap.nfc, vm))[0], "NoPermission");
    assertEquals((await control.state()).counters.tickets, 3);
  });

  testWith({ missing }, `the test server gives VMX and NVRAM of ${product} to sessions only`, async () => {
    const { server, soap, machine } = await begin({ vcenter });
    await using _ = server;
    assertEquals(machine.vmx, "[datastore1] web 01/web 01.vmx");
    const query = `?dcPath=${vcenter ? "DC0" : "ha-datacenter"}&dsName=datastore1`;
    const vmx = await soap.request("GET", `/folder/web%2001/web%2001.vmx${query}`);
    assertStringIncludes(vmx.body, 'displayName = "web 01"');
    assertStringIncludes(vmx.body, 'scsi0:0.fileName = "web 01.vmdk"');
    assertEquals((await soap.request("GET", `/folder/web%2001/web%2001.nvram${query}`)).status, 200);
    const layout = await soap.properties("VirtualMachine", machine.ref, "layoutEx.file");
    assert(texts(layout, "name").includes("[datastore1] web 01/web 01.nvram"));
    assertEquals((await soap.request("GET", `/folder/web%2001/nothing${query}`)).status, 404);
    // A running machine has its disk open.
    assertEquals((await soap.request("GET", `/folder/web%2001/web%2001-flat.vmdk${query}`)).status, 500);
    assertEquals(violations(server), []);

    const cookie = soap.cookie;
    soap.cookie = undefined;
    assertEquals((await soap.request("GET", `/folder/web%2001/web%2001.vmx${query}`)).status, 401);
    soap.cookie = cookie?.replaceAll('"', "");
    assertEquals((await soap.request("GET", `/folder/web%2001/web%2001.vmx${query}`)).status, 401);
    assertEquals(violations(server), ["cookie", "cookie"]);
  });
}

testWith({ missing }, "the test server refuses calls that a real server refuses", async () => {
  const { server, soap, machine } = await begin();
  await using _ = server;
  const create = (children: string, headers = {}) =>
    soap.call("CreateSnapshot_Task", "VirtualMachine", machine.ref, children, headers);
  const good = "<name>x</name><memory>false</memory><quiesce>false</quiesce>";
  for (
    const [children, headers] of [
      ["<memory>false</memory><name>x</name><quiesce>false</quiesce>", {}],
      [good + "<more>1</more>", {}],
      [good + "<quiesce>false</quiesce>", {}],
      [good, { soapaction: "urn:vim25" }],
      [good, { "content-type": "application/json" }],
    ] as [string, Record<string, string>][]
  ) {
    const { status, body } = await create(children, headers);
    assertEquals(status, 500, children);
    assertStringIncludes(body, "InvalidRequest");
  }
  assertEquals((await soap.call("NoSuchMethod", "VirtualMachine", machine.ref)).status, 500);
  assertEquals((await soap.request("POST", "/sdk", "<a>")).status, 500);
  // The order of elements matters within objects as well.
  const filter =
    "<specSet><objectSet><obj type='VirtualMachine'>x</obj></objectSet><propSet><type>VirtualMachine" +
    "</type></propSet></specSet><options/>";
  assertEquals(
    (await soap.call("RetrievePropertiesEx", "PropertyCollector", soap.collector, filter)).status,
    500,
  );
  assertEquals(violations(server), Array.from({ length: 8 }, () => "soap"));
  assertEquals((await server.control.state()).machines[0].snapshots, []);

  soap.cookie = 'vmware_soap_session="never-given"';
  assertEquals((await soap.refused("CurrentTimes", "VirtualMachine", machine.ref))[0], "InvalidRequest");
  assertEquals(
    (await soap.refused("CreateSnapshot_Task", "VirtualMachine", machine.ref, good))[0],
    "NotAuthenticated",
  );
  assertEquals(violations(server).slice(8), ["soap", "cookie"]);
});

testWith(
  { missing },
  "tasks of the test server tell progress, fail with words, and are cancelled",
  async () => {
    const { server, soap, machine, control } = await begin();
    await using _ = server;
    await control.fault({
      at: "call",
      kind: "task",
      method: "CreateSnapshot_Task",
      when: "quiesce",
      type: "ApplicationQuiesceFault",
      text: "An error occurred while quiescing the virtual machine.",
    });
    const begun = (quiesce: boolean) =>
      soap.good(
        "CreateSnapshot_Task",
        "VirtualMachine",
        machine.ref,
        `<name>x</name><memory>false</memory><quiesce>${quiesce}</quiesce>`,
      );
    const failed = await soap.task(await begun(true));
    assertEquals(texts(failed, "state"), ["error"]);
    assertEquals(texts(failed, "localizedMessage"), [
      "An error occurred while quiescing the virtual machine.",
    ]);
    assertStringIncludes(failed, '"ApplicationQuiesceFault"');
    assertEquals(texts(await soap.task(await begun(false)), "state"), ["success"]);

    await control.clear();
    await control.settings({ taskMs: 400 });
    const slow = await begun(false);
    const progress = new Set<string>();
    for (let state = "running"; state === "running";) {
      const info = await soap.properties("Task", texts(slow, "returnval")[0], "info");
      texts(info, "progress").forEach((percent) => progress.add(percent));
      state = texts(info, "state")[0];
    }
    assert(progress.size > 1, `progress: ${[...progress]}`);
    const cancelled = await begun(false);
    await soap.good("CancelTask", "Task", texts(cancelled, "returnval")[0]);
    const info = await soap.task(cancelled);
    assertStringIncludes(info, '"RequestCanceled"');
    await new Promise((resolve) => setTimeout(resolve, 500));
    assertEquals((await control.state()).machines[0].snapshots, ["x", "x"]);
  },
);

testWith({ missing }, "the test server spoils answers as it is told", async () => {
  const { server, soap, machine, control } = await begin();
  await using _ = server;
  const call = () => soap.properties("VirtualMachine", machine.ref, "name");
  assertStringIncludes(await call(), "web 01");
  const method = "RetrievePropertiesEx";
  await control.fault({
    at: "call",
    kind: "fault",
    method,
    type: "FileFault",
    fields: { File: "[ds] a.vmdk" },
    text: "Error caused by file",
    count: 1,
  });
  await assertRejects(call, Error, "<file>[ds] a.vmdk</file>");
  await control.fault({ at: "call", kind: "status", method, code: 503, text: "busy", count: 1 });
  await assertRejects(call, Error, "503 busy");
  await control.fault({ at: "call", kind: "cut", method, bytes: 40, count: 1 });
  await assertRejects(call);
  await control.fault({ at: "call", kind: "drop", method, count: 1 });
  await assertRejects(call);
  await control.fault({ at: "call", kind: "body", method, text: "<garbage", count: 1 });
  assertEquals(await call(), "<garbage");
  await control.fault({ at: "call", kind: "expire", method, count: 1, skip: 1 });
  assertStringIncludes(await call(), "web 01");
  await assertRejects(call, Error, "NotAuthenticated");
  await assertRejects(() => control.fault({ at: "call", kind: "nonsense" }), Error, "there is no fault");
  assertEquals((await control.state()).faults, []);
});

testWith({ missing }, "the test server shows other certificates on the management port", async () => {
  const { server, soap, control } = await begin();
  await using _ = server;
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const socket = tls.connect({ host: server.host, port: server.port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint ?? "");
        socket.destroy();
      });
      socket.on("error", reject);
    });
  assertEquals(await shown(), server.sha1);
  for (const kind of ["other", "v1"]) {
    await control.fault({ at: "tls", kind, when: "443", count: 1 });
    assert(await shown() !== server.sha1, kind);
  }
  await control.fault({ at: "tls", kind: "forged", when: "443", count: 1 });
  await assertRejects(shown);
  await soap.logout();
});

testWith({ missing }, "the log of the test server has no secrets", async () => {
  const { server, soap, machine, control } = await begin({ password: "un-guess-able pass" });
  await using _ = server;
  await soap.good("NfcGetVmFiles", "NfcService", soap.nfc, `<vm type="VirtualMachine">${machine.ref}</vm>`);
  await soap.logout();
  const secrets = await control.secrets();
  assertEquals(secrets.length, 3);
  const log = JSON.stringify(server.events());
  for (const secret of secrets) assert(!log.includes(secret));
});

testWith({ missing }, "the test server tells which privileges the account lacks", async () => {
  const { server, soap, machine, control } = await begin({ vcenter: true });
  await using _ = server;
  await control.settings({ missing: ["VirtualMachine.State.CreateSnapshot"] });
  const body = await soap.good(
    "HasPrivilegeOnEntities",
    "AuthorizationManager",
    "AuthorizationManager",
    `<entity type="VirtualMachine">${machine.ref}</entity><sessionId>x</sessionId>` +
      "<privId>VirtualMachine.State.CreateSnapshot</privId><privId>VirtualMachine.State.RemoveSnapshot</privId>",
  );
  assertEquals(texts(body, "isGranted"), ["false", "true"]);
  const [name] = await soap.refused(
    "CreateSnapshot_Task",
    "VirtualMachine",
    machine.ref,
    "<name>x</name><memory>false</memory><quiesce>false</quiesce>",
  );
  assertEquals(name, "NoPermission");
});

testWith({ missing }, "the control URL of the test server wants its token", async () => {
  await using server = await VsphereServer.start();
  await server.control.state();
  await assertRejects(() => new Control(server.control.url, "wrong").state(), Error, "401");
});
