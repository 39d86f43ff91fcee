/** What a process needs of the system that works for another one, blocked in calls of a library. */

import { useLibc } from "./libc.ts";

const SIGHUP = 1;
const SIGINT = 2;
const SIGTERM = 15;
const SIG_IGN = 1n;
const STDOUT = 1;
const STDERR = 2;

/** The process from inside. */
export interface HelperProcess {
  /** Writes all of `bytes` to what was standard output when the process started. @throws {Error} if nobody listens */
  answer(bytes: Uint8Array<ArrayBuffer>): void;
  /** Has the system end this process in so many seconds, whatever it is blocked in; 0 takes that back. */
  endIn(seconds: number): void;
  /** A log function for native libraries, `void (const char *, va_list)`: standard error, from any thread. */
  readonly log: Deno.PointerValue;
}

/**
 * Sets this process up: the signals of a terminal are left to the program that it works for, which closes standard input
 * to end it; what a library prints goes to standard error.
 *
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
