/** How servers are named on the command line. */

import { UsageError } from "../../errors.ts";

/** Where a server listens. */
export interface ServerAddress {
  /** A name, or an address; IPv6 without brackets. */
  host: string;
  port: number;
}

const HTTPS_PORT = 443;
const MAX_PORT = 65535;
/**
 * Understands `HOST`, `HOST:PORT`, `[IPv6]`, `[IPv6]:PORT` and a plain IPv6 address; the port is 443 if none is named.
 *
 * @throws {UsageError} if it is none of these
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseServer("[::1]:8443"), { host: "::1", port: 8443 });
 * ```
 */
export function parseServer(text: string): ServerAddress {
  const [, bracketed, plain, name, digits] =
    /^(?:\[([\dA-Fa-f:.]+(?:%\w+)?)\]|([\dA-Fa-f.]*:[\dA-Fa-f.]*:[\dA-Fa-f:.]*(?:%\w+)?)$|([^\s:/@[\]%]+))(?::(\d{1,5}))?$/
      .exec(text) ?? [];
  const host = bracketed ?? plain ?? name;
  const port = digits === undefined ? HTTPS_PORT : Number(digits);
  if (host === undefined || port === 0 || port > MAX_PORT) {
    throw new UsageError(
      `Cannot use server "${text}": HOST, HOST:PORT or [IPv6]:PORT is wanted, with a port from 1 to ${MAX_PORT}`,
    );
  }
  return { host, port };
}

/** `host:port`, as {@linkcode parseServer} understands it. */
export function formatServer({ host, port }: ServerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
