/**
 * Signatures of minisign: reading, verifying and making them.
 *
 * A signature file has four lines:
 *
 *     untrusted comment: <text>
 *     base64 of   0   2  "ED": the signature is over the BLAKE2b-512 of the file; "Ed": over the file, which
 *                        minisign wrote before 0.10 and writes with -l
 *                 2   8  key id
 *                10  64  signature (RFC 8032, section 5.1.6)
 *     trusted comment: <text>
 *     base64 of       64 signature over the 64 bytes of the first one and the text of the trusted comment
 *
 * Source: https://jedisct1.github.io/minisign/, "Signature format".
 */

import { MismatchError } from "../../errors.ts";
import { ED25519, KEY_ID_BYTES, keyIdBytes, keyIdText, type PublicKey } from "./public_key.ts";
import type { SecretKey } from "./secret_key.ts";
import {
  algorithmText,
  decodeLine,
  encodeBase64,
  fault,
  isAlgorithm,
  type MinisignFile,
  readComment,
  refusalOfComment,
  splitLines,
  TRUSTED_PREFIX,
  UNTRUSTED_PREFIX,
} from "./text.ts";

/** The name of the algorithm: Ed25519 over the BLAKE2b-512 of the file. */
const ED25519_HASHED = "ED";
const ALGORITHM_BYTES = 2;
const SIGNATURE_BYTES = 64;

/** The content of a signature file. Nothing of it is verified yet. */
export interface Signature {
  /** The path of the signature file, for messages. */
  readonly path: string;
  /** The id of the key with which the signature claims to be made, as minisign prints it. */
  readonly keyId: string;
  /** Whether the file was hashed before it was signed. */
  readonly isHashed: boolean;
  /**
   * The signature of the file, and the signature of `ofFile` followed by the trusted comment; 64 bytes each.
   */
  readonly ofFile: Uint8Array;
  readonly ofComment: Uint8Array;
  /** The trusted comment. It can be trusted only after {@linkcode verify} has returned it. */
  readonly comment: string;
}

/**
 * Reads a signature.
 *
 * @param bytes the whole file, or at least its first `MAX_MINISIGN_BYTES + 1` bytes
 * @throws {FormatError} if `bytes` are not a signature
 */
export function readSignature(bytes: Uint8Array, path: string): Signature {
  const file: MinisignFile = { what: "signature", path };
  const lines = splitLines(bytes, { file, counts: [4] });
  readComment(lines[0], { file, prefix: UNTRUSTED_PREFIX });
  const keyIdEnd = ALGORITHM_BYTES + KEY_ID_BYTES;
  const first = decodeLine(lines[1], { file, lenBytes: keyIdEnd + SIGNATURE_BYTES });
  const algorithm = first.subarray(0, ALGORITHM_BYTES);
  const isHashed = isAlgorithm(algorithm, ED25519_HASHED);
  if (!isHashed && !isAlgorithm(algorithm, ED25519)) {
    throw fault(file, `algorithm "${ED25519_HASHED}" or "${ED25519}"`, algorithmText(algorithm));
  }
  return {
    path,
    keyId: keyIdText(first.subarray(ALGORITHM_BYTES, keyIdEnd)),
    isHashed,
    ofFile: first.subarray(keyIdEnd),
    ofComment: decodeLine(lines[3], { file, lenBytes: SIGNATURE_BYTES }),
    comment: readComment(lines[2], { file, prefix: TRUSTED_PREFIX }),
  };
}

/**
 * Verifies the signature of `message`, the bytes of a file, and returns the trusted comment.
 *
 * @param options.path the path of the file, for messages
 * @throws {MismatchError} if the signature was made with another key or for other bytes, or if the comment is
 * not the signed one
 *
 * @example
 * ```ts
 * import { readPublicKey } from "./public_key.ts";
 * import { readSignature, verify } from "./signature.ts";
 *
 * const bytes = (text: string) => new TextEncoder().encode(text);
 * const line = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
 * const signature = readSignature(
 *   bytes(
 *     "untrusted comment: signature from minisign secret key\n" +
 *       "RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n" +
 *       "trusted comment: timestamp:1556193335\tfile:test\n" +
 *       "y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==\n",
 *   ),
 *   "test.minisig",
 * );
 * const key = await readPublicKey(bytes(line), "key.pub");
 * const comment = await verify(bytes("test"), signature, { key, path: "test" });
 * console.assert(comment === "timestamp:1556193335\tfile:test");
 * ```
 */
export async function verify(
  message: Uint8Array,
  signature: Signature,
  { key, path }: { key: PublicKey; path: string },
): Promise<string> {
  const { path: signaturePath, keyId, isHashed, ofFile, ofComment, comment } = signature;
  if (keyId !== key.keyId) {
    throw new MismatchError(
      `Cannot verify "${path}": signature "${signaturePath}" was made with key ${keyId}, not with ${key.keyId}`,
    );
  }
  const { verify: verifyBytes } = await import("node:crypto");
  if (!verifyBytes(null, isHashed ? await blake2b(message) : message, key.publicKey, ofFile)) {
    throw new MismatchError(
      `Cannot verify "${path}": signature "${signaturePath}" is not one of this file, made with key ${keyId}`,
    );
  }
  if (!verifyBytes(null, signedWithComment(ofFile, comment), key.publicKey, ofComment)) {
    throw new MismatchError(
      `Cannot verify "${path}": the trusted comment in signature "${signaturePath}" is not the one that was signed`,
    );
  }
  return comment;
}

/**
 * Returns the bytes of a signature file for `message`, the bytes of a file.
 *
 * @param options.trustedComment one line, which the signature covers
 * @throws {RangeError} if a comment contains control characters or is too long
 */
export async function sign(
  message: Uint8Array,
  key: SecretKey,
  { trustedComment, untrustedComment = `signature with key ${key.keyId}` }: {
    trustedComment: string;
    untrustedComment?: string;
  },
): Promise<Uint8Array<ArrayBuffer>> {
  const comments = [[untrustedComment, UNTRUSTED_PREFIX], [trustedComment, TRUSTED_PREFIX]];
  for (const [comment, prefix] of comments) {
    const refusal = refusalOfComment(comment, prefix);
    if (refusal !== undefined) throw new RangeError(`Cannot sign with ${refusal}`);
  }
  const { sign: signBytes } = await import("node:crypto");
  const encoder = new TextEncoder();
  const ofFile = signBytes(null, await blake2b(message), key.secretKey);
  const ofComment = signBytes(null, signedWithComment(ofFile, trustedComment), key.secretKey);
  const first = concat(encoder.encode(ED25519_HASHED), keyIdBytes(key.keyId), ofFile);
  return encoder.encode(
    `${UNTRUSTED_PREFIX}${untrustedComment}\n${encodeBase64(first)}\n` +
      `${TRUSTED_PREFIX}${trustedComment}\n${encodeBase64(ofComment)}\n`,
  );
}

/** Returns the bytes that the second signature covers. */
function signedWithComment(ofFile: Uint8Array, comment: string): Uint8Array {
  return concat(ofFile, new TextEncoder().encode(comment));
}

async function blake2b(message: Uint8Array): Promise<Uint8Array> {
  const { createHash } = await import("node:crypto");
  return createHash("blake2b512").update(message).digest();
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
