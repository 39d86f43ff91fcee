/**
 * The text of a descriptor as lines of bytes. A line is a string with one character for each byte: the
 * keywords are ASCII in every encoding, and lines that are not understood can be written back unchanged.
 * Values are decoded one by one.
 */

import { cannotOpen, quoted } from "../../refusal.ts";
import { encodingLabelOf } from "./encodings.ts";

/** A line of a descriptor. */
export interface Line {
  /** The line without blanks around it, one character for each byte. */
  text: string;
  /** The whole line with its end, one character for each byte. */
  raw: string;
  /** The position of its first byte in the file. */
  offsetBytes: number;
}

/** Returns the bytes of a string that has one character for each byte. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/**
 * Returns the string that has one character for each of `bytes`. Loading `node:buffer` for this would take 25
 * ms, and the "latin1" of `TextDecoder` is windows-1252.
 */
export function charsOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/**
 * qemu-img writes the CID without leading zeros, and writes the text twice. Where the second text is shorter,
 * the last bytes of the first one remain behind the NUL of the second. A CID shrinks by at most seven digits.
 */
const MAX_RESIDUE_BYTES = 7;

/**
 * Splits a descriptor at LF, CR LF and CR. The text ends before the first NUL. Behind it only NULs may stand,
 * or, in a file that qemu-img made, the rest of an earlier text.
 * @throws {FormatError} if the text contains control characters
 */
export function linesOf(
  bytes: Uint8Array,
  { path, beginBytes = 0 }: { path: string; beginBytes?: number },
): Line[] {
  const nul = bytes.indexOf(0);
  const nextNul = bytes.indexOf(0, nul + 1);
  const residueEnd = nextNul < 0 ? bytes.length : nextNul;
  const isResidue = (index: number) => index < residueEnd && residueEnd - nul - 1 <= MAX_RESIDUE_BYTES;
  const binary = bytes.findIndex((byte, index) =>
    nul >= 0 && index >= nul ? byte !== 0 && (isControl(byte) || !isResidue(index)) : isControl(byte)
  );
  if (binary >= 0) {
    throw cannotOpen(path, "the descriptor holds binary bytes", { offsetBytes: beginBytes + binary });
  }

  const mark = hasByteOrderMark(bytes) ? 3 : 0;
  const all = charsOf(bytes.subarray(mark, nul < 0 ? undefined : nul));
  const lines: Line[] = [];
  for (const match of all.matchAll(/([^\r\n]*)(?:\r\n|\r|\n|$)/g)) {
    if (match[0] === "") continue;
    lines.push({ text: trimBlanks(match[1]), raw: match[0], offsetBytes: beginBytes + mark + match.index });
  }
  return lines;
}

/** Whether the text begins with the byte order mark of UTF-8, which some editors write. */
export function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/**
 * Removes blanks at both ends. `trim()` would remove 0xA0, too, and a regular expression takes n² steps for n
 * blanks.
 */
function trimBlanks(text: string): string {
  let begin = 0;
  let end = text.length;
  while (begin < end && isBlank(text[begin])) begin++;
  while (end > begin && isBlank(text[end - 1])) end--;
  return text.slice(begin, end);
}

function isBlank(character: string): boolean {
  return character === " " || character === "\t";
}

function isControl(byte: number): boolean {
  return (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) || byte === 0x7f;
}

/** Returns the encoding that a descriptor names, in lower case, or UTF-8 if it names none. */
export function encodingOf(lines: readonly Line[]): string {
  for (const { text } of lines) {
    const match = /^encoding[ \t]*=[ \t]*"?([^"]*)"?$/i.exec(text);
    if (match !== null) return match[1].toLowerCase();
  }
  return "utf-8";
}

/** Encodings that are not ASCII below 0x80: the line that names them could not have been read. */
const NOT_ASCII = /^(utf-16|iso-2022)/;

/** Turns a value of a descriptor's line, which has one character for each byte, into text. */
export type Decode = (value: string) => string;

/**
 * Returns a function that decodes the values of these lines. It throws a {@linkcode FormatError} for bytes that
 * the encoding does not have, or whose encoding is not known; ASCII is the same in every encoding.
 * @throws {FormatError} if the encoding is not ASCII below 0x80
 */
export function decoderFor(lines: readonly Line[], path: string): Decode {
  const encoding = encodingOf(lines);
  const label = encodingLabelOf(encoding);
  if (NOT_ASCII.test(encoding) || (label !== undefined && NOT_ASCII.test(new TextDecoder(label).encoding))) {
    throw cannotOpen(path, `the encoding ${quoted(encoding)} of the descriptor is not supported`);
  }
  const decoder = label === undefined ? undefined : new TextDecoder(label, { fatal: true, ignoreBOM: true });
  return (value) => {
    if (isAscii(value)) return value;
    if (decoder === undefined) {
      throw cannotOpen(
        path,
        `the encoding ${quoted(encoding)} of the descriptor is not known, and ${
          quoted(value)
        } is not ASCII; ` +
          `write the descriptor anew in UTF-8`,
      );
    }
    try {
      return decoder.decode(bytesOf(value));
    } catch (cause) {
      throw cannotOpen(path, `the descriptor holds bytes that are not ${encoding}`, { cause });
    }
  };
}

/** A loop: an expression takes several times as long for the names of 40000 extents. */
function isAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return false;
  return true;
}
