/** The lines in the first TLS session of the data port: the ticket goes in, the disk service is granted. */

import { ConnectionError, ProtocolError, shown, TrustError } from "../errors.ts";
import { type ByteLink, ByteReader } from "../net/byte_link.ts";
import { thumbprintOf } from "../net/trust.ts";
import { MAX_LINE_BYTES } from "./greeting.ts";
import type { Ticket } from "./ticket.ts";

/** Between `THUMBPRINT_SHA2` and the first message; a host only compares both. Without spaces and colons. */
export const TOKEN = "PlainText";

/** The content of a dialogue. */
export interface DialogueOptions {
  ticket: Ticket;
  /** Whether the service with TLS inside is asked for. */
  isEncrypted: boolean;
  /** The certificate (DER) that the host has shown. */
  certificate: Uint8Array;
  patienceMs: number;
}

/**
 * Shows the ticket and asks for the disk service. When it returns, the TLS session is to be abandoned and the
 * TCP connection belongs to the service.
 *
 * @throws {TrustError} if the host announces another certificate than it shows
 * @throws {ProtocolError} if it refuses or leaves the protocol; the message never has the ticket
 */
export async function runDialogue(link: ByteLink, options: DialogueOptions): Promise<void> {
  const { ticket, isEncrypted, certificate, patienceMs } = options;
  const reader = new ByteReader(link, { patienceMs });
  const say = async (line: string) => await link.write(new TextEncoder().encode(`${line}\r\n`));
  const hear = async () => {
    const line = await reader.line(MAX_LINE_BYTES);
    return { line, told: shown(line.replaceAll(ticket.sessionId, "***")) };
  };
  // Never answered.
  await say(`SESSION ${ticket.sessionId}`);
  // The space at the end belongs to the command.
  await say("BANNER ");
  const banner = await hear();
  if (!banner.line.startsWith("220 ")) {
    throw new ProtocolError(`the data port refuses the ticket: "${banner.told}"`);
  }
  await say(`THUMBPRINT_SHA2 ${TOKEN}`);
  const announced = await hear();
  if (!announced.line.startsWith("200 ")) {
    throw new ProtocolError(`the data port does not announce its certificate: "${announced.told}"`);
  }
  const { text } = thumbprintOf(certificate, "SHA-256");
  if (announced.line.slice("200 ".length).trim().toUpperCase() !== text) {
    throw new TrustError(
      `Cannot trust the data port of ${link.peer}: it announces a certificate with "${announced.told}" and shows ` +
        `one with ${text}`,
    );
  }
  await say(`PROXY ${ticket.service}${isEncrypted ? "ssl" : ""}`);
  const granted = await hear().catch((error) => {
    // A host that knows the ticket no more may just hang up.
    if (!(error instanceof ConnectionError)) throw error;
    throw new ConnectionError(`the data port does not take the ticket: ${error.message}`, { cause: error });
  });
  // Through a vCenter, too, the service of the host is granted.
  if (granted.line.trim() !== `200 Connect ha-nfc${isEncrypted ? "ssl" : ""}`) {
    throw new ProtocolError(`the data port does not grant the disk service: "${granted.told}"`);
  }
  // Bytes behind the grant would belong to a session that is over.
  if (reader.rest().length > 0) throw new ProtocolError("the data port says more than was asked");
}
