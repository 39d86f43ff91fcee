/** Seals that are well-formed whatever they say. */

import { createHash } from "node:crypto";

/** The bytes of a seal with these members, closed with its own SHA-256 as FORMAT.md says. */
export function closedSeal(body: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  const open = JSON.stringify(body, null, 2).replace(/\n\}$/, ",\n");
  const hex = createHash("sha256").update(open).digest("hex");
  return new TextEncoder().encode(`${open}  "sha256": "${hex}"\n}\n`);
}
