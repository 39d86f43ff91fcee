/**
 * Signatures of seals, in files that `minisign -V` can verify.
 *
 * A signature proves the bytes of a seal, but an attacker could put one signed seal in the place of another:
 * that of Monday under the name of Tuesday's, or last week's in place of this week's. Therefore the trusted
 * comment contains the name of the file and the time of the signature, in the fields that minisign itself
 * writes, and the generation for human readers:
 *
 *     timestamp:1796058290 <tab> file:mon.seal.json <tab> hashed <tab> series:<32 hex digits> <tab>
 *     generation:2026-07-15 12:00:00
 *
 * The name is compared when a seal is verified. If a whole folder is replaced with an older state that has
 * the same names, its signatures are still valid. Only the time of the signature shows this, so reports print
 * it.
 */

import { MismatchError, UsageError } from "../errors.ts";
import type { PublicKey } from "./minisign/public_key.ts";
import type { SecretKey } from "./minisign/secret_key.ts";
import { sign, type Signature, verify } from "./minisign/signature.ts";
import { refusalOfComment, TRUSTED_PREFIX } from "./minisign/text.ts";
import { parseSeal, type Seal } from "./seal.ts";

/** A seal whose signature was verified. */
export interface SignedSeal {
  seal: Seal;
  /** The id of the key that signed the seal, as minisign prints it. */
  keyId: string;
  /** The time of the signature, by the clock of the signing machine. */
  signedAt: Date;
}

/**
 * Returns the bytes of the signature file of a seal.
 *
 * @param bytes the bytes of the seal file
 * @param options.name the name of the seal file, without a folder
 * @param options.now the time of the signature; whole seconds are kept
 * @throws {FormatError} if `bytes` are not a seal
 * @throws {UsageError} if a comment cannot contain the name
 */
export async function signSeal(
  bytes: Uint8Array,
  { name, key, now }: { name: string; key: SecretKey; now: Date },
): Promise<Uint8Array<ArrayBuffer>> {
  const { series, time } = await parseSeal(bytes, name);
  const refusal = name.includes("\t")
    ? "a comment with control characters"
    : refusalOfComment(name, TRUSTED_PREFIX);
  if (refusal !== undefined) {
    throw new UsageError(`Cannot sign seal ${JSON.stringify(name)}: its name would make ${refusal}`);
  }
  const fields = {
    timestamp: `${Math.floor(now.getTime() / 1000)}`,
    file: name,
    hashed: undefined,
    series,
    generation: time,
  };
  const trustedComment = Object.entries(fields).map(([field, value]) =>
    value === undefined ? field : `${field}:${value}`
  ).join("\t");
  return await sign(bytes, key, { trustedComment });
}

/**
 * Verifies the signature of a seal, reads the seal, and compares the trusted comment with it.
 *
 * @param bytes the bytes of the seal file
 * @param options.path the path of the seal file; its name must be the one that was signed
 * @throws {MismatchError} if the signature was made with another key, for other bytes, or for a file with
 * another name
 * @throws {FormatError} if the signed bytes are not a seal
 */
export async function verifySeal(
  bytes: Uint8Array,
  { path, signature, key }: { path: string; signature: Signature; key: PublicKey },
): Promise<SignedSeal> {
  const comment = await verify(bytes, signature, { key, path });
  const { timestamp, file, series, generation } = fieldsOf(comment, { path, signature });
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (file !== name) {
    throw mismatch(
      { path, signature },
      `it was made for a file named ${JSON.stringify(file)} (rename both back, or sign the seal again)`,
    );
  }
  const seal = await parseSeal(bytes, path);
  if ((series ?? seal.series) !== seal.series || (generation ?? seal.time) !== seal.time) {
    throw mismatch({ path, signature }, `it was made for generation "${generation}" of series ${series}`);
  }
  return { seal, keyId: signature.keyId, signedAt: new Date(Number(timestamp) * 1000) };
}

/**
 * The fields of a trusted comment that are used. A comment that minisign itself wrote has only the first two.
 */
interface CommentFields {
  timestamp: string;
  file: string;
  series?: string;
  generation?: string;
}

const FIELDS = ["timestamp", "file", "series", "generation"];
/** Seconds since 1970, at most 12 digits: JavaScript's dates end at 8.64e12 seconds. */
const TIMESTAMP = /^(0|[1-9][0-9]{0,11})$/;

function fieldsOf(comment: string, at: { path: string; signature: Signature }): CommentFields {
  const fields = new Map<string, string>();
  for (const part of comment.split("\t")) {
    const [, field, value] = /^([a-z]+):(.*)$/s.exec(part) ?? [];
    if (!FIELDS.includes(field)) continue;
    if (fields.has(field)) throw mismatch(at, `its trusted comment has two fields "${field}"`);
    fields.set(field, value);
  }
  const { timestamp, file } = Object.fromEntries(fields);
  if (file === undefined) throw mismatch(at, `its trusted comment does not name the file ("file:...")`);
  if (timestamp === undefined || !TIMESTAMP.test(timestamp)) {
    throw mismatch(at, `its trusted comment has no time ("timestamp:...")`);
  }
  return { timestamp, file, series: fields.get("series"), generation: fields.get("generation") };
}

function mismatch(
  { path, signature }: { path: string; signature: Signature },
  reason: string,
): MismatchError {
  return new MismatchError(`Cannot trust seal "${path}" by its signature "${signature.path}": ${reason}`);
}
