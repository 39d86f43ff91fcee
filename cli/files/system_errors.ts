/** What the system refuses, in words: the action, the file, then the system's reason. */

/** Deno repeats the call and its paths behind the reason: `No such file or directory (os error 2): open 'a'`. */
const REPEATED_CALL = /: [a-z]+ '.*'$/s;

/**
 * The system's reason, without the paths that Deno repeats behind it.
 *
 * @example
 * ```ts
 * import { reasonOf } from "./system_errors.ts";
 *
 * reasonOf(new Error("No such file or directory (os error 2): open 'a'")); // "No such file or directory (os error 2)"
 * ```
 */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(REPEATED_CALL, "");
}

/** The error of an action on a file: `Cannot rename "a" to "b": Permission denied (os error 13)`. */
export function fileError(action: string, path: string, cause: unknown): Error {
  return new Error(`Cannot ${action} "${path}": ${reasonOf(cause)}`, { cause });
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
