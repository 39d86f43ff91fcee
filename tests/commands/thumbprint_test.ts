import { createHash } from "node:crypto";
import { assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { formatServer, parseServer } from "../../cli/vsphere/net/server_address.ts";
import { fetchCertificate } from "../../cli/vsphere/net/server_certificate.ts";
import { certificateOf, clientHello, TlsError } from "../../cli/vsphere/net/tls_hello.ts";
import { UsageError } from "../../cli/errors.ts";
import { callMain } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";
import { CERTIFICATE, KEY, SHA1 } from "./certificates.ts";

const DER = Uint8Array.from(atob(CERTIFICATE.replaceAll(/-.*-|\s/g, "")), (char) => char.charCodeAt(0));
const SHA256 = createHash("sha256").update(DER).digest("hex").toUpperCase().match(/../g)!.join(":");
const SHORT_MS = 200;

/** A server that does the same to each of its clients. */
class Server implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.Listener;
  readonly #serving: Promise<void>;
  readonly #connections: Deno.Conn[] = [];

  constructor(listener: Deno.TcpListener | Deno.TlsListener, serve: (connection: Deno.Conn) => unknown) {
    this.port = listener.addr.port;
    this.#listener = listener;
    this.#serving = this.#serve(serve);
  }

  /** A server that speaks TLS. */
  static tls(hostname = "127.0.0.1"): Server {
    // A client that leaves in the middle of the handshake, as this one does, is an error to the server.
    const handshake = (connection: Deno.Conn) => connection.read(new Uint8Array(1)).catch(() => {});
    return new Server(Deno.listenTls({ hostname, port: 0, cert: CERTIFICATE, key: KEY }), handshake);
  }

  /** A server that sends `bytes` in parts and then, unless told to `stay`, ends the connection. */
  static plain(bytes: Uint8Array | string, { part = Infinity, stay = false } = {}): Server {
    const all = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    return new Server(Deno.listen({ hostname: "127.0.0.1", port: 0 }), async (connection) => {
      for (let at = 0; at < all.length; at += part) await connection.write(all.subarray(at, at + part));
      if (stay) return;
      // What is not read would make the end a reset.
      await connection.read(new Uint8Array(2048));
      await (connection as Deno.TcpConn).closeWrite();
    });
  }

  async #serve(serve: (connection: Deno.Conn) => unknown): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.push(connection);
      // A client that leaves early is none of the server's business.
      await Promise.resolve(serve(connection)).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#serving;
    for (const connection of this.#connections) connection.close();
  }
}

/** Where nobody listens. */
function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

Deno.test("thumbprint prints the SHA-1 of the certificate, and that it is not verified", async () => {
  await using server = Server.tls();
  assertEquals(SHA1, createHash("sha1").update(DER).digest("hex").toUpperCase().match(/../g)!.join(":"));
  const { code, stdout, stderr } = await callMain(["thumbprint", `127.0.0.1:${server.port}`]);
  assertEquals({ code, stdout }, { code: 0, stdout: `${SHA1}\n` });
  assertMatch(stderr, /^Warning: .*not verified.*\n$/);
});

Deno.test("thumbprint --sha256 prints the SHA-256", async () => {
  await using server = Server.tls();
  const { stdout } = await callMain(["thumbprint", "--sha256", `localhost:${server.port}`]);
  assertEquals(stdout, `${SHA256}\n`);
});

Deno.test("thumbprint --json tells what the certificate says", async () => {
  await using server = Server.tls();
  const { stdout, stderr } = await callMain(["thumbprint", "--json", `127.0.0.1:${server.port}`]);
  assertEquals(stderr, "");
  const name = "O=vmdkbkp tests\nCN=esxi.example";
  assertEquals(JSON.parse(stdout), {
    ok: true,
    command: "thumbprint",
    server: `127.0.0.1:${server.port}`,
    sha1: SHA1,
    sha256: SHA256,
    subject: name,
    issuer: name,
    validFrom: "2026-11-24T10:10:50.000Z",
    validTo: "2126-10-31T10:10:50.000Z",
    verified: false,
  });
});

