/** What is done when a call on a disk fails: nothing is given up before it was tried often enough, and in every way. */

import { VIX, VixError } from "../../../ffi/vix/vix_error.ts";
import { ProcessGoneError } from "./process.ts";

/**
 * - `again`: the same once more
 * - `reconnect`: close, connect and open anew
 * - `restart`: a new process that loads the library afresh
 * - `giveUp`: no way helps
 */
export type Remedy = "again" | "reconnect" | "restart" | "giveUp";

/** The caller or the user is wrong, and will be wrong again: bad arguments, no such file, no rights, out of range. */
const HOPELESS: readonly number[] = [
  3,
  4,
  VIX.notSupported,
  11,
  VIX.authentication,
  VIX.userPermissions,
  16007,
  16052,
];

/** The session has come to its end. */
const SESSION_OVER: readonly number[] = [
  VIX.hostNotConnected,
  VIX.hostDisconnected,
  VIX.hostConnectionLost,
  VIX.invalidSession,
];

/** Whether the connection is no longer of use. */
export function isSessionOver(error: unknown): boolean {
  return error instanceof VixError && SESSION_OVER.includes(error.code);
}

/**
 * The way out after the `failures`-th failure in a row. Most faults are short, so the first time nothing is changed; some
 * last as long as the session (it expires), some as long as the process: after a SCSI reservation conflict the library
 * fails to read that disk for ever.
 */
export function remedyFor(error: unknown, failures: number): Remedy {
  if (error instanceof ProcessGoneError) return error.hung ? "giveUp" : "restart";
  if (!(error instanceof VixError) || HOPELESS.includes(error.code)) return "giveUp";
  if (failures === 1) return isSessionOver(error) ? "reconnect" : "again";
  return failures === 2 ? "reconnect" : "restart";
}

/** Short of memory, or a connection that broke, was cut or not answered in time. */
const TRANSIENT: readonly number[] = [VIX.outOfMemory, 14010, 14011, 14014, 14015, 30028];

/** Whether a disk that did not open at once may open a moment later; most failures there are wrong options. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ProcessGoneError) return !error.hung;
  return error instanceof VixError && TRANSIENT.includes(error.code);
}

const LONGEST_WAIT_MS = 60_000;

/** Time to wait before the try behind the `failures`-th failure: twice as long each time. */
export function waitBefore(failures: number, firstMs: number): number {
  return Math.min(LONGEST_WAIT_MS, firstMs * 2 ** (failures - 1));
}
