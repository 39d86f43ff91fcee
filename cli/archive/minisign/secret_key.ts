/**
 * Secret keys of minisign, with and without a password.
 *
 * A file has two lines, a comment and the key in base64. The decoded bytes are
 *
 *     0   2  "Ed", the algorithm: Ed25519
 *     2   2  "Sc": the last 104 bytes are encrypted, with a key that scrypt derives; 00 00: they are not
 *     4   2  "B2", the algorithm of the checksum: BLAKE2b
 *     6  32  salt                              of scrypt; they stay in a key whose password
 *    38   8  limit of operations               was removed
 *    46   8  limit of memory in bytes
 *    54   8  key id             \
 *    62  32  seed, the secret    | encrypted: exclusive or with as many bytes from scrypt
 *    94  32  public key          |
 *   126  32  checksum           /  BLAKE2b-256 over "Ed", key id, seed and public key
 *
 * Integers are little-endian. In a key that is made without a password, minisign 0.11 leaves the checksum
 * zero. In a key whose password it removes, it keeps the checksum.
 *
 * Sources: https://jedisct1.github.io/minisign/, "Secret key format". The behaviour for keys without a
 * password is that of minisign 0.11.
 */

import type { KeyObject } from "node:crypto";
import { UsageError } from "../../errors.ts";
import { ED25519, KEY_ID_BYTES, keyIdText, POINT_BYTES } from "./public_key.ts";
import { deriveKey, SCRYPT_BOUNDS, type ScryptLimits } from "./scrypt.ts";
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

const SCRYPT = "Sc";
const NOT_ENCRYPTED = "\0\0";
const BLAKE2B = "B2";
const ALGORITHM_BYTES = 2;
const SALT_BYTES = 32;
const LIMIT_BYTES = 8;
const CHECKSUM_BYTES = 32;
const ENCRYPTED_BYTES = KEY_ID_BYTES + 2 * POINT_BYTES + CHECKSUM_BYTES;
const SECRET_KEY_BYTES = 3 * ALGORITHM_BYTES + SALT_BYTES + 2 * LIMIT_BYTES + ENCRYPTED_BYTES;

/** The longest password, in bytes, that minisign reads. */
const MAX_PASSWORD_BYTES = 1023;

/**
 * The bytes that turn the 32 bytes of a seed into a `OneAsymmetricKey` when they are put in front of it (RFC
 * 8410, section 7).
 */
const PKCS8_PREFIX = [
  ...[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20],
];

/** A key that makes signatures. Printing it does not show the secret. */
export interface SecretKey {
  /** 16 hexadecimal digits, as minisign prints it. */
  readonly keyId: string;
  /** The key for `node:crypto`. */
  readonly secretKey: KeyObject;
}

/** The password does not decrypt the key. Another password may. */
export class WrongPasswordError extends Error {
  /** Always `WrongPasswordError`. */
  override name = "WrongPasswordError";
}

/**
 * Reads a secret key.
 *
 * @param bytes the whole file, or at least its first `MAX_MINISIGN_BYTES + 1` bytes
 * @param options.password returns the password. It is called only if the key is encrypted.
 * @throws {FormatError} if the file is not a secret key, is damaged, or asks for more work or memory than
 * minisign uses
 * @throws {UsageError} if the key is encrypted, and there is no password or it is too long
 * @throws {WrongPasswordError} if the password is wrong. Damage of the salt, the limits or the seed of an
 * encrypted key cannot be distinguished from this.
 *
 * @example
 * ```ts
 * import { readSecretKey } from "./secret_key.ts";
 * import { sign } from "./signature.ts";
 *
 * const bytes = (text: string) => new TextEncoder().encode(text);
 * const file = "untrusted comment: a key without a password, for this example\n" +
 *   "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAANrRtJ4YRpbLn73ZW02L4CWTb2jmxH4oIpMxk" +
 *   "rMyeuHGDaTeBT+58wxt+RFfzs2tH/I9CbecQ7/S85FNPqvg7uGUoAwUQUYocAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
 * const key = await readSecretKey(bytes(file), { path: "a.key", password: () => "not asked for" });
 * console.assert(key.keyId === "B2A51186276DB436");
 * const signature = await sign(bytes("a message"), key, { trustedComment: "timestamp:0\tfile:a" });
 * console.assert(new TextDecoder().decode(signature).split("\n")[2] === "trusted comment: timestamp:0\tfile:a");
 * ```
 */
export async function readSecretKey(
  bytes: Uint8Array,
  { path, password }: { path: string; password?: () => string | Promise<string> },
): Promise<SecretKey> {
  const file: MinisignFile = { what: "secret key", path };
  const lines = splitLines(bytes, { file, counts: [2] });
  readComment(lines[0], { file, prefix: UNTRUSTED_PREFIX });
  const raw = decodeLine(lines[1], { file, lenBytes: SECRET_KEY_BYTES });
  let atBytes = 0;
  const next = (lenBytes: number) => raw.subarray(atBytes, atBytes += lenBytes);
  const algorithm = next(ALGORITHM_BYTES);
  const derivation = next(ALGORITHM_BYTES);
  const checksumAlgorithm = next(ALGORITHM_BYTES);
  const salt = next(SALT_BYTES);
  const [operations, memoryBytes] = [integer(next(LIMIT_BYTES)), integer(next(LIMIT_BYTES))];
  const body = next(ENCRYPTED_BYTES);
  if (!isAlgorithm(algorithm, ED25519)) {
    throw fault(file, `algorithm "${ED25519}"`, algorithmText(algorithm));
  }
  if (!isAlgorithm(checksumAlgorithm, BLAKE2B)) {
    throw fault(file, `checksum "${BLAKE2B}"`, algorithmText(checksumAlgorithm));
  }
  if (isAlgorithm(derivation, NOT_ENCRYPTED)) return await plainKey(body, file);
  if (!isAlgorithm(derivation, SCRYPT)) {
    throw fault(file, `key derivation "${SCRYPT}" or none`, algorithmText(derivation));
  }
  const limits = boundedLimits({ operations, memoryBytes }, file);
  if (password === undefined) {
    throw new UsageError(`Cannot use secret key "${path}": it is encrypted, and no password is given`);
  }
  const stream = await deriveKey(passwordBytes(await password(), path), {
    salt,
    limits,
    lenBytes: ENCRYPTED_BYTES,
  });
  return await decryptedKey(body.map((byte, i) => byte ^ stream[i]), file);
}

