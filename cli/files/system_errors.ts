/** What the system refuses, in words: the action, the file, then the system's reason. */

import { FileError } from "../errors.ts";

/** Deno repeats the call and its paths behind the reason: `No such file or directory (os error 2): open 'a'`. */
const REPEATED_CALL = /: [a-z]+ '.*'$/s;

/**
 * Returns the system's reason without the paths that Deno appends to it. It begins as in the middle of a sentence.
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

/** The error of an action on a file: `Cannot rename "a" to "b": Permission denied (os error 13)`. */
export function fileError(action: string, path: string, cause: unknown): FileError {
  return new FileError({ action, path, reason: reasonOf(cause) }, { cause });
}

/** Calls the system, again if a signal interrupts the call. @throws {FileError} with `action` and `path` */
export function onFile<T>(action: string, path: string, call: () => T): T {
  try {
    return retryInterrupted(call);
  } catch (cause) {
    throw fileError(action, path, cause);
  }
}

/** Calls `cleanUp` and returns `error`; if `cleanUp` fails, returns an error whose message has both reasons. */
export function cleanUpAfter(error: unknown, cleanUp: () => void): unknown {
  try {
    cleanUp();
    return error;
  } catch (second) {
    return new Error(`${(error as Error).message}; and ${reasonOf(second)}`, { cause: error });
  }
}

/**
 * Calls the system again as long as a signal interrupts the call before it has done anything.
 *
 * @throws whatever else `call` throws
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

/** Whether a signal interrupted a system call (EINTR). */
export function isInterrupted(error: unknown): boolean {
  return error instanceof Deno.errors.Interrupted || (error as { code?: unknown } | null)?.code === "EINTR";
}

/** The error numbers with which file systems say that they have no locks. */
const NO_LOCKS = ["ENOLCK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EBADF"];

/** Whether an error of `flock` means that there are no locks on the file system. */
export function isWithoutLocks(error: unknown): boolean {
  return error instanceof Deno.errors.NotSupported ||
    NO_LOCKS.includes((error as { code?: string } | null)?.code ?? "");
}

/** The error numbers with which file systems say that they do not sync folders. Every other one is a loss. */
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
