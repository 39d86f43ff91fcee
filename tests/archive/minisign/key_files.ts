/** Secret keys that the tests make from the published format with hash-wasm, independently of the program. */

import { createBLAKE2b, scrypt } from "hash-wasm";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { Buffer } from "node:buffer";
import { utf8 } from "./vectors.ts";

/** The offsets of the parts of a secret key, and its length. */
export const SECRET_PARTS = {
  algorithm: [0, 2],
  derivation: [2, 4],
  checksumAlgorithm: [4, 6],
  salt: [6, 38],
  operations: [38, 46],
  memory: [46, 54],
  keyId: [54, 62],
  seed: [62, 94],
  publicKey: [94, 126],
  checksum: [126, 158],
} as const;
export type SecretPart = keyof typeof SECRET_PARTS;
export const ENCRYPTED_FROM = SECRET_PARTS.keyId[0];

/** The limits in a key, and the parameters of scrypt that libsodium chooses for them. */
export interface KeyLimits {
  operations: bigint;
  memoryBytes: bigint;
  cost: number;
  parallelism: number;
}

/** The lowest limits that libsodium accepts, which are the fastest. */
export const LOWEST: KeyLimits = {
  operations: 32768n,
  memoryBytes: 16777216n,
  cost: 1024,
  parallelism: 1,
};

/** The parts of a key, for {@linkcode secretKeyText}. */
export interface KeyParts {
  seed: Uint8Array;
  keyId: Uint8Array;
}

/** Returns the 32 bytes of the public key of a seed. */
export function publicOf(seed: Uint8Array): Uint8Array {
  const der = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20, ...seed];
  const key = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  return Uint8Array.from(createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32));
}

/** Returns the last 104 bytes of a key, unencrypted. */
export async function bodyOf({ seed, keyId }: KeyParts, { hasChecksum = true } = {}): Promise<Uint8Array> {
  const key = [...keyId, ...seed, ...publicOf(seed)];
  const hash = await createBLAKE2b(256);
  const checksum = hash.update(Uint8Array.from([...utf8("Ed"), ...key])).digest("binary");
  return Uint8Array.from([...key, ...(hasChecksum ? checksum : new Uint8Array(32))]);
}

/** Returns the bytes of a key without encryption. */
export async function plainBytes(parts: KeyParts, { hasChecksum = false } = {}): Promise<Uint8Array> {
  const head = [...utf8("Ed"), 0, 0, ...utf8("B2"), ...new Uint8Array(48)];
  return Uint8Array.from([...head, ...await bodyOf(parts, { hasChecksum })]);
}

/** Returns the bytes of an encrypted key. `body` is its last 104 bytes, unencrypted. */
export async function encryptedBytes(
  body: Uint8Array,
  { password, salt, limits = LOWEST }: { password: string; salt: Uint8Array; limits?: KeyLimits },
): Promise<Uint8Array> {
  const integers = new DataView(new ArrayBuffer(16));
  integers.setBigUint64(0, limits.operations, true);
  integers.setBigUint64(8, limits.memoryBytes, true);
  const stream = await scrypt({
    password,
    salt,
    costFactor: limits.cost,
    blockSize: 8,
    parallelism: limits.parallelism,
    hashLength: body.length,
    outputType: "binary",
  });
  const head = [...utf8("EdScB2"), ...salt, ...new Uint8Array(integers.buffer)];
  return Uint8Array.from([...head, ...body.map((byte, i) => byte ^ stream[i])]);
}

/** Returns a file of two lines. */
export function keyFile(raw: Uint8Array, comment = "minisign encrypted secret key"): Uint8Array {
  return utf8(`untrusted comment: ${comment}\n${base64(raw)}\n`);
}

export function base64(raw: Uint8Array): string {
  return Buffer.from(raw).toString("base64");
}

export function bytesOfBase64(line: string): Uint8Array {
  return Uint8Array.from(Buffer.from(line, "base64"));
}
