import type { Socket } from "node:net";
import { createServer } from "node:tls";
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { ConnectionError, TrustError } from "../../../cli/vsphere/errors.ts";
import { TcpLink } from "../../../cli/vsphere/net/tcp_link.ts";
import { TlsLink } from "../../../cli/vsphere/net/tls_link.ts";
import { checkRuntime, parseThumbprint, type Trust } from "../../../cli/vsphere/net/trust.ts";
import { makeCertificate, type TestCertificate } from "../certificates.ts";

/** A TLS server that keeps what clients send, and a client's try to start a session with it. */
class TlsServer implements AsyncDisposable {
  received = "";
  readonly #listener: Deno.TlsListener;
  readonly #accepting: Promise<void>;

  constructor({ cert, key }: TestCertificate) {
    this.#listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
    this.#accepting = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    for (;;) {
      const connection = await this.#listener.accept().catch(() => undefined);
      if (connection === undefined) return;
      try {
        const buffer = new Uint8Array(1000);
        for (let count; (count = await connection.read(buffer)) !== null;) {
          this.received += new TextDecoder().decode(buffer.subarray(0, count));
          await connection.write(buffer.subarray(0, count));
        }
      } catch {
        // The client did not like the certificate.
      } finally {
        connection.close();
      }
    }
  }
}

/** What a client that trusts by `trust` gets back of what it sends. */
async function echo(port: number, trust: Trust, host = "127.0.0.1"): Promise<string> {
  const tcp = await TcpLink.connect({ host: "127.0.0.1", port });
  try {
    const tls = await TlsLink.start(tcp, { trust, host });
    await tls.write(new TextEncoder().encode("hello"));
    const bytes = await tls.read();
    tls.close();
    return new TextDecoder().decode(bytes ?? undefined);
  } finally {
    tcp.close();
  }
}

Deno.test("a certificate is believed by its SHA-1 or its SHA-256, in any way of writing", async () => {
  for (const algorithm of ["EC", "RSA"] as const) {
    const certificate = await makeCertificate({ algorithm });
    await using server = new TlsServer(certificate);
    const { sha1, sha256 } = certificate;
    for (const text of [sha1, sha256, sha1.toLowerCase(), sha256.replaceAll(":", "")]) {
      assertEquals(await echo(server.port, { thumbprint: parseThumbprint(text) }), "hello");
    }
  }
});

Deno.test("a thumbprint is enough for a certificate that has expired, an authority is not", async () => {
  const authority = await makeCertificate({ name: "Authority", isAuthority: true });
  const certificate = await makeCertificate({
    issuer: authority,
    dnsNames: ["esxi.example"],
    isExpired: true,
  });
  await using server = new TlsServer(certificate);
  assertEquals(await echo(server.port, { thumbprint: parseThumbprint(certificate.sha1) }), "hello");
  server.received = "";
  const trust = { authoritiesPem: authority.cert };
  await assertRejects(() => echo(server.port, trust, "esxi.example"), TrustError);
  assertEquals(server.received, "");
});

Deno.test("a thumbprint that is none is refused", () => {
  for (const text of ["", "AA", "zz".repeat(20), "aa".repeat(31), `${"aa:".repeat(20)}`]) {
    if (text === "aa:".repeat(20)) assertEquals(parseThumbprint(text).algorithm, "SHA-1");
    else assertThrows(() => parseThumbprint(text), TrustError, "40 hex digits");
  }
});

Deno.test("an authority's certificate is believed for the server's own name and address only", async () => {
  const authority = await makeCertificate({ name: "Authority", isAuthority: true });
  const stranger = await makeCertificate({ name: "Authority", isAuthority: true });
  const trust = { authoritiesPem: authority.cert };
  const certificate = await makeCertificate({
    issuer: authority,
    dnsNames: ["esxi.example"],
    ipAddresses: ["127.0.0.1"],
  });
  await using server = new TlsServer(certificate);
  assertEquals(await echo(server.port, trust, "esxi.example"), "hello");
  assertEquals(await echo(server.port, trust, "127.0.0.1"), "hello");
  server.received = "";
  await assertRejects(() => echo(server.port, trust, "other.example"), TrustError, "127.0.0.1");
  await assertRejects(() => echo(server.port, trust, "127.0.0.2"), TrustError);
  await assertRejects(() => echo(server.port, { authoritiesPem: stranger.cert }, "esxi.example"), TrustError);
  // By itself it is no authority, and neither is nobody.
  await assertRejects(() => echo(server.port, { authoritiesPem: "" }, "esxi.example"), TrustError);
  assertEquals(server.received, "");
});

