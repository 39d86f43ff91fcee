/**
 * Public keys of minisign.
 *
 * A file has two lines, a comment and the key in base64. The second line alone is also a valid key, which
 * minisign accepts on its command line. The decoded bytes are
 *
 *     0   2  "Ed", the algorithm: Ed25519
 *     2   8  key id, random, in signatures as well
 *    10  32  public key (RFC 8032, section 5.1.5)
 *
 * Source: https://jedisct1.github.io/minisign/, "Public key format".
 */

import type { KeyObject } from "node:crypto";
import {
  algorithmText,
  decodeLine,
  fault,
  hex,
  isAlgorithm,
  type MinisignFile,
  readComment,
  splitLines,
  UNTRUSTED_PREFIX,
} from "./text.ts";

/** The name of the algorithm of keys, and of signatures over a whole file. */
export const ED25519 = "Ed";
/** The length of a key id. */
export const KEY_ID_BYTES = 8;
/** The length of a public key, and of the seed of a secret key. */
export const POINT_BYTES = 32;

const ALGORITHM_BYTES = 2;
const PUBLIC_KEY_BYTES = ALGORITHM_BYTES + KEY_ID_BYTES + POINT_BYTES;

/**
 * The bytes that turn the 32 bytes of a key into a `SubjectPublicKeyInfo` when they are put in front of it
 * (RFC 8410, section 4).
 */
const SPKI_PREFIX = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/** A key that verifies signatures. */
export interface PublicKey {
  /** 16 hexadecimal digits, as minisign prints it: `E7620F1842B4E81F`. */
  readonly keyId: string;
  /** The key for `node:crypto`. */
  readonly publicKey: KeyObject;
}

/**
 * Reads a public key: the content of a `.pub` file, or its line of base64 alone.
 *
 * @param bytes the whole file, or at least its first `MAX_MINISIGN_BYTES + 1` bytes
 * @param path the path of the file, or the name of the key in messages
 * @throws {FormatError} if `bytes` are not a public key, or the key is not a point of the curve
 *
 * @example
 * ```ts
 * import { readPublicKey } from "./public_key.ts";
 *
 * const line = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
 * const key = await readPublicKey(new TextEncoder().encode(line), "--trusted-key");
 * console.assert(key.keyId === "E7620F1842B4E81F");
 * ```
 */
export async function readPublicKey(bytes: Uint8Array, path: string): Promise<PublicKey> {
  const file: MinisignFile = { what: "public key", path };
  const lines = splitLines(bytes, { file, counts: [1, 2] });
  const keyLine = lines.pop()!;
  if (lines.length > 0) readComment(lines[0], { file, prefix: UNTRUSTED_PREFIX });
  const raw = decodeLine(keyLine, { file, lenBytes: PUBLIC_KEY_BYTES });
  const algorithm = raw.subarray(0, ALGORITHM_BYTES);
  if (!isAlgorithm(algorithm, ED25519)) {
    throw fault(file, `algorithm "${ED25519}"`, algorithmText(algorithm));
  }
  const keyEnd = ALGORITHM_BYTES + KEY_ID_BYTES;
  try {
    return {
      keyId: keyIdText(raw.subarray(ALGORITHM_BYTES, keyEnd)),
      publicKey: await publicKeyObject(raw.subarray(keyEnd)),
    };
  } catch {
    throw fault(file, "a point of the curve Ed25519", hex(raw.subarray(keyEnd)));
  }
}

/**
 * Returns the key of `node:crypto` for a public key of 32 bytes.
 *
 * @throws {Error} of `node:crypto` if the bytes are not a point of the curve
 */
export async function publicKeyObject(point: Uint8Array): Promise<KeyObject> {
  const { createPublicKey } = await import("node:crypto");
  const { Buffer } = await import("node:buffer");
  return createPublicKey({ key: Buffer.from([...SPKI_PREFIX, ...point]), format: "der", type: "spki" });
}

/** Returns a key id as minisign prints it: a 64-bit little-endian integer, in capital hexadecimal digits. */
export function keyIdText(bytes: Uint8Array): string {
  return hex(bytes.toReversed()).toUpperCase();
}

/** Returns the bytes of a key id. It is the inverse of {@linkcode keyIdText}. */
export function keyIdBytes(keyId: string): Uint8Array {
  return Uint8Array.from(keyId.match(/../g) ?? [], (digits) => parseInt(digits, 16)).reverse();
}
