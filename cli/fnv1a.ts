/** A short hash for names that are too long: it tells names apart by accident, not against an attacker. */

/**
 * FNV-1a of 64 bits of the UTF-8 bytes of `text`, as 16 hexadecimal digits.
 *
 * Source: G. Fowler, L. C. Noll, K. Vo, "The FNV Non-Cryptographic Hash Algorithm", offset basis and prime for 64 bits.
 */
export function fnv1a(text: string): string {
  const hash = new TextEncoder().encode(text).reduce(
    (hash, byte) => BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n),
    0xcbf29ce484222325n,
  );
  return hash.toString(16).padStart(16, "0");
}
