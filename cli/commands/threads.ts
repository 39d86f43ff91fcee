/** How many threads a command has, and when it needs them. */

import { UsageError } from "../errors.ts";
import { canHaveWorkers } from "../workers/crew.ts";
import { variableOf } from "./environment.ts";
import { isCompressed, STREAM } from "./input_file.ts";

/** More threads than this are faster only where everything is compressed, and each takes some 20 MiB. */
export const DEFAULT_THREADS = 4;
export const MAX_THREADS = 64;

/** A file of this size takes as long to compress as a worker takes to start. */
const MUCH_BYTES = 32 * 1024 * 1024;

/** As `--threads`, which overrides it; all threads are started at once, so that tests of short commands have them too. */
export const THREADS_VARIABLE = "VMDKBKP_THREADS";

/** Whether the names and sizes of files promise work for more than a thread, long enough to start another one. */
export function hasMuchToCompress(
  { inputs, outputs = [] }: { inputs: string[]; outputs?: (string | undefined)[] },
): boolean {
  if (![...inputs, ...outputs].some(isCompressed)) return false;
  return sizeOf(inputs) >= MUCH_BYTES;
}

/** Bytes of files, as far as that is known. */
export function sizeOf(paths: readonly string[]): number {
  let bytes = 0;
  for (const path of paths) {
    try {
      if (path !== STREAM) bytes += Deno.statSync(path).size;
    } catch {
      // Whoever opens the file tells what is wrong with it.
    }
  }
  return bytes;
}

/** Deno 2.4 takes 40 MiB more to begin with, and its zstd leaves memory behind: with two threads it comes to 265 MiB. */
function isOldDeno(): boolean {
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  return major === 2 && minor < 9;
}

export function threadsOf(option: string | undefined): number {
  const text = option ?? variableOf(THREADS_VARIABLE);
  if (text === undefined) {
    return isOldDeno() || !canHaveWorkers() ? 1 : Math.min(navigator.hardwareConcurrency, DEFAULT_THREADS);
  }
  const threads = Number(text);
  if (/^[0-9]{1,3}$/.test(text) && threads >= 1 && threads <= MAX_THREADS) {
    return canHaveWorkers() ? threads : 1;
  }
  const name = option === undefined ? THREADS_VARIABLE : "--threads";
  throw new UsageError(`Cannot use ${name} "${text}": a number from 1 to ${MAX_THREADS} is needed`);
}
