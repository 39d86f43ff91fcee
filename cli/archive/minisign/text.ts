/**
 * The text around the bytes of minisign's files: comment lines and lines of base64.
 *
 * Source: the formats in the documentation of minisign, https://jedisct1.github.io/minisign/, and what
 * minisign 0.11 reads. It ignores a carriage return at the end of a line, and so does this reader. It also
 * ignores everything behind the last line that it wants; this reader refuses that.
 */

import { type FormatError, formatError } from "../../errors.ts";

/** In front of a comment that no signature covers. */
export const UNTRUSTED_PREFIX = "untrusted comment: ";
/** In front of the comment that the second signature of a signature file covers. */
export const TRUSTED_PREFIX = "trusted comment: ";

/** The longest lines of comments, with their prefix and the line end, that minisign reads. */
const MAX_UNTRUSTED_LINE_BYTES = 1024;
const MAX_TRUSTED_LINE_BYTES = 8192;

/** No valid file is longer: a reader needs to take no more than one byte beyond this. */
export const MAX_MINISIGN_BYTES = 16 * 1024;

/** The signature of a file has its name, and this behind it. */
export const SIGNATURE_SUFFIX = ".minisig";

/** The name of the file that holds the signature of the file `name`. */
export function signatureNameOf(name: string): string {
  return name + SIGNATURE_SUFFIX;
}

/** Control characters but the tab, which stands between the fields of minisign's own comments, and line ends. */
const UNPRINTABLE = /(?!\t)[\p{Cc}\p{Zl}\p{Zp}]/u;

/** What kind of file is read, for messages, and its path. */
export interface MinisignFile {
  what: "public key" | "secret key" | "signature";
  path: string;
}

/** The fault of a file as a {@linkcode FormatError}. */
export function fault(file: MinisignFile, expected: string, found: string): FormatError {
  return formatError(file.what, { path: file.path, expected, found });
}

/**
 * The lines of a file, without their ends. The last one may lack its end.
 *
 * @param counts how many lines there may be
 * @throws {FormatError} if the file is longer than {@linkcode MAX_MINISIGN_BYTES}, is not UTF-8, or has another
 * number of lines
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
 * What stands behind the prefix of a comment line.
 *
 * @throws {FormatError} if the prefix is missing, or the comment is too long for minisign or holds control
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

/** Why a comment cannot stand behind `prefix`, as a noun; `undefined` if it can. */
export function refusalOfComment(comment: string, prefix: string): string | undefined {
  const max = prefix === TRUSTED_PREFIX ? MAX_TRUSTED_LINE_BYTES : MAX_UNTRUSTED_LINE_BYTES;
  // C reads the line with its end and a zero byte into a buffer of this length.
  if (new TextEncoder().encode(prefix + comment).length + 2 > max) {
    return `a comment that makes a line of more than ${max} bytes`;
  }
  if (UNPRINTABLE.test(comment)) return "a comment with control characters";
  if (!comment.isWellFormed()) return "a comment that is no valid Unicode";
}

/**
 * The bytes that a line of base64 stands for.
 *
 * @throws {FormatError} if they are not `lenBytes`, or the line is not what an encoder makes of them. The
 * message does not contain the line, which may be a secret.
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
    // atob() takes blanks, missing padding and bits behind the end as well.
    return btoa(binary) === line ? Uint8Array.from(binary, (char) => char.charCodeAt(0)) : undefined;
  } catch {
    return undefined;
  }
}

/** `bytes` in base64. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Two bytes that name an algorithm, as text for a message: `"Ed"`, or `00 00`. */
export function algorithmText(bytes: Uint8Array): string {
  const printable = bytes.every((byte) => byte > 0x20 && byte < 0x7f);
  return printable ? `"${String.fromCharCode(...bytes)}"` : hex(bytes, " ");
}

/** Whether `bytes` are the characters of `name`. */
export function isAlgorithm(bytes: Uint8Array, name: string): boolean {
  return bytes.length === name.length && bytes.every((byte, i) => byte === name.charCodeAt(i));
}

/** The bytes as hexadecimal digits. */
export function hex(bytes: Uint8Array, separator = ""): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(separator);
}
