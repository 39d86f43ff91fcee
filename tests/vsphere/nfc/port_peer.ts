/** A data port on loopback: greeting, two TLS sessions, dialogue, handshake, disk service. */

import type { Ticket } from "../../../cli/vsphere/nfc/ticket.ts";
import { parseThumbprint } from "../../../cli/vsphere/net/trust.ts";
import { makeCertificate, type TestCertificate } from "../certificates.ts";
import { ServerConnection, ServerTls } from "../tls_server.ts";
import { DiskPeer, type DiskPeerOptions } from "./disk_peer.ts";

const GREETING = "220 VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP, " +
  "MKSDisplayProtocol:VNC , VMXARGS supported, NFCSSL supported/t, SHA256 supported";

/** How the port behaves. */
export interface PortPeerOptions extends DiskPeerOptions {
  greeting?: string;
  /** Instead of that of session 1. */
  secondCertificate?: TestCertificate;
  announcedSha256?: string;
  maxVersion?: "TLSv1.2" | "TLSv1.3";
  service?: string;
  /** Answers message 36 only when 51 has come. */
  lateAck?: boolean;
  version?: number;
  /** Instead of the grant. */
  proxyAnswer?: string;
  /** Ends the connection when this has happened. */
  dies?: "greeting" | "tls1" | "dialogue" | "tls2" | "messages";
}

/** A listening data port. */
export class PortPeer implements AsyncDisposable {
  readonly certificate: TestCertificate;
  readonly #options: PortPeerOptions;
  readonly #listener: Deno.TcpListener;
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  readonly #connections: ServerConnection[] = [];
  readonly #tickets = new Set<string>();
  /** The sessions that came as far as the disk service. */
  readonly disks: DiskPeer[] = [];
  readonly violations: string[] = [];
  /** Lines of all dialogues. */
  readonly lines: string[] = [];
  /** Lengths of the TLS records of the handshake messages. */
  readonly messageRecords: number[] = [];
  connectionCount = 0;

  private constructor(certificate: TestCertificate, options: PortPeerOptions) {
    this.certificate = certificate;
    this.#options = options;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  static async start(options: PortPeerOptions): Promise<PortPeer> {
    return new PortPeer(await makeCertificate({ algorithm: "RSA" }), options);
  }