/**
 * Returns a 64-bit little-endian integer. Values above 2^53 are rounded, which does no harm, because they
 * exceed all limits.
 */
function integer(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
}

function boundedLimits(limits: ScryptLimits, file: MinisignFile): ScryptLimits {
  const { minOperations, maxOperations, minMemoryBytes, maxMemoryBytes } = SCRYPT_BOUNDS;
  const { operations, memoryBytes } = limits;
  if (operations < minOperations || operations > maxOperations) {
    throw fault(file, `a limit of ${minOperations} to ${maxOperations} operations`, `one of ${operations}`);
  }
  if (memoryBytes < minMemoryBytes || memoryBytes > maxMemoryBytes) {
    throw fault(file, `a limit of ${minMemoryBytes} to ${maxMemoryBytes} bytes`, `one of ${memoryBytes}`);
  }
  return limits;
}

function passwordBytes(password: string, path: string): Uint8Array {
  const bytes = new TextEncoder().encode(password);
  if (bytes.length > MAX_PASSWORD_BYTES) {
    throw new UsageError(
      `Cannot use the password of secret key "${path}": it has more than ${MAX_PASSWORD_BYTES} bytes`,
    );
  }
  return bytes;
}

/** The parts of the last 104 bytes of a key after decryption, and the keys that belong to its seed. */
interface KeyParts {
  keyId: Uint8Array;
  seed: Uint8Array;
  point: Uint8Array;
  checksum: Uint8Array;
  secretKey: KeyObject;
  /** The public key of the seed. It is equal to `point` in an intact key. */
  pointOfSeed: Uint8Array;
}

/** Reads the body of a key without encryption. Its checksum may be zero, but its public key must be right. */
async function plainKey(body: Uint8Array, file: MinisignFile): Promise<SecretKey> {
  const opened = await open(body);
  const { keyId, point, checksum, secretKey, pointOfSeed } = opened;
  if (!isEqual(point, pointOfSeed)) {
    throw fault(file, `the public key of its secret one, ${hex(pointOfSeed)},`, hex(point));
  }
  const right = await checksumOf(opened, point);
  if (!isEqual(checksum, right) && checksum.some((byte) => byte !== 0)) {
    throw fault(file, `checksum ${hex(right)}`, hex(checksum));
  }
  return { keyId: keyIdText(keyId), secretKey };
}

/**
 * Reads the decrypted body of a key. With a wrong password all of the body is random. Therefore, if two of
 * its parts agree, the password is right, and a third part that does not agree is damaged.
 */
async function decryptedKey(body: Uint8Array, file: MinisignFile): Promise<SecretKey> {
  const opened = await open(body);
  const { keyId, point, checksum, secretKey, pointOfSeed } = opened;
  const agrees = isEqual(point, pointOfSeed);
  const right = await checksumOf(opened, pointOfSeed);
  if (isEqual(checksum, right)) {
    if (agrees) return { keyId: keyIdText(keyId), secretKey };
    throw fault(file, `the public key of its secret one, ${hex(pointOfSeed)},`, hex(point));
  }
  if (agrees || isEqual(checksum, await checksumOf(opened, point))) {
    throw fault(file, "a key that agrees with its checksum", "a damaged one");
  }
  throw new WrongPasswordError(
    `Cannot open secret key "${file.path}": the password is wrong, or the key is damaged`,
  );
}

async function open(body: Uint8Array): Promise<KeyParts> {
  const { createPrivateKey, createPublicKey } = await import("node:crypto");
  const { Buffer } = await import("node:buffer");
  const seedAt = KEY_ID_BYTES;
  const pointAt = seedAt + POINT_BYTES;
  const checksumAt = pointAt + POINT_BYTES;
  const seed = body.subarray(seedAt, pointAt);
  const secretKey = createPrivateKey({
    key: Buffer.from([...PKCS8_PREFIX, ...seed]),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(secretKey).export({ format: "der", type: "spki" });
  return {
    keyId: body.subarray(0, seedAt),
    seed,
    point: body.subarray(pointAt, checksumAt),
    checksum: body.subarray(checksumAt),
    secretKey,
    pointOfSeed: Uint8Array.from(spki.subarray(-POINT_BYTES)),
  };
}

/**
 * Returns the BLAKE2b-256 of a key. `node:crypto` of Deno does not have it, and the first half of a
 * BLAKE2b-512 is a different hash.
 */
async function checksumOf({ keyId, seed }: KeyParts, point: Uint8Array): Promise<Uint8Array> {
  const hash = await (await import("hash-wasm")).createBLAKE2b(8 * CHECKSUM_BYTES);
  for (const part of [new TextEncoder().encode(ED25519), keyId, seed, point]) hash.update(part);
  return hash.digest("binary");
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
