/**
 * The text of a descriptor as lines of bytes. A line is a string with one character a byte: the keywords are ASCII in
 * every encoding, and what is not understood can be written back as it was. Values are decoded one by one.
 */

import { cannotOpen, quoted } from "../../refusal.ts";

/** A line of a descriptor. */
export interface Line {
  /** Without blanks around it, one character a byte. */
  text: string;
  /** All of the line with its end, one character a byte. */
  raw: string;
  /** Its first byte in the file. */
  offsetBytes: number;
}

/** The bytes of a string that has one character a byte. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/**
 * The string that has one character for each of `bytes`. To load `node:buffer` for it would take 25 ms, and the "latin1" of
 * `TextDecoder` is windows-1252.
 */
export function charsOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/**
 * qemu-img writes the CID without leading zeros, twice; where the second is shorter, the last bytes of the first text stay
 * behind the NUL of the second. A CID shrinks by seven digits at the most.
 */
const MAX_RESIDUE_BYTES = 7;

/**
 * Splits a descriptor at LF, CR LF and CR; it ends before the first NUL, behind which only NULs may stand, and the end of
 * the text before it, in a file that qemu-img made.
 * @throws {FormatError} if the text holds control characters
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

/** UTF-8's mark, which some editors set. */
export function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** Not `trim()`, which takes 0xA0 for a blank, and no expression, which takes n² steps for n blanks. */
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

/** The encoding a descriptor names, in lower case; UTF-8 if it names none. */
export function encodingOf(lines: readonly Line[]): string {
  for (const { text } of lines) {
    const match = /^encoding[ \t]*=[ \t]*"?([^"]*)"?$/i.exec(text);
    if (match !== null) return match[1].toLowerCase();
  }
  return "utf-8";
}

/** Windows code pages that the Encoding Standard knows by another name. */
const CODE_PAGES: Readonly<Record<string, string>> = { cp932: "shift_jis", cp936: "gbk", cp950: "big5" };

/** Not ASCII below 0x80, so the line they stand in could not have been read. */
const NOT_ASCII = /^(utf-16|iso-2022|replacement)/;

/**
 * What turns a value of these lines into text.
 * @throws {FormatError} if the encoding is unknown; the function returned throws it for bytes outside the encoding
 */
export function decoderFor(lines: readonly Line[], path: string): (text: string) => string {
  const encoding = encodingOf(lines);
  let decoder: TextDecoder | undefined;
  try {
    decoder = new TextDecoder(CODE_PAGES[encoding] ?? encoding, { fatal: true, ignoreBOM: true });
  } catch {
    // RangeError: a name that the Encoding Standard does not have.
  }
  if (decoder === undefined || NOT_ASCII.test(decoder.encoding)) {
    throw cannotOpen(path, `the encoding ${quoted(encoding)} of the descriptor is not supported`);
  }
  return (text) => {
    try {
      return decoder.decode(bytesOf(text));
    } catch (cause) {
      throw cannotOpen(path, `the descriptor holds bytes that are not ${encoding}`, { cause });
    }
  };
}
