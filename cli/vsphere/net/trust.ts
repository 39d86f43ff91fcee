/** Verification of a server's certificate. */

import { createHash } from "node:crypto";
import { TrustError } from "../errors.ts";

/** The hash of a certificate. */
export interface Thumbprint {
  algorithm: "SHA-1" | "SHA-256";
  /** Pairs of capital hex digits with colons between them. */
  text: string;
}

/**
 * A certificate of exactly this hash, or one that an authority of the file has signed for the server's name.
 */
export type Trust = { thumbprint: Thumbprint } | { authoritiesPem: string };

/** The hash of a thumbprint, by its number of hex digits. */
const ALGORITHM_OF_DIGITS: Record<number, Thumbprint["algorithm"]> = { 40: "SHA-1", 64: "SHA-256" };

/**
 * Understands 20 or 32 bytes in hex, with or without colons.
 *
 * @throws {TrustError} if it is neither; the sentence has no subject, so that the caller can say where it
 * came from
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const sha1 = parseThumbprint("a9993e364706816aba3e25717850c26c9cd0d89d");
 * assertEquals(sha1.algorithm, "SHA-1");
 * assertEquals(sha1.text.slice(0, 8), "A9:99:3E");
 * ```
 */
export function parseThumbprint(text: string): Thumbprint {
  const digits = text.trim().toUpperCase().replaceAll(":", "");
  const algorithm = ALGORITHM_OF_DIGITS[digits.length];
  if (algorithm === undefined || !/^[0-9A-F]+$/.test(digits)) {
    throw new TrustError(
      "the thumbprint is not usable: 40 hex digits (SHA-1) or 64 (SHA-256) are expected, " +
        `${digits.length} characters are given`,
    );
  }
  return { algorithm, text: digits.match(/../g)!.join(":") };
}

/** The thumbprint of a certificate (DER). */
export function thumbprintOf(certificate: Uint8Array, algorithm: Thumbprint["algorithm"]): Thumbprint {
  const name = algorithm === "SHA-1" ? "sha1" : "sha256";
  return parseThumbprint(createHash(name).update(certificate).digest("hex"));
}

/**
 * Checks that a certificate (DER) is the one that is meant.
 *
 * @throws {TrustError} if it has another hash; the message has both
 */
export function checkThumbprint(certificate: Uint8Array, wanted: Thumbprint, peer: string): void {
  const found = thumbprintOf(certificate, wanted.algorithm);
  if (found.text === wanted.text) return;
  throw new TrustError(
    `Cannot trust ${peer}: its certificate has the ${wanted.algorithm} thumbprint ${found.text}, ` +
      `${wanted.text} is expected; nothing was sent`,
  );
}

const TAG_SEQUENCE = 0x30;
const TAG_VERSION = 0xa0;
const TAG_INTEGER = 0x02;
const VERSION_3 = 2;

/**
 * Refuses a certificate (DER) that is not X.509 version 3: with older ones, Deno up to 2.9 does not verify
 * that the server has the key, so that another server could show the certificate.
 *
 * @throws {TrustError} if it is not version 3
 */
export function checkVersion3(certificate: Uint8Array, peer: string): void {
  // RFC 5280, 4.1: SEQUENCE { SEQUENCE { [0] { INTEGER version } ... } ... }; without [0] it is version 1.
  const outer = contentOf(certificate, 0, TAG_SEQUENCE);
  const inner = outer === undefined ? undefined : contentOf(certificate, outer, TAG_SEQUENCE);
  const tagged = inner === undefined ? undefined : contentOf(certificate, inner, TAG_VERSION);
  const version = tagged === undefined ? undefined : contentOf(certificate, tagged, TAG_INTEGER);
  if (version !== undefined && certificate[version] === VERSION_3) return;
  throw new TrustError(
    `Cannot trust ${peer}: its certificate is not of X.509 version 3, so that its key cannot be verified; ` +
      "give the server a certificate of version 3",
  );
}

/** Where the content of the DER element at `at` begins; undefined if it is not of this tag. */
function contentOf(der: Uint8Array, at: number, tag: number): number | undefined {
  if (der[at] !== tag) return undefined;
  const length = der[at + 1];
  // 0x81 to 0x84: the length itself takes one to four bytes.
  return at + 2 + (length > 0x80 ? length & 0x7f : 0);
}

/** Deno before it accepts a server that shows a certificate without having its key. */
const FIRST_SAFE_DENO = [2, 8];

/** @throws {TrustError} on a Deno that does not verify the key of a pinned certificate */
export function checkRuntime(version: string = Deno.version.deno): void {
  const [major, minor] = version.split(".").map(Number);
  const [safeMajor, safeMinor] = FIRST_SAFE_DENO;
  if (major > safeMajor || (major === safeMajor && minor >= safeMinor)) return;
  throw new TrustError(
    `Cannot connect to a server: Deno ${version} does not verify that a server has the key of its certificate; ` +
      `Deno ${FIRST_SAFE_DENO.join(".")} or newer is needed`,
  );
}