testWith({ missing: missingIpv6() }, "thumbprint takes an IPv6 address", async () => {
  await using server = Server.tls("::1");
  const { stdout } = await callMain(["thumbprint", `[::1]:${server.port}`]);
  assertEquals(stdout, `${SHA1}\n`);
});

function missingIpv6(): string | undefined {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
  } catch {
    return "this machine has no IPv6";
  }
}

/** What the program says about a server that it gets no certificate from. */
async function refused(args: string[]): Promise<string> {
  const { code, stdout, stderr } = await callMain(["thumbprint", ...args]);
  assertEquals({ code, stdout }, { code: 1, stdout: "" }, stderr);
  return stderr;
}

Deno.test("thumbprint says that nobody listens", async () => {
  const server = `127.0.0.1:${closedPort()}`;
  const said = await refused([server]);
  assertStringIncludes(said, `vmdkbkp: Cannot connect to ${server}: Connection refused`);
});

Deno.test("thumbprint says that a name is not known", async () => {
  const said = await refused(["esxi.invalid"]);
  assertStringIncludes(said, "vmdkbkp: Cannot connect to esxi.invalid:443: ");
});

Deno.test("thumbprint shows the greeting of a server without TLS", async () => {
  await using server = Server.plain(
    "220 VMware Authentication Daemon \x1b[2J Version 1.10: SSL Required\r\n",
  );
  const said = await refused([`127.0.0.1:${server.port}`]);
  assertStringIncludes(said, 'it speaks no TLS: it sends "220 VMware Authentication Daemon .[2J Ve..."');
});

Deno.test("thumbprint says that a server hangs up", async () => {
  await using server = Server.plain("");
  assertStringIncludes(await refused([`127.0.0.1:${server.port}`]), "it ends the connection after 0 bytes");
});

Deno.test("thumbprint refuses addresses that are none", async () => {
  for (const address of ["https://esxi", "esxi:0", "esxi:65536", "esxi:", ":443", "root@esxi", "[::1", ""]) {
    const { code, stderr } = await callMain(["thumbprint", "--", address]);
    assertEquals(code, 2, stderr);
  }
});

/** Addresses, and what they mean. */
const ADDRESSES: [text: string, host: string, port: number][] = [
  ["esxi", "esxi", 443],
  ["esxi.example.:8443", "esxi.example.", 8443],
  ["192.0.2.7:1", "192.0.2.7", 1],
  ["[2001:db8::7]:65535", "2001:db8::7", 65535],
  ["[::1]", "::1", 443],
  ["::1", "::1", 443],
  ["fe80::1%eth0", "fe80::1%eth0", 443],
  ["::ffff:192.0.2.7", "::ffff:192.0.2.7", 443],
];

for (const [text, host, port] of ADDRESSES) {
  Deno.test(`parseServer() understands "${text}"`, () => {
    const server = parseServer(text);
    assertEquals(server, { host, port });
    assertEquals(parseServer(formatServer(server)), server);
  });
}

Deno.test("parseServer() repeats what it does not understand", () => {
  assertThrows(() => parseServer("https://esxi/"), UsageError, '"https://esxi/"');
});

Deno.test("fetchCertificate() gives up on a server that says nothing", async () => {
  await using server = Server.plain("", { stay: true });
  await assertRejects(
    () => fetchCertificate({ host: "127.0.0.1", port: server.port }, { timeoutMs: SHORT_MS }),
    Error,
    `Cannot fetch the certificate of 127.0.0.1:${server.port}: it does not answer within 0.2 s`,
  );
});

Deno.test("fetchCertificate() gives up on a server that never ends", async () => {
  await using server = Server.plain(record(22, [2, 0, 0x10, 0]), { stay: true });
  await assertRejects(
    () => fetchCertificate({ host: "127.0.0.1", port: server.port }, { timeoutMs: SHORT_MS }),
    Error,
    "within 0.2 s",
  );
});

Deno.test("fetchCertificate() ends with its signal", async () => {
  await using server = Server.plain("", { stay: true });
  const controller = new AbortController();
  const fetching = fetchCertificate({ host: "127.0.0.1", port: server.port }, { signal: controller.signal });
  controller.abort(new Error("Stopped"));
  await assertRejects(() => fetching, Error, "Stopped");
});

