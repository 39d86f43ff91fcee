/** Fetches the certificate of a TLS server without believing it. */

import { formatServer, type ServerAddress } from "./server_address.ts";
import { certificateOf, clientHello, MAX_ANSWER_BYTES, TlsError } from "./tls_hello.ts";

const TIMEOUT_MS = 10_000;
const READ_BYTES = 16 * 1024;
const RANDOM_BYTES = 32;

/**
 * The certificate (DER) that `server` presents. Whether it is the right server is not verified.
 *
 * @param options `timeoutMs` is for all of it, 10 seconds unless told
 * @throws {Error} that names the server, if it cannot be reached, speaks no TLS 1.2 or does not answer in time
 */
export async function fetchCertificate(
  server: ServerAddress,
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { timeoutMs = TIMEOUT_MS, signal } = options;
  signal?.throwIfAborted();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(failure(server, `it does not answer within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  // Neither connecting nor reading can be called off in Deno 2.4: the connection is closed under them.
  const connecting = connect(server);
  try {
    return await Promise.race([connecting.then((connection) => converse(server, connection)), stopped]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    connecting.then((connection) => connection.close(), () => {});
  }
}

async function connect(server: ServerAddress): Promise<Deno.Conn> {
  try {
    return await Deno.connect({ hostname: server.host, port: server.port });
  } catch (cause) {
    throw new Error(`Cannot connect to ${formatServer(server)}: ${reasonOf(cause)}`, { cause });
  }
}

/** Says hello and listens until the certificate is there. */
async function converse(server: ServerAddress, connection: Deno.Conn): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const hello = clientHello(server.host, crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));
    for (let at = 0; at < hello.length;) at += await connection.write(hello.subarray(at));
    const answer = new Uint8Array(MAX_ANSWER_BYTES);
    for (let length = 0; length < answer.length;) {
      const part = await connection.read(answer.subarray(length, length + READ_BYTES));
      if (part === null) {
        throw new TlsError(`it ends the connection after ${length} bytes, before it sends a certificate`);
      }
      length += part;
      const certificate = certificateOf(answer.subarray(0, length));
      if (certificate !== undefined) return certificate;
    }
    throw new TlsError(`no certificate is found in its first ${MAX_ANSWER_BYTES} bytes`);
  } catch (cause) {
    throw failure(server, reasonOf(cause), { cause });
  }
}

function failure(server: ServerAddress, reason: string, options?: ErrorOptions): Error {
  return new Error(`Cannot fetch the certificate of ${formatServer(server)}: ${reason}`, options);
}

function reasonOf(cause: unknown): string {
  return (cause as Error).message;
}
