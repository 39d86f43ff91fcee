/** Seeded randomness: the seed goes into the failure message of whoever uses it. */

/** Numbers from 0 to below 1, the same for the same seed (xorshift128, Marsaglia 2003). */
export function randomFrom(seed: number): () => number {
  const state = new Uint32Array([seed ^ 0x9e3779b9, seed + 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f]);
  const next = () => {
    const t = state[3] ^ (state[3] << 11);
    state.copyWithin(1, 0, 3);
    state[0] = state[0] ^ (state[0] >>> 19) ^ t ^ (t >>> 8);
    return state[0] / 2 ** 32;
  };
  for (let i = 0; i < 20; i++) next();
  return next;
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
