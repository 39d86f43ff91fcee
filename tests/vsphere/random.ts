/** Seeded randomness: the seed goes into the failure message of whoever uses it. */

import { seeded } from "../disks/helpers.ts";

/** Numbers from 0 to below 1, the same for the same seed; neighbouring seeds have nothing in common. */
export function randomFrom(seed: number): () => number {
  const below = seeded(Math.imul(seed, 0x9e3779b1));
  return () => below(2 ** 32) / 2 ** 32;
}

/** Bytes with runs of noise, of text and of nothing: content that all codings have something to do with. */
export function mixedContent(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const random = randomFrom(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const end = Math.min(length, at + 1 + Math.floor(random() * 100_000));
    const kind = Math.floor(random() * 4);
    if (kind === 0) { for (let i = at; i < end; i++) bytes[i] = random() * 256; }
    if (kind === 1) { for (let i = at; i < end; i++) bytes[i] = 97 + i % 7; }
    if (kind === 2) { for (let i = at; i < end; i++) bytes[i] = random() < 0.05 ? 1 + random() * 255 : 0; }
    at = end;
  }
  return bytes;
}