  /** A new ticket, good for one connection. */
  ticket(): Ticket {
    const sessionId = `52${crypto.randomUUID()}`;
    this.#tickets.add(sessionId);
    return {
      endpoint: { host: "127.0.0.1", port: (this.#listener.addr as Deno.NetAddr).port },
      service: this.#options.service ?? "nfc",
      sessionId,
      thumbprint: parseThumbprint(this.certificate.sha1),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
    await this.settled();
    await this.#accepting;
  }

  /** Returns when no connection is served any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #accept(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        this.connectionCount++;
        const server = new ServerConnection(connection);
        this.#connections.push(server);
        this.#running.add(this.#serve(server).finally(() => server.close()));
      }
    } catch {
      // The listener is closed.
    }
  }

  async #serve(connection: ServerConnection): Promise<void> {
    const { dies, maxVersion, secondCertificate } = this.#options;
    await connection.write(encode(this.#options.greeting ?? GREETING));
    if (dies === "greeting") return;
    const first = new ServerTls(connection, this.certificate, maxVersion);
    if (dies === "tls1") {
      await first.read();
      return;
    }
    const service = await this.#dialogue(first);
    first.drop();
    if (service === undefined || dies === "dialogue") return;
    let link: Link = { read: () => connection.read(), write: (bytes) => connection.write(bytes) };
    let second: ServerTls | undefined;
    if (service.endsWith("ssl")) {
      connection.beginRecords();
      second = link = new ServerTls(connection, secondCertificate ?? this.certificate, maxVersion);
      if (dies === "tls2") {
        await second.read();
        return;
      }
    }
    const rest = await this.#messages(link, connection);
    if (rest === undefined || dies === "messages") return;
    const disk = new DiskPeer({
      read: async () => (await rest() ?? await link.read()) as Uint8Array<ArrayBuffer> | null,
      write: (bytes) => link.write(bytes),
      close: () => connection.close(),
    }, this.#options);
    this.disks.push(disk);
    await disk.run();
    second?.drop();
  }

  async #dialogue(link: ServerTls): Promise<string | undefined> {
    let held = "";
    const hear = async () => {
      while (!held.includes("\r\n")) {
        const bytes = await link.read();
        if (bytes === null) return undefined;
        held += new TextDecoder().decode(bytes);
      }
      const [line] = held.split("\r\n", 1);
      held = held.slice(line.length + 2);
      this.lines.push(line);
      return line;
    };
    const session = await hear();
    if (session === undefined) return undefined;
    const isKnown = this.#tickets.delete(session.replace(/^SESSION /, ""));
    this.#expect(await hear() === "BANNER ", "BANNER");
    await link.write(encode(isKnown ? GREETING : "530 Login incorrect"));
    const token = await hear();
    if (token === undefined) return undefined;
    this.#expect(/^THUMBPRINT_SHA2 [^ :]+$/.test(token), "THUMBPRINT_SHA2");
    await link.write(encode(`200 ${this.#options.announcedSha256 ?? this.certificate.sha256}`));
    const proxy = await hear();
    if (proxy === undefined) return undefined;
    const service = proxy.replace(/^PROXY /, "");
    this.#expect(service.replace(/ssl$/, "") === (this.#options.service ?? "nfc"), proxy);
    const granted = `200 Connect ha-${service.replace("vpxa-", "")}`;
    await link.write(encode(this.#options.proxyAnswer ?? granted));
    this.#expect(held === "", "more than the dialogue");
    return this.#options.proxyAnswer === undefined ? service : undefined;
  }

  /** The messages; gives what came behind them. */
  async #messages(
    link: Link,
    connection: ServerConnection,
  ): Promise<(() => Promise<Uint8Array | undefined>) | undefined> {
    let held = new Uint8Array(0);
    const take = async (count: number) => {
      while (held.length < count) {
        const bytes = await link.read();
        if (bytes === null) return undefined;
        const more = new Uint8Array(held.length + bytes.length);
        more.set(held);
        more.set(bytes, held.length);
        held = more;
      }
      const taken = held.slice(0, count);
      held = held.slice(count);
      return taken;
    };
    const message = async (type: number) => {
      const bytes = await take(264);
      if (bytes === undefined) return undefined;
      this.#expect(new DataView(bytes.buffer).getUint32(0, true) === type, `message ${bytes[0]} for ${type}`);
      return bytes;
    };
    const answer = async (type: number, at: number, word: number) => {
      const bytes = new Uint8Array(264);
      new DataView(bytes.buffer).setUint32(0, type, true);
      new DataView(bytes.buffer).setUint32(at, word, true);
      await link.write(bytes);
    };
    const token = await message(43);
    if (token === undefined) return undefined;
    const said = new TextDecoder().decode(token.slice(4)).replace(/\0+$/, "");
    this.#expect(this.lines.at(-2) === `THUMBPRINT_SHA2 ${said}`, `token ${said}`);
    await message(33);
    if (!this.#options.lateAck) await answer(36, 16, 1);
    await message(51);
    if (this.#options.lateAck) await answer(36, 16, 1);
    await answer(51, 4, this.#options.version ?? 11);
    const data = await message(54);
    if (data === undefined) return undefined;
    const view = new DataView(data.buffer);
    const names = await take(view.getUint32(4, true) + view.getUint32(8, true));
    if (names === undefined) return undefined;
    this.#expect(new TextDecoder().decode(names).endsWith("nbdmode"), "the operation");
    const features = await message(55);
    if (features === undefined) return undefined;
    this.#expect(features[4] === 3, "features");
    await message(52);
    this.messageRecords.push(...connection.recordBytes);
    await answer(52, 4, 0);
    return () => {
      const rest = held.length > 0 ? held : undefined;
      held = new Uint8Array(0);
      return Promise.resolve(rest);
    };
  }

  #expect(holds: boolean, what: string): void {
    if (!holds) this.violations.push(what);
  }
}

interface Link {
  read(): Promise<Uint8Array | null>;
  write(bytes: Uint8Array): Promise<void>;
}

function encode(line: string): Uint8Array {
  return new TextEncoder().encode(`${line}\r\n`);
}
