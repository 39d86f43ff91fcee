/**
 * The fields that headers are made of (FORMAT.md, "Building blocks"): tokens of text that end in one zero
 * byte, and byte arrays with their length in front. Only the canonical form is read: nothing else was ever written.
 */

import { FormatError, formatError } from "../errors.ts";
import { decodeText, encodeText } from "./text.ts";

/** The longest integer that a header may hold: 2^53 - 1 has 16 digits. */
const MAX_DIGITS = 16;
const CANONICAL_INTEGER = /^(0|-?[1-9][0-9]*)$/;

/** Range and name of an integer field. */
export interface IntegerField {
  name: string;
  min: number;
  max: number;
}

/** Reads fields from the beginning of a file. */
export class FieldReader {
  /** Offset of the next field. */
  offset = 0;
  readonly #bytes: Uint8Array;
  readonly #what: string;
  readonly #path: string;

  /**
   * @param bytes the file's first bytes; all of them, or more than any header may take
   * @param what `dump`, `digest` ..., for messages
   * @param path the file, for messages
   */
  constructor(bytes: Uint8Array, what: string, path: string) {
    this.#bytes = bytes;
    this.#what = what;
    this.#path = path;
  }

  /** An integer within its range. */
  integer(field: IntegerField): number {
    const start = this.offset;
    const wanted = `${field.name} from ${field.min} to ${field.max}`;
    const text = this.#token(wanted, MAX_DIGITS + 1);
    const value = Number(text);
    if (!CANONICAL_INTEGER.test(text) || value < field.min || value > field.max) {
      throw this.#error(start, wanted, quote(text));
    }
    return value;
  }

  /** `1` or `0`. */
  boolean(name: string): boolean {
    return this.integer({ name, min: 0, max: 1 }) === 1;
  }

  /** A byte array of exactly `lenBytes`; a copy. */
  byteArray(name: string, lenBytes: number): Uint8Array {
    this.integer({ name: `length of the ${name}`, min: lenBytes, max: lenBytes });
    const end = this.offset + lenBytes;
    if (end > this.#bytes.length) throw this.#cut(`${name} of ${lenBytes} bytes`);
    const bytes = this.#bytes.slice(this.offset, end);
    this.offset = end;
    return bytes;
  }

  /** A string of at most `maxBytes`. */
  string(name: string, maxBytes: number): string {
    return this.#token(name, maxBytes);
  }

  /** Whether the next string has these bytes. */
  isNext(string: Uint8Array): boolean {
    const { offset } = this;
    const end = offset + string.length;
    return this.#bytes[end] === 0 && string.every((byte, i) => this.#bytes[offset + i] === byte);
  }

  /** Passes over a string of at most `maxBytes`. */
  skipString(name: string, maxBytes: number): void {
    this.offset = this.#tokenEnd(name, maxBytes) + 1;
  }

  /** An error about the fields read so far as a whole. */
  unusable(reason: string, options?: ErrorOptions): FormatError {
    const message = `Cannot read ${this.#what} "${this.#path}": ${reason}`;
    return new FormatError(message, { path: this.#path, offsetBytes: this.offset, found: reason }, options);
  }

  #token(wanted: string, maxBytes: number): string {
    const end = this.#tokenEnd(wanted, maxBytes);
    // A copy: decoders refuse views of shared memory.
    const text = decodeText(this.#bytes.slice(this.offset, end));
    this.offset = end + 1;
    return text;
  }

  /** Offset of the zero byte behind the next token. */
  #tokenEnd(wanted: string, maxBytes: number): number {
    const limit = Math.min(this.#bytes.length, this.offset + maxBytes + 1);
    const end = this.#bytes.subarray(0, limit).indexOf(0, this.offset);
    if (end < 0) {
      if (limit === this.#bytes.length) throw this.#cut(wanted);
      throw this.#error(this.offset, wanted, `a field of more than ${maxBytes} bytes`);
    }
    return end;
  }

  #cut(wanted: string): FormatError {
    return this.#error(this.#bytes.length, `more of the header (${wanted})`, "the end of the file");
  }

  #error(offsetBytes: number, expected: string, found: string): FormatError {
    return formatError(this.#what, { path: this.#path, offsetBytes, expected, found });
  }
}

/** Collects fields. */
export class FieldWriter {
  readonly #parts: Uint8Array[] = [];

  integer(value: number): this {
    if (!Number.isSafeInteger(value)) {
      throw new RangeError(`Cannot write integer: ${value} is not a safe integer`);
    }
    return this.string(String(value));
  }

  boolean(value: boolean): this {
    return this.string(value ? "1" : "0");
  }

  byteArray(bytes: Uint8Array): this {
    this.integer(bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  string(text: string): this {
    const bytes = encodeText(text);
    if (bytes.includes(0)) throw new RangeError(`Cannot write string ${quote(text)}: it holds a zero byte`);
    this.#parts.push(bytes, Uint8Array.of(0));
    return this;
  }

  /** All fields so far. */
  bytes(): Uint8Array {
    const out = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

/** Text in quotes, control characters escaped, cut to a readable length. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
