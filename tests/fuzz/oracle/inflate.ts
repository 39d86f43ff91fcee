/** Deflate (RFC 1951) once more, bit by bit: it tells where a stream ends and what is wrong, and shares no code with zlib. */

import { NotAcceptable } from "./acceptable.ts";

/** What a stream holds, and where it ends. */
export interface Inflated {
  content: Uint8Array;
  /** Offset of the first byte behind it. */
  end: number;
}

/** Symbols by their codes, with a one in front that keeps their leading zeros. */
type Code = Map<number, number>;

const LONGEST_CODE = 15;
/** 3.2.5: bases and extra bits of lengths and distances follow a rule, but for the last length. */
const LENGTHS = Array.from({ length: 28 }, (_, i) => i < 8 ? [3 + i, 0] : grown(i, 4, 3)).concat([[258, 0]]);
const DISTANCES = Array.from({ length: 30 }, (_, i) => i < 4 ? [1 + i, 0] : grown(i, 2, 1));
/** 3.2.7: the order in which the lengths of the code of code lengths stand. */
const LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** `steps` symbols share a number of extra bits. */
function grown(symbol: number, steps: number, first: number): [base: number, extraBits: number] {
  const extraBits = Math.floor(symbol / steps) - 1;
  return [first + (steps + symbol % steps) * 2 ** extraBits, extraBits];
}

/** Inflates the stream that begins at `begin`. @throws {NotAcceptable} */
export function inflate(bytes: Uint8Array, begin: number): Inflated {
  const out: number[] = [];
  let at = begin;
  let bitsLeft = 0;

  function bit(): number {
    if (bitsLeft === 0) {
      if (at >= bytes.length) throw new NotAcceptable();
      at++;
      bitsLeft = 8;
    }
    return (bytes[at - 1] >> (8 - bitsLeft--)) & 1;
  }

  function bits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value += bit() << i;
    return value;
  }

  function symbol(code: Code): number {
    let read = 1;
    for (let length = 1; length <= LONGEST_CODE; length++) {
      read = read * 2 + bit();
      const found = code.get(read);
      if (found !== undefined) return found;
    }
    throw new NotAcceptable();
  }

  function value(table: readonly number[][], symbol: number): number {
    if (table[symbol] === undefined) throw new NotAcceptable();
    const [base, extraBits] = table[symbol];
    return base + bits(extraBits);
  }

  function stored(): void {
    bitsLeft = 0;
    const [length, inverse] = [bits(16), bits(16)];
    if (length !== (~inverse & 0xffff) || at + length > bytes.length) throw new NotAcceptable();
    for (let i = 0; i < length; i++) out.push(bytes[at++]);
  }

  function compressed(literals: Code, distances: Code): void {
    for (;;) {
      const literal = symbol(literals);
      if (literal === 256) return;
      if (literal < 256) {
        out.push(literal);
        continue;
      }
      const length = value(LENGTHS, literal - 257);
      const distance = value(DISTANCES, symbol(distances));
      if (distance > out.length) throw new NotAcceptable();
      for (let i = 0; i < length; i++) out.push(out[out.length - distance]);
    }
  }

  function dynamicCodes(): [literals: Code, distances: Code] {
    const [literals, distances, lengths] = [257 + bits(5), 1 + bits(5), 4 + bits(4)];
    if (literals > 286 || distances > 30) throw new NotAcceptable();
    const lengthLengths = new Array(19).fill(0);
    for (let i = 0; i < lengths; i++) lengthLengths[LENGTH_ORDER[i]] = bits(3);
    const lengthCode = codeOf(lengthLengths, { lone: false });
    const all: number[] = [];
    while (all.length < literals + distances) {
      const next = symbol(lengthCode);
      if (next < 16) all.push(next);
      else if (next === 16 && all.length === 0) throw new NotAcceptable();
      else {
        const repeated = next === 16 ? all[all.length - 1] : 0;
        const times = next === 16 ? 3 + bits(2) : next === 17 ? 3 + bits(3) : 11 + bits(7);
        all.push(...new Array(times).fill(repeated));
      }
    }
    if (all.length > literals + distances || all[256] === 0) throw new NotAcceptable();
    return [codeOf(all.slice(0, literals), { lone: true }), codeOf(all.slice(literals), { lone: true })];
  }

  for (let isLast = false; !isLast;) {
    isLast = bit() === 1;
    const type = bits(2);
    if (type === 0) stored();
    else if (type === 1) compressed(FIXED_LITERALS, FIXED_DISTANCES);
    else if (type === 2) compressed(...dynamicCodes());
    else throw new NotAcceptable();
  }
  return { content: Uint8Array.from(out), end: at };
}

/**
 * 3.2.2. A code is complete; as in zlib, one of no symbols may stand where none is used, and if `lone`, one of a single symbol
 * of one bit.
 */
function codeOf(lengths: readonly number[], { lone }: { lone: boolean }): Code {
  const code: Code = new Map();
  let next = 1;
  for (let length = 1; length <= LONGEST_CODE; length++) {
    next *= 2;
    lengths.forEach((its, symbol) => {
      if (its !== length) return;
      if (next >= 2 ** (length + 1)) throw new NotAcceptable();
      code.set(next++, symbol);
    });
  }
  const isComplete = next === 2 ** (LONGEST_CODE + 1);
  const isLone = lone && code.size === 1 && code.has(2);
  if (!isComplete && !isLone && code.size > 0) throw new NotAcceptable();
  return code;
}

/** 3.2.6. */
const FIXED_LITERALS = codeOf(
  Array.from({ length: 288 }, (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8),
  { lone: false },
);
const FIXED_DISTANCES = codeOf(new Array(32).fill(5), { lone: false });
