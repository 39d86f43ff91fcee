/** `vmdkbkp thumbprint`: show which certificate a server has. */

import { note } from "../files/standard_streams.ts";
import type { ValuesOf } from "../options/option.ts";
import { formatServer, parseServer } from "../vsphere/net/server_address.ts";
import { fetchCertificate } from "../vsphere/net/server_certificate.ts";
import { type CommonOptions, newCommand, printReport } from "./common.ts";

export const command = newCommand("thumbprint", {
  description: `Fetch the certificate of a server and print its thumbprint, the SHA-1 of the certificate.

The certificate is not verified, and the network could have answered in the server's place: compare the value
with what the server's own console shows. On an ESXi host that is
  openssl x509 -in /etc/vmware/ssl/rui.crt -noout -fingerprint -sha1`,
  examples: `
vmdkbkp thumbprint esxi.example
vmdkbkp thumbprint --json [2001:db8::7]:443`,
  args: {
    "<server>": { help: "HOST or HOST:PORT (default port: 443); an IPv6 address with a port in brackets" },
  },
  options: {
    sha256: { type: "flag", help: "print the SHA-256 instead" },
  },
});

type Options = ValuesOf<typeof command> & Pick<CommonOptions, "signal">;

export async function run(options: Options, [text]: string[]): Promise<number> {
  const server = parseServer(text);
  const certificate = await fetchCertificate(server, options);
  const sha1 = await thumbprintOf(certificate, "SHA-1");
  const sha256 = await thumbprintOf(certificate, "SHA-256");
  if (!options.json) {
    note("Warning: the thumbprint is not verified: compare it with what the server's console shows\n");
  }
  const details = options.json ? { ...await describe(certificate), verified: false } : {};
  return printReport(options, {
    text: [options.sha256 ? sha256 : sha1],
    json: { command: "thumbprint", server: formatServer(server), sha1, sha256, ...details },
  });
}

/** `AA:BB:...`, as openssl and the disk library write it. */
async function thumbprintOf(
  certificate: Uint8Array<ArrayBuffer>,
  algorithm: "SHA-1" | "SHA-256",
): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest(algorithm, certificate));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(":");
}

/** What the certificate says. Without it where Deno cannot read it: old servers have odd ones. */
async function describe(certificate: Uint8Array): Promise<Record<string, string>> {
  // Loaded here: it takes 60 ms.
  const { X509Certificate } = await import("node:crypto");
  try {
    const { subject, issuer, validFrom, validTo } = new X509Certificate(certificate);
    return { subject, issuer, validFrom: isoTime(validFrom), validTo: isoTime(validTo) };
  } catch {
    return {};
  }
}

/** Deno 2.4 writes the time in another way than Node. */
function isoTime(text: string): string {
  return new Date(text).toISOString();
}
