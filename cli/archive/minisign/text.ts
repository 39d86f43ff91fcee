/**
 * The text format of minisign's files: lines with comments and lines with base64.
 *
 * Sources: the documentation of minisign, https://jedisct1.github.io/minisign/, and the behaviour of minisign
 * 0.11. It ignores a carriage return at the end of a line, and so does this reader. It also ignores all data
 * after the last line that it needs; this reader refuses such data.
 */

import { type FormatError, formatError } from "../../errors.ts";

/** The prefix of a comment that no signature covers. */
export const UNTRUSTED_PREFIX = "untrusted comment: ";
/** The prefix of the comment that the second signature of a signature file covers. */
export const TRUSTED_PREFIX = "trusted comment: ";

/** The longest comment lines that minisign reads, with prefix and line end. */
const MAX_UNTRUSTED_LINE_BYTES = 1024;
const MAX_TRUSTED_LINE_BYTES = 8192;

/** The longest valid file. A reader needs at most one byte more than this to detect a longer one. */
export const MAX_MINISIGN_BYTES = 16 * 1024;

/** The suffix that is added to the name of a file to get the name of its signature. */
export const SIGNATURE_SUFFIX = ".minisig";

/** Returns the name of the signature file of the file `name`. */
export function signatureNameOf(name: string): string {
  return name + SIGNATURE_SUFFIX;
}

/**
 * Control characters and line separators. The tab is not among them, because it separates the fields of
 * minisign's own comments.
 */
const UNPRINTABLE = /(?!\t)[\p{Cc}\p{Zl}\p{Zp}]/u;

/** The kind and the path of a file, for messages. */
export interface MinisignFile {
  what: "public key" | "secret key" | "signature";
  path: string;
}

/** Returns a {@linkcode FormatError} about a file. */
export function fault(file: MinisignFile, expected: string, found: string): FormatError {
  return formatError(file.what, { path: file.path, expected, found });
}

/**
 * Returns the lines of a file, without their line ends. The last line may lack its line end.
 *
 * @param options.counts the accepted numbers of lines
 * @throws {FormatError} if the file is longer than {@linkcode MAX_MINISIGN_BYTES}, is not UTF-8, or has
 * another number of lines
 */
export function splitLines(
  bytes: Uint8Array,
  { file, counts }: { file: MinisignFile; counts: readonly number[] },
): string[] {
  if (bytes.length > MAX_MINISIGN_BYTES) {
    throw fault(file, `a file of at most ${MAX_MINISIGN_BYTES} bytes`, "a longer one");
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw fault(file, "text in UTF-8", "something else");
  }
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const wanted = `a file of ${counts.join(" or ")} lines`;
  if (text === "") throw fault(file, wanted, "an empty one");
  if (!counts.includes(lines.length)) throw fault(file, wanted, `one of ${lines.length}`);
  return lines;
}

/**
 * Returns the text after the prefix of a comment line.
 *
 * @throws {FormatError} if the prefix is missing, or the comment is too long for minisign or contains control
 * characters
 */
export function readComment(line: string, { file, prefix }: { file: MinisignFile; prefix: string }): string {
  if (!line.startsWith(prefix)) {
    throw fault(file, `a line that begins with "${prefix}"`, "another line");
  }
  const comment = line.slice(prefix.length);
  const refusal = refusalOfComment(comment, prefix);
  if (refusal !== undefined) throw fault(file, `a comment behind "${prefix}"`, refusal);
  return comment;
}

/** Returns why a comment is not allowed after `prefix`, as a noun, or `undefined` if it is allowed. */
export function refusalOfComment(comment: string, prefix: string): string | undefined {
  const max = prefix === TRUSTED_PREFIX ? MAX_TRUSTED_LINE_BYTES : MAX_UNTRUSTED_LINE_BYTES;
  // minisign reads the line, its line end and a zero byte into a buffer of this length.
  if (new TextEncoder().encode(prefix + comment).length + 2 > max) {
    return `a comment that makes a line of more than ${max} bytes`;
  }
  if (UNPRINTABLE.test(comment)) return "a comment with control characters";
  if (!comment.isWellFormed()) return "a comment that is no valid Unicode";
}

/**
 * Decodes a line of base64.
 *
 * @throws {FormatError} if the line does not decode to `lenBytes` bytes, or is not the canonical base64 of
 * them. The message does not contain the line, which may be a secret.
 */
export function decodeLine(
  line: string,
  { file, lenBytes }: { file: MinisignFile; lenBytes: number },
): Uint8Array<ArrayBuffer> {
  const bytes = decodeBase64(line);
  if (bytes?.length === lenBytes) return bytes;
  const found = bytes === undefined ? "something else" : `base64 of ${bytes.length} bytes`;
  throw fault(file, `base64 of ${lenBytes} bytes`, found);
}

function decodeBase64(line: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(line);
    // atob() also accepts blanks, missing padding and unused bits at the end.
    return btoa(binary) === line ? Uint8Array.from(binary, (char) => char.charCodeAt(0)) : undefined;
  } catch {
    return undefined;
  }
}

/** Returns `bytes` in base64. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Returns the two bytes that name an algorithm as text for a message: `"Ed"`, or `00 00`. */
export function algorithmText(bytes: Uint8Array): string {
  const printable = bytes.every((byte) => byte > 0x20 && byte < 0x7f);
  return printable ? `"${String.fromCharCode(...bytes)}"` : hex(bytes, " ");
}

/** Returns whether `bytes` are the characters of `name`. */
export function isAlgorithm(bytes: Uint8Array, name: string): boolean {
  return bytes.length === name.length && bytes.every((byte, i) => byte === name.charCodeAt(i));
}

/** Returns the bytes as hexadecimal digits. */
export function hex(bytes: Uint8Array, separator = ""): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(separator);
}
