/**
 * Decides what is done when a call on a disk fails. A call fails for good only after it was repeated often
 * enough and in every way.
 */

import { VIX, VixError } from "../../../ffi/vix/vix_error.ts";
import { ProcessGoneError } from "./process.ts";

/**
 * - `again`: repeat the call
 * - `reconnect`: close, connect and open anew
 * - `restart`: start a new process, which loads the library afresh
 * - `giveUp`: fail
 */
export type Remedy = "again" | "reconnect" | "restart" | "giveUp";

/** Errors that a repetition does not change: bad arguments, no such file, no rights, out of range. */
const HOPELESS: readonly number[] = [
  VIX.invalidArgument,
  4,
  VIX.notSupported,
  11,
  VIX.authentication,
  VIX.userPermissions,
  16007,
  16052,
];

/** Errors of functions that a library does not have, or has only in name. */
const NOT_SUPPORTED: readonly number[] = [VIX.notSupported, VIX.notSupportedRemotely, VIX.diskNotSupported];

/** Whether the library does not support a function. */
export function isNotSupported(error: unknown): boolean {
  return error instanceof VixError && NOT_SUPPORTED.includes(error.code);
}

/** Errors of a session that has ended. */
const SESSION_OVER: readonly number[] = [
  VIX.hostNotConnected,
  VIX.hostDisconnected,
  VIX.hostConnectionLost,
  VIX.invalidSession,
];

/** Whether the connection cannot be used any more. */
export function isSessionOver(error: unknown): boolean {
  return error instanceof VixError && SESSION_OVER.includes(error.code);
}

/**
 * Returns the remedy after the `failures`-th failure in a row. Most faults are short, so the first time
 * nothing is changed. Some faults last as long as the session, which expires, and some as long as the
 * process: after a SCSI reservation conflict the library never reads that disk again.
 */
export function remedyFor(error: unknown, failures: number): Remedy {
  if (error instanceof ProcessGoneError) return error.hung ? "giveUp" : "restart";
  if (!(error instanceof VixError) || HOPELESS.includes(error.code)) return "giveUp";
  if (failures === 1) return isSessionOver(error) ? "reconnect" : "again";
  return failures === 2 ? "reconnect" : "restart";
}

/** Errors of a lack of memory, and of connections that broke or were not answered in time. */
const TRANSIENT: readonly number[] = [VIX.outOfMemory, 14010, 14011, 14014, 14015, 30028];

/**
 * Whether a disk that did not open may open a moment later. Most failures at this point are wrong options.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof ProcessGoneError) return !error.hung;
  return error instanceof VixError && TRANSIENT.includes(error.code);
}

const LONGEST_WAIT_MS = 60_000;

/** Returns the time to wait before the try after the `failures`-th failure, which doubles each time. */
export function waitBefore(failures: number, firstMs: number): number {
  return Math.min(LONGEST_WAIT_MS, firstMs * 2 ** (failures - 1));
}
