/**
 * The fields of headers (FORMAT.md, "Building blocks"): text tokens that end with one zero byte, and byte
 * arrays with their length in front. Only the canonical form is accepted, because no program has ever written
 * another one.
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
  /** The offset of the next field. */
  offset = 0;
  readonly #bytes: Uint8Array;
  readonly #what: string;
  readonly #path: string;

  /**
   * @param bytes the first bytes of the file: all of them, or more than any header takes
   * @param what the kind of file in messages, such as `dump` or `digest`
   * @param path the path of the file, for messages
   */
  constructor(bytes: Uint8Array, what: string, path: string) {
    this.#bytes = bytes;
    this.#what = what;
    this.#path = path;
  }

  /**
   * Reads an integer within its range. @throws {FormatError} as all methods here, if the field is another one
   */
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

  /** Reads `1` or `0`. */
  boolean(name: string): boolean {
    return this.integer({ name, min: 0, max: 1 }) === 1;
  }

  /** Reads a byte array of exactly `lenBytes` and returns a copy. */
  byteArray(name: string, lenBytes: number): Uint8Array {
    this.integer({ name: `length of the ${name}`, min: lenBytes, max: lenBytes });
    const end = this.offset + lenBytes;
    if (end > this.#bytes.length) throw this.#cut(`${name} of ${lenBytes} bytes`);
    const bytes = this.#bytes.slice(this.offset, end);
    this.offset = end;
    return bytes;
  }

  /** Reads a string of at most `maxBytes`. */
  string(name: string, maxBytes: number): string {
    return this.#token(name, maxBytes);
  }

  /** Returns whether the next string has exactly these bytes, without reading it. */
  isNext(string: Uint8Array): boolean {
    const { offset } = this;
    const end = offset + string.length;
    return this.#bytes[end] === 0 && string.every((byte, i) => this.#bytes[offset + i] === byte);
  }

  /** Skips a string of at most `maxBytes`. */
  skipString(name: string, maxBytes: number): void {
    this.offset = this.#tokenEnd(name, maxBytes) + 1;
  }

  /** Returns an error about the combination of the fields that were read so far. */
  unusable(reason: string, options?: ErrorOptions): FormatError {
    const message = `Cannot read ${this.#what} "${this.#path}": ${reason}`;
    return new FormatError(message, { path: this.#path, offsetBytes: this.offset, found: reason }, options);
  }

  #token(wanted: string, maxBytes: number): string {
    const end = this.#tokenEnd(wanted, maxBytes);
    // The text is decoded from a copy, because TextDecoder refuses views of shared memory.
    const text = decodeText(this.#bytes.slice(this.offset, end));
    this.offset = end + 1;
    return text;
  }

  /** Returns the offset of the zero byte after the next token. */
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

/** Builds a header from fields. */
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

  /** Returns the bytes of all fields so far. */
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

/** Returns a text in quotes, with control characters escaped, cut after 40 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
