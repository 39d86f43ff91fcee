/**
 * Small JSON files that end with their own SHA-256, so that damage of such a file can be distinguished from
 * damage of the files that it describes. The reader accepts the members in any order, but only as the exact
 * bytes that the writer makes of them: the same values in another spelling were not written by this program.
 */

import { type FormatError, formatError } from "../errors.ts";

/** A kind of JSON file. */
export interface ClosedJsonKind {
  /** The name of the kind in messages, such as `seal`. */
  what: string;
  /** The name of the first member of the object, whose value is the version. */
  versionName: string;
  version: number;
  /** The length of the longest file that is accepted. */
  maxBytes: number;
}

/**
 * Returns the bytes of a file: `body` as JSON, indented by two spaces, with the version as first member and
 * the SHA-256 of all text in front of it as last member.
 */
export async function closedJsonBytes(
  { versionName, version }: ClosedJsonKind,
  body: Record<string, unknown>,
): Promise<Uint8Array<ArrayBuffer>> {
  return await closed({ [versionName]: version, ...body });
}

/**
 * Reads a file and returns its members, which the caller takes one by one.
 *
 * @param bytes the whole file, or at least its first `maxBytes + 1` bytes
 * @throws {FormatError} if the file is of another kind or version, or is damaged
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
  const { sha256, ...members } = parseObject(bytes, { what, path });
  const { [versionName]: found, ...body } = members;
  if (found !== version) {
    throw formatError(what, {
      path,
      expected: `version ${version}`,
      found: shortJson(found),
    });
  }
  const written = await closed(members).catch((cause) => {
    // JSON.stringify() fails for a value that is nested a hundred thousand times.
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

/** The place of a value, for messages. */
interface JsonPlace {
  what: string;
  path: string;
  /** The names of the members that lead to the object: `files[0].`. */
  where?: string;
}

/**
 * Reads the members of an object one by one, and checks the type and the bounds of each. Other members are
 * ignored.
 */
export class JsonFields {
  readonly #value: Record<string, unknown>;
  readonly #place: JsonPlace;

  /** @throws {FormatError} if `value` is not an object */
  constructor(value: unknown, place: JsonPlace) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw faultAt(place, "", { expected: "an object", value });
    }
    this.#value = value as Record<string, unknown>;
    this.#place = place;
  }

  /** Returns whether the object has the member. */
  has(name: string): boolean {
    return Object.hasOwn(this.#value, name);
  }

  /** Returns the names of all members. */
  names(): string[] {
    return Object.keys(this.#value);
  }

  /** Returns whether the member is present and `null`. */
  isNull(name: string): boolean {
    return this.has(name) && this.#value[name] === null;
  }

  /** Returns a text of at most `maxLength` UTF-16 code units that matches `form`. */
  text(name: string, { form = /^/, maxLength = 4096 }: { form?: RegExp; maxLength?: number } = {}): string {
    const value = this.#value[name];
    if (typeof value === "string" && value.length <= maxLength && form.test(value)) return value;
    const expected = form.source === "^" ? `a text of at most ${maxLength} characters` : `${form}`;
    throw this.fault(name, expected);
  }

  /** Returns an integer from `min` to `max`. */
  integer(name: string, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): number {
    const value = this.#value[name];
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) {
      return value;
    }
    throw this.fault(name, `an integer from ${min} to ${max}`);
  }

  /** Returns a number from `min` to `max`. */
  number(name: string, { min, max }: { min: number; max: number }): number {
    const value = this.#value[name];
    if (typeof value === "number" && value >= min && value <= max) return value;
    throw this.fault(name, `a number from ${min} to ${max}`);
  }

  /** Returns `true`, the only value that the member may have. */
  yes(name: string): true {
    if (this.#value[name] === true) return true;
    throw this.fault(name, "true, or no such member");
  }

  /** Returns the members of an object. */
  object(name: string): JsonFields {
    return new JsonFields(this.#value[name], { ...this.#place, where: `${this.#where}${name}.` });
  }

  /** Returns the members of each object in a list of at most `max` objects. */
  list(name: string, { max }: { max: number }): JsonFields[] {
    const value = this.#value[name];
    if (!Array.isArray(value) || value.length > max) throw this.fault(name, `a list of at most ${max}`);
    return value.map((item, i) =>
      new JsonFields(item, { ...this.#place, where: `${this.#where}${name}[${i}].` })
    );
  }

  /** Returns an object of at most `max` texts. */
  texts(name: string, { max, maxLength }: { max: number; maxLength?: number }): Record<string, string> {
    const fields = this.object(name);
    const names = fields.names();
    if (names.length > max) throw this.fault(name, `at most ${max} texts`);
    return Object.fromEntries(names.map((key) => [key, fields.text(key, { maxLength })]));
  }

  /** Returns the error for a member whose value is not the expected one. */
  fault(name: string, expected: string): FormatError {
    return faultAt(this.#place, name, { expected, value: this.#value[name] });
  }

  get #where(): string {
    return this.#place.where ?? "";
  }
}

function faultAt(
  { what, path, where = "" }: JsonPlace,
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

function parseObject(bytes: Uint8Array, { what, path }: JsonPlace): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    // The message does not contain that of the cause, which quotes the text: a link may lead to another file,
    // whose content must not be shown.
    throw formatError(what, { path, expected: "JSON", found: "something else" }, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw formatError(what, { path, expected: "a JSON object", found: "another value" });
}

/** Returns `body` as JSON text, with the SHA-256 of the text in front of it as last member. */
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
