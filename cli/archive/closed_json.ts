/**
 * Small JSON files that end with their own SHA-256, so that damage of the file is told apart from damage of what it describes.
 * Only the very bytes that a writer makes are read: the same values in another text were not written by this program.
 */

import { type FormatError, formatError } from "../errors.ts";

/** A kind of file. */
export interface ClosedJsonKind {
  /** What messages call it: `seal`. */
  what: string;
  /** The first member of the object, which holds the version. */
  versionName: string;
  version: number;
  /** The longest file that is read. */
  maxBytes: number;
}

/**
 * The bytes of a file: `body` as JSON, indented by two spaces, with the version in front and the SHA-256 of all text before it
 * at the end.
 */
export async function closedJsonBytes(
  { versionName, version }: ClosedJsonKind,
  body: Record<string, unknown>,
): Promise<Uint8Array<ArrayBuffer>> {
  return await closed({ [versionName]: version, ...body });
}

/**
 * Reads a file, whose members are to be taken from the result one by one.
 *
 * @param bytes the whole file, or at least one byte more than `maxBytes` of it
 * @throws {FormatError} if it is of another kind or version, or was damaged
 */
export async function parseClosedJson(
  kind: ClosedJsonKind,
  bytes: Uint8Array,
  path: string,
): Promise<JsonFields> {
  const { what, versionName, version, maxBytes } = kind;
  if (bytes.length > maxBytes) {
    throw formatError(what, { path, expected: `at most ${maxBytes} bytes`, found: "more" });
  }
  const { [versionName]: found, sha256, ...body } = parseObject(bytes, { what, path });
  if (found !== version) {
    throw formatError(what, {
      path,
      expected: `version ${version}`,
      found: shortJson(found),
    });
  }
  const written = await closed({ [versionName]: version, ...body }).catch((cause) => {
    // Nested a hundred thousand times, it is more than can be written.
    throw formatError(what, { path, expected: `a ${what}`, found: "something else" }, { cause });
  });
  const at = firstDifference(bytes, written);
  if (at !== undefined) {
    throw formatError(what, {
      path,
      offsetBytes: at,
      expected: `a ${what} as it was written`,
      found: `"sha256": ${shortJson(sha256)}, or another text in front of it`,
    });
  }
  return new JsonFields(body, { what, path });
}

/** Where a value stands, for messages. */
interface Place {
  what: string;
  path: string;
  /** The names of the members that lead to the object: `files[0].`. */
  where?: string;
}

/** Takes the members of an object one by one, each of its type and within its bounds; other members are passed over. */
export class JsonFields {
  readonly #value: Record<string, unknown>;
  readonly #place: Place;

  /** @throws {FormatError} if `value` is no object */
  constructor(value: unknown, place: Place) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw faultAt(place, "", { expected: "an object", value });
    }
    this.#value = value as Record<string, unknown>;
    this.#place = place;
  }

  /** Whether the object has the member. */
  has(name: string): boolean {
    return Object.hasOwn(this.#value, name);
  }

  /** The names of all members. */
  names(): string[] {
    return Object.keys(this.#value);
  }

  /** Whether the member is `null`. */
  isNull(name: string): boolean {
    return this.has(name) && this.#value[name] === null;
  }

  /** A text of at most `maxLength` UTF-16 units that has the form. */
  text(name: string, { form = /^/, maxLength = 4096 }: { form?: RegExp; maxLength?: number } = {}): string {
    const value = this.#value[name];
    if (typeof value === "string" && value.length <= maxLength && form.test(value)) return value;
    const expected = form.source === "^" ? `a text of at most ${maxLength} characters` : `${form}`;
    throw this.fault(name, expected);
  }

  /** A whole number in a range. */
  integer(name: string, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): number {
    const value = this.#value[name];
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) {
      return value;
    }
    throw this.fault(name, `an integer from ${min} to ${max}`);
  }

  /** A number in a range. */
  number(name: string, { min, max }: { min: number; max: number }): number {
    const value = this.#value[name];
    if (typeof value === "number" && value >= min && value <= max) return value;
    throw this.fault(name, `a number from ${min} to ${max}`);
  }

  /** A member that is `true`. */
  yes(name: string): true {
    if (this.#value[name] === true) return true;
    throw this.fault(name, "true, or no such member");
  }

  /** An object. */
  object(name: string): JsonFields {
    return new JsonFields(this.#value[name], { ...this.#place, where: `${this.#where}${name}.` });
  }

  /** A list of at most `max` objects. */
  list(name: string, { max }: { max: number }): JsonFields[] {
    const value = this.#value[name];
    if (!Array.isArray(value) || value.length > max) throw this.fault(name, `a list of at most ${max}`);
    return value.map((item, i) =>
      new JsonFields(item, { ...this.#place, where: `${this.#where}${name}[${i}].` })
    );
  }

  /** An object of at most `max` texts. */
  texts(name: string, { max, maxLength }: { max: number; maxLength?: number }): Record<string, string> {
    const fields = this.object(name);
    const names = fields.names();
    if (names.length > max) throw this.fault(name, `at most ${max} texts`);
    return Object.fromEntries(names.map((key) => [key, fields.text(key, { maxLength })]));
  }

  /** The error for a member that is not what it must be. */
  fault(name: string, expected: string): FormatError {
    return faultAt(this.#place, name, { expected, value: this.#value[name] });
  }

  get #where(): string {
    return this.#place.where ?? "";
  }
}

function faultAt(
  { what, path, where = "" }: Place,
  name: string,
  { expected, value }: { expected: string; value: unknown },
): FormatError {
  const member = `${where}${name}`.replace(/\.$/, "");
  return formatError(what, {
    path,
    expected: member === "" ? expected : `${member}: ${expected}`,
    found: shortJson(value),
  });
}

function shortJson(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

function parseObject(bytes: Uint8Array, { what, path }: Place): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    // The cause quotes the text, which may be that of another file to which a link leads.
    throw formatError(what, { path, expected: "JSON", found: "something else" }, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw formatError(what, { path, expected: "a JSON object", found: "another value" });
}

/** The text of `body` with its SHA-256 as last member. */
async function closed(body: Record<string, unknown>): Promise<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const open = JSON.stringify(body, null, 2).replace(/\n\}$/, ",\n");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(open)));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return encoder.encode(`${open}  "sha256": "${hex}"\n}\n`);
}

function firstDifference(a: Uint8Array, b: Uint8Array): number | undefined {
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
}
