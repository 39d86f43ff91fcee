/** The trust in a server, from the options of a user. */

import { X509Certificate } from "node:crypto";
import { UsageError } from "../errors.ts";
import { reasonOf } from "./errors.ts";
import { parseThumbprint, type Trust } from "./net/trust.ts";

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** A server's certificate takes some thousand characters, a list of all public authorities 300 000. */
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * The trust that a thumbprint (SHA-1 or SHA-256, in hex) or a file with the certificates of authorities (PEM)
 * gives.
 *
 * @throws {UsageError} if neither or both are given, or one is not usable: there is no connection to a server
 * that nothing vouches for
 */
export async function chooseTrust(
  { thumbprint, caFile }: { thumbprint?: string; caFile?: string },
): Promise<Trust> {
  if ((thumbprint === undefined) === (caFile === undefined)) {
    const found = thumbprint === undefined ? "neither a thumbprint nor" : "both a thumbprint and";
    throw new UsageError(
      `Cannot verify the server: ${found} a file with certificates of authorities is given`,
    );
  }
  if (thumbprint !== undefined) {
    try {
      return { thumbprint: parseThumbprint(thumbprint) };
    } catch (cause) {
      throw new UsageError(`Cannot verify the server: ${reasonOf(cause)}`, { cause });
    }
  }
  return { authoritiesPem: await readAuthorities(caFile!) };
}

async function readAuthorities(path: string): Promise<string> {
  let text: string;
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, at most ${MAX_BYTES} are read`);
    text = await Deno.readTextFile(path);
  } catch (cause) {
    throw new UsageError(`Cannot verify the server by "${path}": ${reasonOf(cause)}`, { cause });
  }
  const certificates = text.match(PEM_CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    throw new UsageError(`Cannot verify the server by "${path}": it has no certificate in PEM`);
  }
  // Deno passes over what it cannot read, with a line on standard error.
  certificates.forEach((pem, i) => {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      const reason = `its certificate ${i + 1} is damaged: ${reasonOf(cause)}`;
      throw new UsageError(`Cannot verify the server by "${path}": ${reason}`, { cause });
    }
  });
  return `${certificates.join("\n")}\n`;
}
