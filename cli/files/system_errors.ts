/** Errors of the system as messages: the action, the file, and then the system's reason. */

import { FileError } from "../errors.ts";

/**
 * The part of a message in which Deno repeats the call and its paths: `No such file or directory (os error
 * 2): open 'a'`.
 */
const REPEATED_CALL = /: [a-z]+ '.*'$/s;

/**
 * Returns the system's reason without the call and the paths that Deno appends to it. The text begins in the
 * style of the middle of a sentence.
 *
 * @example
 * ```ts
 * import { reasonOf } from "./system_errors.ts";
 *
 * reasonOf(new Error("No such file or directory (os error 2): open 'a'")); // "No such file or directory (os error 2)"
 * ```
 */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(REPEATED_CALL, "").replace(/^Cannot /, "cannot ");
}

/** Returns the error of an action on a file: `Cannot rename "a" to "b": Permission denied (os error 13)`. */
export function fileError(action: string, path: string, cause: unknown): FileError {
  return new FileError({ action, path, reason: reasonOf(cause) }, { cause });
}

/**
 * Calls the system, and repeats the call if a signal interrupts it. @throws {FileError} with `action` and
 * `path`
 */
export function onFile<T>(action: string, path: string, call: () => T): T {
  try {
    return retryInterrupted(call);
  } catch (cause) {
    throw fileError(action, path, cause);
  }
}

/** Calls `cleanUp` and returns `error`, or an error with both reasons if `cleanUp` fails. */
export function cleanUpAfter(error: unknown, cleanUp: () => void): unknown {
  try {
    cleanUp();
    return error;
  } catch (second) {
    return new Error(`${(error as Error).message}; and ${reasonOf(second)}`, { cause: error });
  }
}

/**
 * Calls the system, and repeats the call as long as a signal interrupts it before it has done anything.
 *
 * @throws any other error of `call`
 */
export function retryInterrupted<T>(call: () => T): T {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (!isInterrupted(error)) throw error;
    }
  }
}

/** Returns whether a signal interrupted a system call (EINTR). */
export function isInterrupted(error: unknown): boolean {
  return error instanceof Deno.errors.Interrupted || (error as { code?: unknown } | null)?.code === "EINTR";
}

/** The error codes of `flock` on file systems without locks. */
const NO_LOCKS = ["ENOLCK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EBADF"];

/** Returns whether an error of `flock` means that the file system has no locks. */
export function isWithoutLocks(error: unknown): boolean {
  return error instanceof Deno.errors.NotSupported ||
    NO_LOCKS.includes((error as { code?: string } | null)?.code ?? "");
}

/** The error codes of file systems that cannot sync folders. Every other error is a possible loss of data. */
const NO_FOLDER_SYNC = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EBADF"];

/** Returns whether an error means that the file system cannot sync folders. */
export function isWithoutFolderSync(error: unknown): boolean {
  return NO_FOLDER_SYNC.includes((error as { code?: string } | null)?.code ?? "");
}

/** Returns whether an error, or one of its causes, means that the path of a file leads nowhere. */
export function isMissing(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (
      at instanceof Deno.errors.NotFound || at instanceof Deno.errors.NotADirectory ||
      at instanceof Deno.errors.FilesystemLoop
    ) return true;
  }
  return false;
}
