/** Small questions about paths, and cleaning up. */

import { retryInterrupted } from "./system_errors.ts";

/** What `path` leads to; undefined if nothing is there. @throws the system's error */
export function statIfThere(path: string): Deno.FileInfo | undefined {
  return unlessMissing(() => Deno.statSync(path));
}

/** What is at `path` itself, which may be a symbolic link; undefined if nothing is there. @throws the system's error */
export function lstatIfThere(path: string): Deno.FileInfo | undefined {
  return unlessMissing(() => Deno.lstatSync(path));
}

/** Removes a file that may be gone already. @throws the system's error */
export function removeIfThere(path: string): void {
  unlessMissing(() => Deno.removeSync(path));
}

/** Whether both are the same regular file, whatever names led to them. */
export function isSameFile(a: Deno.FileInfo | undefined, b: Deno.FileInfo | undefined): boolean {
  return a !== undefined && b !== undefined && a.isFile && a.ino !== null && a.ino === b.ino &&
    a.dev === b.dev;
}

/** For cleaning up after an error: the first error counts. */
export function ignoreErrors(action: () => void): void {
  try {
    action();
  } catch {
    // Cleaning up does what it can.
  }
}

function unlessMissing<T>(action: () => T): T | undefined {
  try {
    return retryInterrupted(action);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
