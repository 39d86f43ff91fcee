/** Connects to the data port of a host, up to where it takes records. */

import { ServerError } from "../../errors.ts";
import { ConnectionError, ProtocolError, reasonOf, TrustError } from "../errors.ts";
import { type ByteLink, ByteReader } from "../net/byte_link.ts";
import { formatEndpoint, TcpLink } from "../net/tcp_link.ts";
import { TlsLink } from "../net/tls_link.ts";
import { runDialogue } from "./dialogue.ts";
import { checkGreeting, type Greeting, MAX_LINE_BYTES, parseGreeting } from "./greeting.ts";
import { shakeHands } from "./message.ts";
import type { Ticket } from "./ticket.ts";

/** Options of connecting to the data port. */
export interface DataPortOptions {
  /** Whether the disk's bytes go through TLS, too; the ticket always does. */
  isEncrypted: boolean;
  /** The longest silence of the host while an answer is due. */
  patienceMs: number;
  signal?: AbortSignal;
}

/** Where the ticket was taken, and nothing else was done yet. */
interface GrantedPort {
  tcp: TcpLink;
  greeting: Greeting;
  certificate: Uint8Array;
}

/**
 * Connects with a ticket and gives the connection on which records go.
 *
 * @throws {TrustError} if the host is not proved to be the one of the ticket; the ticket was not sent
 * @throws {ServerError} if it cannot be reached, refuses the ticket, or does not keep to its protocol
 */
export async function connectDataPort(ticket: Ticket, options: DataPortOptions): Promise<ByteLink> {
  return await within(ticket, options, async () => {
    const { tcp, certificate } = await showTicket(ticket, options);
    try {
      const link = options.isEncrypted
        ? await startSecondSession(tcp, { ticket, certificate, timeoutMs: options.patienceMs })
        : tcp;
      await shakeHands(link, options);
      return link;
    } catch (error) {
      tcp.close();
      throw error;
    }
  });
}

/** Takes the ticket to the data port and stops there, to see whether disks could be opened. */
export async function probeDataPort(
  ticket: Ticket,
  options: DataPortOptions,
): Promise<{ greeting: Greeting; certificate: Uint8Array }> {
  return await within(ticket, options, async () => {
    const { tcp, ...found } = await showTicket(ticket, options);
    tcp.close();
    return found;
  });
}

/** Greeting, first TLS session, dialogue; the session is abandoned then, without an alert. */
async function showTicket(ticket: Ticket, options: DataPortOptions): Promise<GrantedPort> {
  const { patienceMs, signal, isEncrypted } = options;
  const { endpoint, thumbprint } = ticket;
  const tcp = await TcpLink.connect(endpoint, { signal });
  try {
    const reader = new ByteReader(tcp, { patienceMs });
    const greeting = parseGreeting(await reader.line(MAX_LINE_BYTES));
    checkGreeting(greeting, { isEncrypted });
    if (reader.rest().length > 0) throw new ProtocolError("the data port says more than its greeting");
    const tls = await TlsLink.start(tcp, {
      trust: { thumbprint },
      host: endpoint.host,
      timeoutMs: patienceMs,
    });
    await runDialogue(tls, { ticket, isEncrypted, certificate: tls.certificate, patienceMs });
    tls.abandon();
    return { tcp, greeting, certificate: tls.certificate };
  } catch (error) {
    tcp.close();
    throw error;
  }
}

/** A second, whole handshake on the same TCP connection; the host must show the certificate of the first. */
async function startSecondSession(
  tcp: TcpLink,
  { ticket, certificate, timeoutMs }: { ticket: Ticket; certificate: Uint8Array; timeoutMs: number },
): Promise<TlsLink> {
  const { endpoint: { host }, thumbprint } = ticket;
  const tls = await TlsLink.start(tcp, { trust: { thumbprint }, host, timeoutMs });
  // The thumbprint may be a SHA-1; this is no more work.
  const isSame = certificate.length === tls.certificate.length &&
    certificate.every((byte, i) => byte === tls.certificate[i]);
  if (!isSame) {
    throw new TrustError(`Cannot trust the data port of ${tcp.peer}: it has changed its certificate`);
  }
  return tls;
}

/** Gives failures the place where they happened; the kind of the error stays. */
async function within<T>(
  ticket: Ticket,
  { signal }: Pick<DataPortOptions, "signal">,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof ServerError)) throw error;
    const message = reasonOf(error).replaceAll(ticket.sessionId, "***");
    const place = `Cannot use the data port of ${formatEndpoint(ticket.endpoint)}`;
    const text = message.startsWith("Cannot ") ? message : `${place}: ${message}`;
    if (error instanceof TrustError) throw new TrustError(text);
    if (error instanceof ConnectionError) throw new ConnectionError(text);
    if (error instanceof ProtocolError) throw new ProtocolError(text);
    throw new ServerError(text);
  }
}
