/** Tickets for the data port of the host that has a machine. */

import { ServerError } from "../errors.ts";
import { ProtocolError, TrustError } from "./errors.ts";
import { formatMachine, type Machine } from "./machine.ts";
import type { Ticket } from "./nfc/ticket.ts";
import { parseThumbprint, thumbprintOf } from "./net/trust.ts";
import { SERVICE_INSTANCE } from "./service_content.ts";
import type { VsphereSession } from "./session.ts";
import { refElement, refIn } from "./soap/envelope.ts";
import { VsphereFault } from "./soap/fault.ts";
import { childOf, integerAt, textAt } from "./soap/xml.ts";

const DATA_PORT = 902;
const MAX_PORT = 65535;

/**
 * A ticket to read all disks of a machine. It can be used once, and soon.
 *
 * @throws {ServerError} if the server gives none
 */
export async function takeTicket(
  session: VsphereSession,
  machine: Pick<Machine, "ref" | "name">,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Ticket> {
  const internal = await session.call("RetrieveInternalContent", SERVICE_INSTANCE, "", { signal });
  const service = childOf(childOf(internal, "returnval"), "nfcService");
  if (service === undefined) {
    throw new ServerError("Cannot read disks: the server has no service for its data port");
  }
  const answer = await session.call(
    "NfcGetVmFiles",
    refIn(service, "the service"),
    refElement("vm", machine.ref),
    {
      signal,
    },
  ).catch((error) => {
    if (!(error instanceof VsphereFault)) throw error;
    throw new ServerError(
      `Cannot get a ticket for the disks of machine ${formatMachine(machine)}: ${error.message}`,
      {
        cause: error,
      },
    );
  });
  const value = childOf(answer, "returnval");
  const { isVCenter } = session.content;
  // A host leaves its own name out.
  const host = textAt(value, "host")?.trim() || (isVCenter ? "" : session.endpoint.host);
  const port = integerAt(value, "port") ?? DATA_PORT;
  const serviceName = textAt(value, "service") ?? "";
  const sessionId = textAt(value, "sessionId") ?? "";
  // The text becomes part of a line of the data port's dialogue.
  if (!/^[\x21-\x7e]{1,1000}$/.test(sessionId)) throw new ProtocolError("the server's ticket is not usable");
  if (!/^[a-z][a-z-]{0,30}$/.test(serviceName)) {
    throw new ProtocolError("the server's ticket names no service");
  }
  if (port < 1 || port > MAX_PORT) throw new ProtocolError("the server's ticket names no port");
  if (!/^[\w.:%-]{1,255}$/.test(host)) throw new ProtocolError("the server's ticket names no host");
  const thumbprint = textAt(value, "sslThumbprint")?.trim();
  if (!thumbprint && isVCenter) {
    throw new TrustError(`Cannot trust the data port of ${host}: the server's ticket has no thumbprint`);
  }
  return {
    endpoint: { host, port },
    service: serviceName,
    sessionId,
    // On a host, both ports show one certificate.
    thumbprint: thumbprint ? parseThumbprint(thumbprint) : thumbprintOf(session.certificate, "SHA-1"),
  };
}
