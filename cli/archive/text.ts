/**
 * Strings of archives. They are bytes without a zero byte, usually UTF-8. Bytes that are not UTF-8 must
 * survive a merge unchanged. Therefore each byte that cannot be decoded becomes a lone surrogate
 * U+DC80..U+DCFF, which no valid text contains, and is written as that byte again (as in PEP 383 of Python).
 */

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ENCODER = new TextEncoder();
const ESCAPE_BASE = 0xdc00;

/**
 * Decodes bytes to text. Every byte sequence can be decoded, and {@linkcode encodeText} returns the same
 * bytes again.
 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return STRICT.decode(bytes);
  } catch {
    return decodeDamaged(bytes);
  }
}

/** Encodes text to bytes. It is the inverse of {@linkcode decodeText}. */
export function encodeText(text: string): Uint8Array {
  const bytes: number[] = [];
  // Iterating over a string yields whole code points, so a lone surrogate is an escaped byte.
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (code >= ESCAPE_BASE + 0x80 && code <= ESCAPE_BASE + 0xff) bytes.push(code - ESCAPE_BASE);
    else if (code < 0x80) bytes.push(code);
    else bytes.push(...ENCODER.encode(char));
  }
  return Uint8Array.from(bytes);
}

/**
 * Compares two texts by their bytes, in the order that the original program uses for the keys of its maps.
 */
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

/** Returns the length of the valid UTF-8 sequence at `at`, or 0 if there is none. */
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
