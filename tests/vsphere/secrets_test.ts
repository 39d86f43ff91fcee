/**
 * What opens a session - password, cookie, session key, ticket - is in nothing that a failing session says or
 * shows.
 */

import { assert, assertEquals } from "@std/assert";
import { examineServer } from "../../cli/vsphere/examine.ts";
import { listMachines } from "../../cli/vsphere/inventory.ts";
import { chooseDisk, openMachineDisk } from "../../cli/vsphere/open_machine_disk.ts";
import type { VsphereSession } from "../../cli/vsphere/session.ts";
import { DataPortWorld } from "./data_port_world.ts";
import type { PortPeerOptions } from "./nfc/port_peer.ts";
import { COOKIE, faultReply, PASSWORD, SESSION_KEY, type SoapServer, xmlReply } from "./soap_server.ts";

const CONTENT = new Uint8Array(1 << 20).fill(1);
const COOKIE_VALUE = COOKIE.slice('vmware_soap_session="'.length, -1);

/** All that could be printed of something: with causes, stacks, properties. */
function shownOf(thing: unknown): string {
  const texts = [Deno.inspect(thing, { depth: 20, strAbbreviateSize: 1e6, iterableLimit: 1000 })];
  for (let error = thing; error instanceof Error; error = error.cause) {
    texts.push(error.message, error.stack ?? "");
  }
  try {
    texts.push(JSON.stringify(thing) ?? "");
  } catch {
    // Objects that refer to each other.
  }
  return texts.join("\n");
}

function assertSilent(thing: unknown, tickets: readonly string[], what: string): void {
  const text = shownOf(thing);
  const escaped = JSON.stringify(PASSWORD).slice(1, -1);
  for (
    const secret of [PASSWORD, escaped, "s3cret&amp;", "s3cret%26", COOKIE_VALUE, SESSION_KEY, ...tickets]
  ) {
    assert(!text.includes(secret), `${what}: ${text}`);
  }
}

/** A server that repeats everything in its faults. */
const echo = (text: string) =>
  faultReply("SystemError", text.replaceAll("&", "&amp;").replaceAll("<", "&lt;"));
const EVERYTHING = `password ${PASSWORD}, cookie ${COOKIE}, key ${SESSION_KEY}`;

const FAILURES: [string, Partial<PortPeerOptions>, (server: SoapServer, world: DataPortWorld) => void][] = [
  ["the login is refused", {}, (server) => server.on("Login", () => echo(`no such user with ${PASSWORD}`))],
  [
    "the login has no cookie",
    {},
    (server) => server.on("Login", () => `<returnval><key>${SESSION_KEY}</key></returnval>`),
  ],
  [
    "the login is no XML",
    {},
    (server) =>
      server.on("Login", ({ body }) => new Response(body.slice(10), { headers: { "Set-Cookie": COOKIE } })),
  ],
  [
    "the login is an error page",
    {},
    (server) => server.on("Login", ({ body }) => new Response(body.slice(10), { status: 502 })),
  ],
  [
    "a call is refused with everything",
    {},
    (server) => server.on("RetrieveInternalContent", () => echo(EVERYTHING)),
  ],
  [
    "a call repeats its request",
    {},
    (server) =>
      server.on(
        "RetrieveInternalContent",
        ({ headers }) => new Response(`<a>${headers.get("cookie")}`, { status: 500 }),
      ),
  ],
  ["the session expires and is refused", {}, (server) =>
    server.on("RetrieveInternalContent", () => {
      const login = server.replyOf("Login");
      // Once: a session that was not open yet does not know what is secret.
      server.on("Login", () => {
        server.on("Login", login);
        return echo(EVERYTHING);
      });
      return faultReply("NotAuthenticated", EVERYTHING.replaceAll(/[<&]/g, ""));
    })],
  [
    "the ticket is no XML",
    {},
    (server, world) => server.on("NfcGetVmFiles", () => new Response(world.giveTicket(true) + "<")),
  ],
  [
    "the ticket is cut",
    {},
    (server, world) =>
      server.on("NfcGetVmFiles", () => xmlReply(world.giveTicket(true).replace("</returnval>", "<"))),
  ],
  [
    "the ticket has no service",
    {},
    (server, world) =>
      server.on("NfcGetVmFiles", () => world.giveTicket(true).replace("<service>", "<service> ")),
  ],
  [
    "the port refuses the ticket",
    {},
    (server, world) =>
      server.on("NfcGetVmFiles", () => world.giveTicket(true).replace(/<sessionId>/, "<sessionId>x")),
  ],
  ["the port grants nothing", { proxyAnswer: "530 no" }, () => {}],
  ["the port hangs up", { dies: "tls1" }, () => {}],
  ["the port hangs up later", { dies: "messages" }, () => {}],
  [
    "the disk is refused",
    { fault: (opcode) => opcode === 4 ? { code: 4, text: "no" } : undefined },
    () => {},
  ],
  ["a read is refused", { fault: (opcode) => opcode === 7 ? { code: 3, text: "no" } : undefined }, () => {}],
  ["reads break", { fault: (opcode) => opcode === 7 ? "close" : undefined }, () => {}],
];

