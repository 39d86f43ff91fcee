import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ServerError, UsageError } from "../../cli/errors.ts";
import { ConnectionError, TrustError } from "../../cli/vsphere/errors.ts";
import { parseThumbprint } from "../../cli/vsphere/net/trust.ts";
import { VsphereSession } from "../../cli/vsphere/session.ts";
import { VsphereFault } from "../../cli/vsphere/soap/fault.ts";
import { makeCertificate } from "./certificates.ts";
import { RawServer } from "./raw_server.ts";
import { COOKIE, envelope, faultReply, serviceContent, SoapServer } from "./soap_server.ts";

const MACHINE = { type: "VirtualMachine", value: "vm-42" };

Deno.test("a session logs in with the version that the server has, sends its cookie back verbatim, and logs out", async () => {
  await using server = await SoapServer.start();
  server.on("Ping", () => "<returnval>pong</returnval>");
  {
    await using session = await server.open();
    assertEquals(session.content.isVCenter, false);
    assertEquals(session.content.fullName, "VMware ESXi 8.0.1 build-21495797");
    await session.call("Ping", MACHINE);
  }
  assertEquals(server.calls.map(({ method }) => method), [
    "RetrieveServiceContent",
    "Login",
    "Ping",
    "Logout",
  ]);
  assertEquals(server.calls.map(({ headers }) => headers.get("cookie")), [null, null, COOKIE, COOKIE]);
  assertEquals(server.calls.map(({ headers }) => headers.get("soapaction")), [
    '"urn:vim25"',
    ...Array(3).fill('"urn:vim25/8.0.1.0"'),
  ]);
  assertEquals(server.calls.map(({ target }) => target)[3], "ha-sessionmgr");
});

Deno.test("a wrong password is a fault with the server's words", async () => {
  await using server = await SoapServer.start();
  const error = await assertRejects(
    () => VsphereSession.open(server.login({ password: "other" })),
    VsphereFault,
    "incorrect user name or password",
  );
  assertEquals(error.faultType, "InvalidLogin");
  assertEquals(server.loginCount, 1);
});

Deno.test("a server with another certificate gets no request", async () => {
  await using server = await SoapServer.start();
  const other = await makeCertificate();
  for (const text of [other.sha1, other.sha256]) {
    const login = server.login({ trust: { thumbprint: parseThumbprint(text) } });
    const error = await assertRejects(() => VsphereSession.open(login), TrustError);
    assertStringIncludes(error.message, text);
    const found = text === other.sha1 ? server.certificate.sha1 : server.certificate.sha256;
    assertStringIncludes(error.message, found);
  }
  assertEquals(server.calls, []);
});

Deno.test("a session that has expired is renewed once, whatever number of calls find it so", async () => {
  await using server = await SoapServer.start();
  server.on("Ping", () => "<returnval>pong</returnval>");
  const events: string[] = [];
  await using session = await server.open({ onEvent: ({ text }) => events.push(text) });
  server.isExpired = true;
  await Promise.all(Array.from({ length: 8 }, () => session.call("Ping", MACHINE)));
  assertEquals(server.loginCount, 2);
  assertEquals(session.epoch, 2);
  assertEquals(events.length, 1);
  // A server that knows no session for long is not asked for ever.
  server.on("Ping", () => faultReply("NotAuthenticated", "The session is not authenticated."));
  const error = await assertRejects(() => session.call("Ping", MACHINE), VsphereFault);
  assertEquals(error.faultType, "NotAuthenticated");
  assertEquals(server.loginCount, 3);
});

Deno.test("logging out of a session that has expired is no error", async () => {
  await using server = await SoapServer.start();
  const events: string[] = [];
  const session = await server.open({ onEvent: ({ text }) => events.push(text) });
  server.isExpired = true;
  await session.logOut();
  await session.logOut();
  assertEquals(events, []);
  assertEquals(server.callsOf("Logout").length, 1);
});

Deno.test("a call that only reads is tried again when the connection breaks, one that changes something is not", async () => {
  const whole = (method: string, inner: string, headers = "") => {
    const text = envelope(`<${method}Response xmlns="urn:vim25">${inner}</${method}Response>`);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n${headers}\r\n${text}`;
  };
  const cut = whole("RetrieveThing", "<returnval>7</returnval>").slice(0, -1);
  await using server = await RawServer.start([
    whole("RetrieveServiceContent", serviceContent("HostAgent")),
    whole("Login", "<returnval/>", `Set-Cookie: ${COOKIE}\r\n`),
    ...[
      "",
      cut,
      "HTTP/1.1 503 Service Unavailable\r\n\r\nno healthy upstream",
      whole("RetrieveThing", "<returnval>7</returnval>"),
    ],
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    ...[cut, cut, cut, cut],
    whole("Logout", ""),
  ]);
  const events: string[] = [];
  const options = { retries: 3, firstWaitMs: 1, onEvent: ({ text }: { text: string }) => events.push(text) };
  {
    await using session = await VsphereSession.open(server.login(), options);
    const answer = await session.call("RetrieveThing", MACHINE);
    assertEquals(answer.children[0].text, "7");
    assertEquals(events.length, 3);
    await assertRejects(() => session.call("CreateSnapshot_Task", MACHINE), ConnectionError);
    assertEquals(events.length, 3);
    await assertRejects(() => session.call("RetrieveThing", MACHINE), ConnectionError);
  }
  const methods = server.requests.map((text) => /Body><(\w+)/.exec(text)?.[1]);
  assertEquals(methods.slice(2, -1), [
    ...Array(4).fill("RetrieveThing"),
    "CreateSnapshot_Task",
    ...Array(4).fill("RetrieveThing"),
  ]);
});

Deno.test("an abort ends a call that the server does not answer", async () => {
  await using server = await SoapServer.start();
  await using session = await server.open();
  const { promise, resolve } = Promise.withResolvers<string>();
  const controller = new AbortController();
  server.on("Slow", () => {
    controller.abort(new Error("stopped by the test"));
    return promise;
  });
  await assertRejects(
    () => session.call("Slow", MACHINE, "", { signal: controller.signal }),
    Error,
    "stopped by the test",
  );
  resolve("");
});

Deno.test("a server that does not answer in time is left", async () => {
  await using server = await SoapServer.start();
  await using session = await server.open();
  const { promise, resolve } = Promise.withResolvers<string>();
  server.on("Slow", () => promise);
  await assertRejects(
    () => session.call("Slow", MACHINE, "", { patienceMs: 50 }),
    ConnectionError,
    "does not answer within 0.05 s",
  );
  resolve("");
});

Deno.test("an answer that is not from a vSphere server is told as what it is", async () => {
  await using server = await SoapServer.start();
  server.on("RetrieveServiceContent", () => new Response("<html><b>It works!</b></html>", { status: 404 }));
  await assertRejects(() => server.open(), ServerError, "HTTP status 404");
  server.on("RetrieveServiceContent", () => new Response("<html></html>"));
  await assertRejects(() => server.open(), ServerError, "no SOAP 1.1 envelope");
  server.on("RetrieveServiceContent", () => "<returnval><about><apiType>Other</apiType></about></returnval>");
  await assertRejects(() => server.open(), ServerError, '"Other"');
});

Deno.test("a text that XML cannot carry is not sent", async () => {
  await using server = await SoapServer.start();
  const error = await assertRejects(
    () => VsphereSession.open(server.login({ password: "bell\u0007bell" })),
    UsageError,
  );
  assert(!error.message.includes("bell"));
  assertEquals(server.loginCount, 0);
});
