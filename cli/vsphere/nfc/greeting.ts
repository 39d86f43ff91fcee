/** The line with which a host greets on its data port, in clear text before TLS. */

import { ProtocolError, shown } from "../errors.ts";

/** Real lines are under 200 bytes. */
export const MAX_LINE_BYTES = 1024;

/** The abilities that the host announces. */
export interface Greeting {
  /** `VMware Authentication Daemon Version 1.10`. */
  version: string;
  /** Names before a slash: `SSL Required`, `NFCSSL supported`, `SHA256 supported` ... */
  items: ReadonlySet<string>;
}

/**
 * Understands `220 VERSION: ITEM, ITEM/DETAIL, ...`.
 *
 * @throws {ProtocolError} if the line is none
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * const { items } = parseGreeting("220 Daemon 1.10: SSL Required, NFCSSL supported/t, SHA256 supported");
 * assert(items.has("NFCSSL supported"));
 * ```
 */
export function parseGreeting(line: string): Greeting {
  const [, version, list] = /^220 (.*?): (.*)$/.exec(line) ?? [];
  if (version === undefined) {
    throw new ProtocolError(`the data port does not greet as the one of an ESXi host: "${shown(line)}"`);
  }
  // Names are compared whole and with case; nothing is decided by the version.
  const items = list.split(",").map((item) => item.trim().replace(/\/.*$/, ""));
  return { version, items: new Set(items) };
}

/**
 * @throws {ProtocolError} if the host lacks what a client with this transport needs
 */
export function checkGreeting({ version, items }: Greeting, { isEncrypted }: { isEncrypted: boolean }): void {
  const needed = ["SHA256 supported", ...isEncrypted ? ["NFCSSL supported"] : []];
  const missing = needed.filter((item) => !items.has(item));
  if (missing.length === 0) return;
  throw new ProtocolError(
    `the data port (${shown(version)}) does not offer "${missing.join('", "')}": ESXi 7 or newer is needed`,
  );
}
