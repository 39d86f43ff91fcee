/** The ticket that opens the data port. */

import type { Endpoint } from "../net/tcp_link.ts";
import type { Thumbprint } from "../net/trust.ts";

/** Good for one connection, for a short time. */
export interface Ticket {
  endpoint: Endpoint;
  /** `nfc` from a host, `vpxa-nfc` from a vCenter. */
  service: string;
  /** The ticket itself: a secret of unknown form. */
  sessionId: string;
  /** Of the certificate that the data port must show. */
  thumbprint: Thumbprint;
}