Deno.test("a certificate of X.509 version 1 is refused, whatever vouches for it", async () => {
  let received = 0;
  const authority = await makeCertificate({ name: "Authority", isAuthority: true });
  for (const issuer of [undefined, authority]) {
    const certificate = await makeCertificate({ version: 1, name: "esxi.example", issuer });
    const server = createServer({ cert: certificate.cert, key: certificate.key }, (socket) => {
      socket.on("data", (bytes: Uint8Array) => received += bytes.length);
      socket.on("error", () => {});
    });
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const trusts: Trust[] = [
      { thumbprint: parseThumbprint(certificate.sha1) },
      { authoritiesPem: (issuer ?? certificate).cert },
    ];
    for (const trust of trusts) {
      const error = await assertRejects(() => echo(port, trust, "esxi.example"), TrustError);
      if ("thumbprint" in trust) assertStringIncludes(error.message, "version 3");
    }
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
  assertEquals(received, 0);
});

Deno.test("a server that shows a certificate without its key gets nothing", async () => {
  // In between, the signature of the key exchange is changed: for the client it is one that another key has
  // made.
  const certificate = await makeCertificate({ algorithm: "RSA" });
  const { cert, key } = certificate;
  const server = createServer({ cert, key, maxVersion: "TLSv1.2" }, (socket) => socket.on("error", () => {}));
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await using forger = new Forger(port);
  const trust = { thumbprint: parseThumbprint(certificate.sha256) };
  const error = await assertRejects(() => echo(forger.port, trust), TrustError);
  assertStringIncludes(error.message, "does not prove that it has the key of its certificate");
  assert(forger.hasForged);
  // A client that goes on sends a key exchange, which is a handshake record (22); an alert (21) is its last
  // word.
  assertEquals(forger.clientRecordsAfter.filter((type) => type !== 21), []);
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

/** Passes bytes between a client and a TLS 1.2 server, and changes the last byte of the ServerKeyExchange. */
class Forger implements AsyncDisposable {
  hasForged = false;
  /** Types of the records that the client sends when it has seen the forged signature. */
  readonly clientRecordsAfter: number[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #running: Promise<void>;

  constructor(port: number) {
    this.#running = this.#run(port);
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#running;
  }

  async #run(port: number): Promise<void> {
    const client = await this.#listener.accept();
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    await Promise.allSettled([this.#pass(client, server, false), this.#pass(server, client, true)]);
    for (const connection of [client, server]) connection.close();
  }

  async #pass(from: Deno.Conn, to: Deno.Conn, isServer: boolean): Promise<void> {
    let held = new Uint8Array(0);
    const buffer = new Uint8Array(65536);
    for (let count; (count = await from.read(buffer)) !== null;) {
      held = new Uint8Array([...held, ...buffer.subarray(0, count)]);
      for (let end; held.length >= 5 && held.length >= (end = 5 + (held[3] << 8 | held[4]));) {
        const record = held.slice(0, end);
        held = held.slice(end);
        if (isServer) this.#forge(record);
        else if (this.hasForged) this.clientRecordsAfter.push(record[0]);
        await to.write(record);
      }
    }
    await to.closeWrite();
  }

  /**
   * RFC 5246, 7.4: messages of type and length; 12 is ServerKeyExchange, whose signature stands at its end.
   */
  #forge(record: Uint8Array): void {
    if (record[0] !== 22) return;
    for (let at = 5; at + 4 <= record.length;) {
      const end = at + 4 + (record[at + 1] << 16 | record[at + 2] << 8 | record[at + 3]);
      if (record[at] === 12 && end <= record.length) {
        record[end - 1] ^= 1;
        this.hasForged = true;
      }
      at = end;
    }
  }
}

Deno.test("a server that speaks no TLS, or hangs up, is told as that", async () => {
  for (const greeting of ["220 hello\r\n".repeat(100), ""]) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      const connection = await listener.accept();
      if (greeting !== "") await connection.write(new TextEncoder().encode(greeting));
      connection.close();
    })();
    const { port } = listener.addr as Deno.NetAddr;
    const trust = { thumbprint: parseThumbprint("aa".repeat(20)) };
    await assertRejects(() => echo(port, trust), ConnectionError, "127.0.0.1");
    await serving;
    listener.close();
  }
});

Deno.test("a server that ends without TLS's own end has sent its last byte", async () => {
  const { cert, key, sha1 } = await makeCertificate();
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const raw: Socket[] = [];
    const server = createServer({ cert, key, maxVersion }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", () => socket.write("the last word", () => raw[0].destroy()));
    });
    server.on("connection", (socket: Socket) => raw.push(socket));
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const tcp = await TcpLink.connect({ host: "127.0.0.1", port });
    const tls = await TlsLink.start(tcp, { trust: { thumbprint: parseThumbprint(sha1) }, host: "127.0.0.1" });
    await tls.write(new Uint8Array(1));
    assertEquals(new TextDecoder().decode((await tls.read())!), "the last word");
    assertEquals(await tls.read(), null);
    assertEquals(await tls.read(), null);
    await assertRejects(() => tls.write(new Uint8Array(1)), ConnectionError);
    tls.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});

Deno.test("a handshake that does not end is left", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  const { port } = listener.addr as Deno.NetAddr;
  const tcp = await TcpLink.connect({ host: "127.0.0.1", port });
  const trust = { thumbprint: parseThumbprint("aa".repeat(20)) };
  await assertRejects(
    () => TlsLink.start(tcp, { trust, host: "127.0.0.1", timeoutMs: 50 }),
    ConnectionError,
    "does not end the TLS handshake",
  );
  tcp.close();
  (await accepting).close();
  listener.close();
});

Deno.test("nobody at the port, and a name that is none, are told as that", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  await assertRejects(
    () => TcpLink.connect({ host: "127.0.0.1", port }),
    ConnectionError,
    `127.0.0.1:${port}`,
  );
  await assertRejects(() => TcpLink.connect({ host: "no.such.name.invalid", port }), ConnectionError);
});

Deno.test("an older Deno is refused before a connection is used", () => {
  for (const version of ["2.7.14", "2.4.2", "1.46.3"]) {
    assertThrows(() => checkRuntime(version), TrustError, "Deno 2.8 or newer");
  }
  for (const version of ["2.8.0", "2.9.6", "2.10.0", "3.0.0"]) checkRuntime(version);
});
