/**
 * Strings of the archive are bytes without a zero byte, in practice UTF-8. What is not UTF-8 must survive a
 * merge unchanged, so each byte that cannot be decoded becomes a lone surrogate U+DC80..U+DCFF, which no
 * valid text contains, and turns back into that byte when written (the way of Python's PEP 383).
 */

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ENCODER = new TextEncoder();
const ESCAPE_BASE = 0xdc00;

/** Bytes to text; every byte sequence has one, and {@linkcode encodeText} gives the bytes back. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return STRICT.decode(bytes);
  } catch {
    return decodeDamaged(bytes);
  }
}

/** Text to bytes; the inverse of {@linkcode decodeText}. */
export function encodeText(text: string): Uint8Array {
  const bytes: number[] = [];
  // Iterating a string yields whole code points, so a surrogate seen alone is an escaped byte.
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code >= ESCAPE_BASE + 0x80 && code <= ESCAPE_BASE + 0xff) bytes.push(code - ESCAPE_BASE);
    else if (code < 0x80) bytes.push(code);
    else bytes.push(...ENCODER.encode(char));
  }
  return Uint8Array.from(bytes);
}

/** Orders two texts by their bytes, as the original orders the keys of its maps. */
export function compareText(a: string, b: string): number {
  const x = encodeText(a);
  const y = encodeText(b);
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (x[i] !== y[i]) return x[i] - y[i];
  }
  return x.length - y.length;
}

function decodeDamaged(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length;) {
    const len = validSequenceLen(bytes, i);
    if (len === 0) text += String.fromCharCode(ESCAPE_BASE + bytes[i++]);
    else {
      text += STRICT.decode(bytes.subarray(i, i + len));
      i += len;
    }
  }
  return text;
}

/** Length of the one valid UTF-8 sequence at `at`, 0 if there is none. */
function validSequenceLen(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  const len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  try {
    STRICT.decode(bytes.subarray(at, at + len));
    return at + len <= bytes.length ? len : 0;
  } catch {
    return 0;
  }
}
