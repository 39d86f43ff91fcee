/**
 * Standard output and standard error, which may lead to a full disk or to a pipe that nobody reads. `console` throws the
 * system's error without a word on the stream, and says nothing of a broken pipe.
 */

import { isInterrupted, reasonOf } from "./system_errors.ts";

/** A stream with its name for messages. */
export interface StandardStream {
  readonly name: string;
  readonly file: Pick<typeof Deno.stdout, "writeSync">;
}

/** Carries results, and archives that are named `-`. */
export const STDOUT: StandardStream = { name: "standard output", file: Deno.stdout };

/** Carries warnings and errors, and reports where standard output carries an archive. */
export const STDERR: StandardStream = { name: "standard error", file: Deno.stderr };

/** Between two attempts to write to a terminal or a pipe that is full and that another program made one that does not block. */
const PAUSE_MS = 10;

/**
 * Prints a text as it is.
 *
 * @param options.what for the message, if it is more than the stream
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

/** Prints a text to standard error if that is possible: what cannot be said there can be said nowhere else. */
export function note(text: string): void {
  try {
    print(text, { stream: STDERR });
  } catch {
    // The exit code tells the rest.
  }
}
