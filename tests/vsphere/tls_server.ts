/** The server's side of TLS on a connection that goes on when a session is dropped; for tests only. */

import { Duplex } from "node:stream";
import { createSecureContext, TLSSocket } from "node:tls";
import type { TestCertificate } from "./certificates.ts";

const APPLICATION_DATA = 23;

/** A TCP connection from the server's side, with a look at the TLS records that come in. */
export class ServerConnection {
  readonly #connection: Deno.Conn;
  #underWay?: Promise<Uint8Array | null>;
  #turn = 0;
  /** Bytes of each application-data record that the client has sent, as TLS frames them. */
  readonly recordBytes: number[] = [];
  #header: number[] = [];
  #skipBytes = 0;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** The last caller gets what comes. */
  async read(): Promise<Uint8Array | null> {
    const turn = ++this.#turn;
    const bytes = await (this.#underWay ??= this.#receive());
    if (turn !== this.#turn) return await new Promise<never>(() => {});
    this.#underWay = undefined;
    return bytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  close(): void {
    try {
      this.#connection.close();
    } catch {
      // Closed already.
    }
  }

  /** Starts to look at records: behind the greeting, and anew with each session. */
  beginRecords(): void {
    this.recordBytes.length = 0;
  }

  async #receive(): Promise<Uint8Array | null> {
    const buffer = new Uint8Array(64 * 1024);
    const count = await this.#connection.read(buffer).catch(() => null);
    if (count === null) return null;
    const bytes = buffer.subarray(0, count);
    this.#look(bytes);
    return bytes;
  }

  /** RFC 5246, 6.2.1: type, version, length. */
  #look(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#skipBytes > 0) {
        const passed = Math.min(this.#skipBytes, bytes.length - at);
        this.#skipBytes -= passed;
        at += passed;
        continue;
      }
      this.#header.push(bytes[at++]);
      if (this.#header.length < 5) continue;
      const [type, , , high, low] = this.#header;
      this.#header = [];
      this.#skipBytes = high << 8 | low;
      if (type === APPLICATION_DATA) this.recordBytes.push(this.#skipBytes);
    }
  }
}

/** A TLS session of a server. */
export class ServerTls {
  readonly #socket: TLSSocket;
  readonly #carrier: Carrier;
  readonly #waiting: Uint8Array[] = [];
  #isEnded = false;
  #wake?: () => void;

  constructor(
    connection: ServerConnection,
    { cert, key }: TestCertificate,
    maxVersion?: "TLSv1.2" | "TLSv1.3",
  ) {
    this.#carrier = new Carrier(connection);
    this.#socket = new TLSSocket(this.#carrier, {
      isServer: true,
      secureContext: createSecureContext({ cert, key, ...(maxVersion ? { maxVersion } : {}) }),
    });
    this.#socket.on("data", (bytes: Uint8Array) => {
      this.#waiting.push(bytes);
      this.#wake?.();
    });
    const end = () => {
      this.#isEnded = true;
      this.#wake?.();
    };
    this.#socket.on("end", end);
    this.#socket.on("close", end);
    this.#socket.on("error", end);
    this.#carrier.on("error", end);
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const bytes = this.#waiting.shift();
      if (bytes !== undefined) return bytes;
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()));
  }

  /** Forgets the session without an alert. */
  drop(): void {
    this.#isEnded = true;
    this.#carrier.detach();
    this.#socket.destroy();
    this.#wake?.();
  }
}

class Carrier extends Duplex {
  #isDetached = false;

  constructor(readonly connection: ServerConnection) {
    super();
  }

  detach(): void {
    this.#isDetached = true;
    this.destroy();
  }

  override _read(): void {
    void this.connection.read().then((bytes) => this.#isDetached || this.push(bytes));
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#isDetached) return done();
    this.connection.write(bytes).then(() => done(), (error) => done(error));
  }
}
