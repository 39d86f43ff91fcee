/** Small functions about paths, and about cleaning up. */

import { retryInterrupted } from "./system_errors.ts";

/**
 * Returns the properties of the file to which `path` leads; undefined if there is none. @throws the system's
 * error
 */
export function statIfThere(path: string): Deno.FileInfo | undefined {
  return unlessMissing(() => Deno.statSync(path));
}

/**
 * Returns the properties of `path` without following a symbolic link; undefined if there is nothing.
 *
 * @throws the system's error
 */
export function lstatIfThere(path: string): Deno.FileInfo | undefined {
  return unlessMissing(() => Deno.lstatSync(path));
}

/** Returns whether `path` leads to a folder; false if it cannot be looked at. */
export function leadsToFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Removes a file if it exists. @throws the system's error */
export function removeIfThere(path: string): void {
  unlessMissing(() => Deno.removeSync(path));
}

/** Returns whether both are the same regular file, independently of its names. */
export function isSameFile(a: Deno.FileInfo | undefined, b: Deno.FileInfo | undefined): boolean {
  return a !== undefined && b !== undefined && a.isFile && a.ino !== null && a.ino === b.ino &&
    a.dev === b.dev;
}

/** Runs an action and ignores its errors. It is for cleaning up after an error that is reported itself. */
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