const u24 = (n: number) => [n >> 16, n >> 8 & 255, n & 255];

function record(type: number, bytes: number[]): Uint8Array {
  return new Uint8Array([type, 3, 3, bytes.length >> 8, bytes.length & 255, ...bytes]);
}

/** A server's hello and its certificates, as handshake messages. */
function messages(certificates: number[][] = [[...DER], [1, 2, 3]]): number[] {
  const list = certificates.flatMap((certificate) => [...u24(certificate.length), ...certificate]);
  const body = [...u24(list.length), ...list];
  return [2, ...u24(70), ...new Array(70).fill(7), 11, ...u24(body.length), ...body];
}

/** The messages in records of `size` bytes. */
function answer(size: number): Uint8Array {
  const all = messages();
  const records = [];
  for (let at = 0; at < all.length; at += size) records.push(...record(22, all.slice(at, at + size)));
  return new Uint8Array(records);
}

for (const size of [1, 2, 3, 7, 73, 74, 75, 511, 4096]) {
  Deno.test(`certificateOf() finds the certificate in records of ${size} bytes, not before it is whole`, () => {
    const bytes = answer(size);
    let at = 0;
    while (certificateOf(bytes.subarray(0, at)) === undefined) at++;
    assertEquals(certificateOf(bytes.subarray(0, at)), DER);
    assertEquals(certificateOf(bytes), DER);
  });
}

Deno.test("fetchCertificate() reads an answer that comes byte by byte", async () => {
  await using server = Server.plain(answer(100), { part: 1 });
  assertEquals(await fetchCertificate({ host: "127.0.0.1", port: server.port }), DER);
});

Deno.test("certificateOf() passes a warning over", () => {
  assertEquals(certificateOf(new Uint8Array([...record(21, [1, 112]), ...answer(4096)])), DER);
});

/** Answers without a certificate, and what is said about them. */
const BAD_ANSWERS: [name: string, bytes: Uint8Array, says: string][] = [
  ["a fatal alert", record(21, [2, 70]), "alert 70 (protocol_version)"],
  ["an alert that is not known", record(21, [2, 99]), "alert 99"],
  ["an empty alert", record(21, []), "an alert of 0 bytes"],
  ["a farewell", record(21, [1, 0]), "alert 0 (close_notify)"],
  ["a greeting", new TextEncoder().encode("SSH-2.0"), 'it speaks no TLS: it sends "SSH-2.0"'],
  ["one byte", new Uint8Array([0]), 'it speaks no TLS: it sends "."'],
  ["another protocol behind a record", new Uint8Array([...record(22, [2]), 80, 81]), "no TLS record"],
  ["a record that is too long", new Uint8Array([22, 3, 3, 255, 255]), "a TLS record of 65535 bytes"],
  ["a message that is too long", record(22, [11, 255, 255, 255]), "a message of 16777215 bytes"],
  ["another message", record(22, [12, 0, 0, 0]), "handshake message 12"],
  ["no certificate", record(22, messages([])), "contains none"],
  ["an empty certificate", record(22, messages([[]])), "contains none"],
  ["an empty message", record(22, [11, 0, 0, 0]), "contains none"],
  ["a certificate longer than its message", record(22, [11, 0, 0, 7, 0, 0, 4, 0, 0, 9, 1]), "contains none"],
];

for (const [name, bytes, says] of BAD_ANSWERS) {
  Deno.test(`certificateOf() refuses ${name}`, () => {
    assertThrows(() => certificateOf(bytes), TlsError, says);
  });
}

Deno.test("clientHello() names the server unless it is an address", () => {
  const has = (host: string, text: string) =>
    new TextDecoder("latin1").decode(clientHello(host, new Uint8Array(32))).includes(text);
  assertEquals(has("esxi.example.", "\0\x0cesxi.example\0"), true);
  for (const address of ["192.0.2.7", "2001:db8::7"]) assertEquals(has(address, address), false);
});
