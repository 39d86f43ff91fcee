/**
 * scrypt (RFC 7914) with the limits that a secret key of minisign names.
 *
 * Source of the way from limits to parameters: libsodium's documentation of
 * `crypto_pwhash_scryptsalsa208sha256`, and the parameters that it chooses.
 */

/** The block size; libsodium takes no other. */
const BLOCK_SIZE = 8;

/** Bytes that scrypt needs for each unit of cost, with this block size. */
const BYTES_PER_COST = 128 * BLOCK_SIZE;

/**
 * The limits that libsodium allows at least, and those that minisign asks for; it halves them as long as there
 * is not enough memory. More would let a file take any amount of memory and time.
 */
export const SCRYPT_BOUNDS = {
  minOperations: 32768,
  maxOperations: 32 * 1024 * 1024,
  minMemoryBytes: 16 * 1024 * 1024,
  maxMemoryBytes: 1024 * 1024 * 1024,
} as const;

/** How much work and memory deriving a key may take. */
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

/** The parameters that libsodium takes for these limits. */
export function scryptParameters({ operations, memoryBytes }: ScryptLimits): ScryptParameters {
  if (operations < memoryBytes / 32) {
    return { cost: powerAboveHalf(operations / (BLOCK_SIZE * 4)), parallelism: 1 };
  }
  const cost = powerAboveHalf(memoryBytes / BYTES_PER_COST);
  return { cost, parallelism: Math.floor(Math.floor(operations / 4 / cost) / BLOCK_SIZE) };
}

/** The smallest power of two, from 2, that is more than half of the integer part of `max`. */
function powerAboveHalf(max: number): number {
  const half = Math.floor(Math.floor(max) / 2);
  let power = 2;
  while (power <= half) power *= 2;
  return power;
}

/** `lenBytes` derived from a password. With the highest limits it takes 1 GiB of memory and some seconds. */
export async function deriveKey(
  password: Uint8Array,
  { salt, limits, lenBytes }: { salt: Uint8Array; limits: ScryptLimits; lenBytes: number },
): Promise<Uint8Array> {
  const { cost, parallelism } = scryptParameters(limits);
  const { scrypt } = await import("node:crypto");
  const maxmem = BYTES_PER_COST * (cost + parallelism + 4);
  const options = { N: cost, r: BLOCK_SIZE, p: parallelism, maxmem };
  try {
    // In a thread of its own: signals are heard.
    return await new Promise<Uint8Array>((resolve, reject) => {
      scrypt(password, salt, lenBytes, options, (error, key) => error ? reject(error) : resolve(key));
    });
  } catch (cause) {
    // Deno 2.4 derives 64 bytes at most.
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
