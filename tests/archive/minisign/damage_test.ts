/** Readers return a value or throw the error that they document, for any bytes. */

import { readPublicKey } from "../../../cli/archive/minisign/public_key.ts";
import { readSecretKey } from "../../../cli/archive/minisign/secret_key.ts";
import { readSignature } from "../../../cli/archive/minisign/signature.ts";
import { FormatError } from "../../../cli/errors.ts";
import { Random } from "../../../scripts/disk_image.ts";
import { OPENED_PAIR, PLAIN_PAIR, PUBLISHED_SIGNATURES, utf8 } from "./vectors.ts";

const ROUNDS = 1500;

/** Changes, cuts, doubles or inserts some bytes. */
function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  const parts = [...bytes];
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(parts.length + 1);
    const length = 1 + random.below(random.below(20) + 1);
    const noise = () =>
      random.below(4) === 0 ? [0x0a, 0x0d, 0x09, 0x20, 0x3d][random.below(5)] : random.below(256);
    if (random.below(4) === 0) parts.splice(at, length);
    else if (random.below(3) === 0) parts.splice(at, 0, ...parts.slice(at, at + length));
    else if (random.below(2) === 0) parts.splice(at, 0, ...Array.from({ length }, noise));
    else parts.splice(at, length, ...Array.from({ length }, noise));
  }
  return Uint8Array.from(parts);
}

const READERS: Record<string, { text: string; read: (bytes: Uint8Array) => unknown }> = {
  readPublicKey: { text: PLAIN_PAIR.publicText, read: (bytes) => readPublicKey(bytes, "a") },
  readSecretKey: { text: OPENED_PAIR.secretText, read: (bytes) => readSecretKey(bytes, { path: "a" }) },
  readSignature: { text: PUBLISHED_SIGNATURES[0].text, read: (bytes) => readSignature(bytes, "a") },
};

for (const [name, { text, read }] of Object.entries(READERS)) {
  Deno.test(`${name}() refuses damaged files with a FormatError, or reads them`, async () => {
    const seed = 4;
    const random = new Random(seed);
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = damaged(utf8(text), random);
      try {
        await read(bytes);
      } catch (cause) {
        if (!(cause instanceof FormatError)) throw new Error(`round ${round}, seed ${seed}`, { cause });
        refused++;
      }
    }
    // Damage of the untrusted comment has no effect.
    if (refused < ROUNDS / 4 || refused === ROUNDS) throw new Error(`${refused} of ${ROUNDS} were refused`);
  });
}
