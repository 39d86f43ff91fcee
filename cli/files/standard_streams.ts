/**
 * Prints to standard output and standard error, which may lead to a full disk or to a pipe without a reader. `console` of Deno
 * throws errors that do not name the stream, and ignores a broken pipe.
 */

import { isInterrupted, reasonOf } from "./system_errors.ts";

/** A stream, and its name for messages. */
export interface StandardStream {
  readonly name: string;
  readonly file: Pick<typeof Deno.stdout, "writeSync">;
}

/** Standard output: results, and archives that are named `-`. */
export const STDOUT: StandardStream = { name: "standard output", file: Deno.stdout };

/** Standard error: warnings and errors, and reports if an archive is on standard output. */
export const STDERR: StandardStream = { name: "standard error", file: Deno.stderr };

/** The pause between two attempts to write to a full pipe or terminal that another program has made non-blocking. */
const PAUSE_MS = 10;

/**
 * Prints a text.
 *
 * @param options.what the name of the text in the message of an error
 * @throws {Error} `Cannot write the report to standard output: No space left on device (os error 28)`
 */
export function print(
  text: string,
  { stream = STDOUT, what }: { stream?: StandardStream; what?: string } = {},
): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += stream.file.writeSync(bytes.subarray(at));
    } catch (cause) {
      if (isInterrupted(cause)) continue;
      if (cause instanceof Deno.errors.WouldBlock) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
        continue;
      }
      const place = what === undefined ? stream.name : `${what} to ${stream.name}`;
      throw new Error(`Cannot write ${place}: ${reasonOf(cause)}`, { cause });
    }
  }
}

/** Prints a text to standard error and ignores errors, because there is no other place for a message. */
export function note(text: string): void {
  try {
    print(text, { stream: STDERR });
  } catch {
    // The exit code is all that is left.
  }
}
