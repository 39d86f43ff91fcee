/**
 * Key derivation with scrypt (RFC 7914), with the limits that a secret key of minisign contains.
 *
 * The conversion of the limits to parameters follows libsodium: its documentation of
 * `crypto_pwhash_scryptsalsa208sha256`, and the parameters that it chooses.
 */

/** The block size, the only one that libsodium uses. */
const BLOCK_SIZE = 8;

/** The memory that scrypt needs per unit of cost with this block size. */
const BYTES_PER_COST = 128 * BLOCK_SIZE;

/**
 * The accepted limits: from the smallest that libsodium allows to those that minisign uses, which it halves
 * as long as there is not enough memory. Without an upper bound a file could cause any amount of work and
 * memory.
 */
export const SCRYPT_BOUNDS = {
  minOperations: 32768,
  maxOperations: 32 * 1024 * 1024,
  minMemoryBytes: 16 * 1024 * 1024,
  maxMemoryBytes: 1024 * 1024 * 1024,
} as const;

/** The limits of work and memory for a key derivation. */
export interface ScryptLimits {
  /** An integer within {@linkcode SCRYPT_BOUNDS}. */
  operations: number;
  memoryBytes: number;
}

/** The parameters N and p of RFC 7914; r is 8. */
export interface ScryptParameters {
  /** A power of two. */
  cost: number;
  parallelism: number;
}

/** Returns the parameters that libsodium chooses for these limits. */
export function scryptParameters({ operations, memoryBytes }: ScryptLimits): ScryptParameters {
  if (operations < memoryBytes / 32) {
    return { cost: powerAboveHalf(operations / (BLOCK_SIZE * 4)), parallelism: 1 };
  }
  const cost = powerAboveHalf(memoryBytes / BYTES_PER_COST);
  return { cost, parallelism: Math.floor(Math.floor(operations / 4 / cost) / BLOCK_SIZE) };
}

/** Returns the smallest power of two, at least 2, that is greater than half of the integer part of `max`. */
function powerAboveHalf(max: number): number {
  const half = Math.floor(Math.floor(max) / 2);
  let power = 2;
  while (power <= half) power *= 2;
  return power;
}

/**
 * Derives `lenBytes` from a password. With the highest limits this takes 1 GiB of memory and some seconds.
 *
 * @throws {Error} if there is not enough memory
 */
export async function deriveKey(
  password: Uint8Array,
  { salt, limits, lenBytes }: { salt: Uint8Array; limits: ScryptLimits; lenBytes: number },
): Promise<Uint8Array> {
  const { cost, parallelism } = scryptParameters(limits);
  const { scrypt } = await import("node:crypto");
  const maxmem = BYTES_PER_COST * (cost + parallelism + 4);
  const options = { N: cost, r: BLOCK_SIZE, p: parallelism, maxmem };
  try {
    // The asynchronous form runs on another thread, so that signal handlers can run meanwhile.
    return await new Promise<Uint8Array>((resolve, reject) => {
      scrypt(password, salt, lenBytes, options, (error, key) => error ? reject(error) : resolve(key));
    });
  } catch (cause) {
    // Deno 2.4 derives at most 64 bytes.
    const { scrypt: derive } = await import("hash-wasm");
    return await derive({
      password,
      salt,
      costFactor: cost,
      blockSize: BLOCK_SIZE,
      parallelism,
      hashLength: lenBytes,
      outputType: "binary",
    }).catch((error) => {
      throw new Error(`Cannot derive a key from a password: ${(error as Error).message}`, { cause });
    });
  }
}