for (const [what, options, prepare] of FAILURES) {
  Deno.test(`a failing session tells nobody its secrets: ${what}`, async () => {
    await using world = await DataPortWorld.create({ content: CONTENT, ...options });
    const { server } = world.inventory;
    prepare(server, world);
    const events: unknown[] = [];
    const onEvent = (event: unknown) => events.push(event);
    let failure: unknown;
    let session: VsphereSession | undefined;
    try {
      session = (await world.open({ onEvent, retries: 1, firstWaitMs: 1 })).session;
      const { machine, snapshot } = await world.open({ onEvent });
      const disk = chooseDisk(machine, { key: 2000 }, snapshot);
      const open = await openMachineDisk(session, { machine, disk }, {
        snapshot,
        retries: 1,
        firstWaitMs: 1,
      });
      try {
        await open.read(new Uint8Array(1 << 20), 0);
      } finally {
        assertSilent(open, world.tickets, "the disk");
        await open.close();
      }
    } catch (error) {
      failure = error;
    }
    await session?.logOut();
    assert(failure instanceof Error, `${what}: nothing fails`);
    assertSilent(failure, world.tickets, "the error");
    assertSilent(events, world.tickets, "the events");
    assertSilent(session, world.tickets, "the session");
    const findings = await examineServer(server.login(), { retries: 0 });
    assertSilent(findings, world.tickets, "the findings");
  });
}

Deno.test("a host that repeats the ticket in its messages is not quoted with it", async () => {
  const refusals: PortPeerOptions["fault"][] = [];
  await using world = await DataPortWorld.create({
    content: CONTENT,
    fault: (...args) => refusals[0]?.(...args),
  });
  for (const opcode of [4, 7]) {
    refusals[0] = (asked) =>
      asked === opcode ? { code: 7, text: `ticket ${world.tickets.at(-1)} is bad` } : undefined;
    const events: unknown[] = [];
    const { session, machine, snapshot } = await world.open({ onEvent: (event) => events.push(event) });
    const disk = chooseDisk(machine, { key: 2000 }, snapshot);
    let failure: unknown;
    try {
      await using open = await openMachineDisk(session, { machine, disk }, {
        snapshot,
        retries: 1,
        firstWaitMs: 1,
      });
      await open.read(new Uint8Array(512), 0);
    } catch (error) {
      failure = error;
    }
    assert((failure as Error).message.includes("ticket *** is bad"), String(failure));
    assertSilent([failure, events], world.tickets, "what was said");
    assertSilent(failure, world.tickets, "the error");
    await session.logOut();
  }
});

Deno.test("the password goes nowhere before the certificate was verified, and only into the login", async () => {
  await using world = await DataPortWorld.create({ content: CONTENT });
  const { server } = world.inventory;
  {
    await using session = await server.open();
    await listMachines(session);
  }
  const withPassword = server.calls.filter(({ body }) => body.includes("s3cret"));
  assertEquals(withPassword.map(({ method }) => method), ["Login"]);
  assertEquals(world.port.lines, []);
});
