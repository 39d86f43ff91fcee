/**
 * Text from files, names and servers on its way to a terminal. Whoever wrote it must not be able to move the cursor, to forge
 * a line of a report, or to turn the direction of what follows.
 */

/** Control characters (C0, DEL, C1), line and paragraph separators, marks of direction, and halves of surrogate pairs. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]|\p{Cs}/gu;

/** Those of them that JSON leaves as they are. */
const UNPRINTABLE_IN_JSON = /[\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g;

/**
 * One line of text as it may be printed: a character that a terminal would obey becomes its number.
 *
 * @example
 * ```ts
 * import { printable } from "./printable.ts";
 *
 * printable("a\x1b[2Jb"); // "a\\u{1b}[2Jb"
 * ```
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** As `JSON.stringify`, in one line, without a character that a terminal would obey. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(
    UNPRINTABLE_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
