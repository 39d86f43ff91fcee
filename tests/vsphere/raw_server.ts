/**
 * A TLS server that answers each connection with the next of some recorded replies, byte for byte; for tests
 * only.
 */

import { parseThumbprint } from "../../cli/vsphere/net/trust.ts";
import type { ServerLogin } from "../../cli/vsphere/session.ts";
import { makeCertificate, type TestCertificate } from "./certificates.ts";
import { PASSWORD, USER } from "./soap_server.ts";

/** A server; behind its last reply it hangs up on everybody. */
export class RawServer implements AsyncDisposable {
  readonly certificate: TestCertificate;
  /** What came, one text a connection. */
  readonly requests: string[] = [];
  readonly #listener: Deno.TlsListener;
  readonly #accepting: Promise<void>;

  private constructor(certificate: TestCertificate, replies: readonly (string | Uint8Array)[]) {
    this.certificate = certificate;
    const { cert, key } = certificate;
    this.#listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
    this.#accepting = this.#accept([...replies]);
  }

  static async start(replies: readonly (string | Uint8Array)[]): Promise<RawServer> {
    return new RawServer(await makeCertificate(), replies);
  }

  /** How to log in to it. */
  login(): ServerLogin {
    return {
      endpoint: { host: "127.0.0.1", port: this.#listener.addr.port },
      trust: { thumbprint: parseThumbprint(this.certificate.sha1) },
      user: USER,
      password: PASSWORD,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
  }

  async #accept(replies: (string | Uint8Array)[]): Promise<void> {
    for (;;) {
      let connection: Deno.TlsConn;
      try {
        connection = await this.#listener.accept();
      } catch {
        return;
      }
      try {
        await this.#serve(connection, replies.shift() ?? "");
      } catch {
        // The client has left.
      } finally {
        connection.close();
      }
    }
  }

  async #serve(connection: Deno.TlsConn, reply: string | Uint8Array): Promise<void> {
    let text = "";
    const buffer = new Uint8Array(65536);
    const isWhole = () => {
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      return end >= 0 && text.length >= end + 4 + length;
    };
    while (!isWhole()) {
      const count = await connection.read(buffer);
      if (count === null) return;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    this.requests.push(text);
    const bytes = typeof reply === "string" ? new TextEncoder().encode(reply) : reply;
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    await connection.closeWrite();
  }
}
