/** The keys by which seals are signed and trusted, as the command line names them. */

import type { PublicKey } from "../archive/minisign/public_key.ts";
import type { SecretKey } from "../archive/minisign/secret_key.ts";
import { MAX_MINISIGN_BYTES } from "../archive/minisign/text.ts";
import { UsageError } from "../errors.ts";
import { readSmallFile } from "../files/small_file.ts";
import { fileError } from "../files/system_errors.ts";
import { variableOf } from "../environment.ts";
import type { Option } from "../options/option.ts";
import { askHidden, hasTerminal } from "../files/terminal.ts";

const PASSWORD_VARIABLE = "VMDKBKP_SIGN_PASSWORD";

/** Of every command that writes seals. */
export const SIGN = {
  type: "file",
  group: "seals",
  value: "keyfile",
  environment: { variable: PASSWORD_VARIABLE, help: "The password of the key of --sign." },
  help: "sign the seal with this secret key of minisign: NAME.seal.json.minisig",
} as const satisfies Option;

/** Of every command that goes by seals. */
export const TRUSTED_KEY = {
  type: "file",
  group: "seals",
  value: "key",
  help: "go by those seals alone that this public key of minisign has signed; a file, or the key itself",
} as const satisfies Option;

/** A public key as minisign prints it, beside the file in which it stands. */
const BASE64_LINE = /^[A-Za-z0-9+/]{56}$/;

/**
 * Reads the secret key in the file `path`. The password of an encrypted one comes from VMDKBKP_SIGN_PASSWORD or the terminal.
 *
 * @throws {UsageError} if a password is needed and there is none
 * @throws {FormatError} if the file is no key
 * @throws {Error} if the file cannot be read, or the password is wrong
 */
export async function readSigningKey(path: string, { signal }: { signal?: AbortSignal }): Promise<SecretKey> {
  const { readSecretKey } = await import("../archive/minisign/secret_key.ts");
  const password = async () => {
    const variable = variableOf(PASSWORD_VARIABLE);
    if (variable !== undefined) return variable;
    if (hasTerminal()) return await askHidden(`Password for key ${path}: `, { signal });
    throw new UsageError(
      `Cannot ask for the password of key "${path}": there is no terminal; use the environment variable ` +
        `${PASSWORD_VARIABLE}, or a key without password (minisign -G -W)`,
    );
  };
  return await readSecretKey(await bytesOf(path), { path, password });
}

/**
 * Reads a public key: `text` is the key itself, or the path of its file.
 *
 * @throws {FormatError} if it is no key
 * @throws {Error} if the file cannot be read
 */
export async function readTrustedKey(text: string): Promise<PublicKey> {
  const { readPublicKey } = await import("../archive/minisign/public_key.ts");
  const bytes = BASE64_LINE.test(text) ? new TextEncoder().encode(`${text}\n`) : await bytesOf(text);
  return await readPublicKey(bytes, text);
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return await readSmallFile(path, MAX_MINISIGN_BYTES);
  } catch (cause) {
    throw fileError("read key", path, cause);
  }
}
