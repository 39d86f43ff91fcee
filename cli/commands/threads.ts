/** The threads that the command line asks for. */

import { UsageError } from "../errors.ts";
import { variableOf } from "../environment.ts";

export const MAX_THREADS = 64;

/** As `--threads`, which overrides it; all threads are started at once, so that tests of short commands have them too. */
export const THREADS_VARIABLE = "VMDKBKP_THREADS";

/** The number of threads that the option or the variable gives; undefined if neither does. */
export function threadsOf(option: string | undefined): number | undefined {
  const text = option ?? variableOf(THREADS_VARIABLE);
  if (text === undefined) return undefined;
  const threads = Number(text);
  if (/^[0-9]{1,3}$/.test(text) && threads >= 1 && threads <= MAX_THREADS) return threads;
  const name = option === undefined ? THREADS_VARIABLE : "--threads";
  throw new UsageError(`Cannot use ${name} "${text}": a number from 1 to ${MAX_THREADS} is needed`);
}
