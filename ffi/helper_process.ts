/** Functions for a process that works for another one and is blocked in calls of a library. */

import { useLibc } from "./libc.ts";

const SIGHUP = 1;
const SIGINT = 2;
const SIGTERM = 15;
const SIG_IGN = 1n;
const STDOUT = 1;
const STDERR = 2;

/** The process, as seen from inside. */
export interface HelperProcess {
  /**
   * Writes all of `bytes` to the standard output that the process had when it started.
   * @throws {Error} if nobody reads it
   */
  answer(bytes: Uint8Array<ArrayBuffer>): void;
  /** Lets the system end this process in so many seconds, even during a call; 0 cancels that. */
  endIn(seconds: number): void;
  /**
   * The address of a log function for native libraries, `void (const char *, va_list)`, which writes to
   * standard error and may be called on any thread.
   */
  readonly log: Deno.PointerValue;
}

/**
 * Sets this process up. The signals of a terminal are ignored, because the program that it works for handles
 * them and closes standard input to end it. Everything that a library prints goes to standard error.
 * @throws {Error} without the C library
 */
export function setUpHelperProcess(): HelperProcess {
  const libc = useLibc();
  if (libc === undefined) throw new Error("Cannot call native libraries: --allow-ffi is needed");
  const { calls } = libc;
  const ignore = Deno.UnsafePointer.create(SIG_IGN);
  for (const number of [SIGHUP, SIGINT, SIGTERM]) calls.signal(number, ignore);
  const answers = calls.dup(STDOUT);
  calls.dup2(STDERR, STDOUT);
  return {
    answer(bytes) {
      for (let done = 0; done < bytes.length;) {
        const part = bytes.subarray(done);
        const count = Number(calls.write(answers, part, BigInt(part.length)));
        if (count <= 0) throw new Error("Cannot answer: nobody listens");
        done += count;
      }
    },
    endIn: (seconds) => void calls.alarm(seconds),
    log: calls.vwarnx,
  };
}
