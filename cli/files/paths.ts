/** Small questions to the file system, and what makes its answers last. */

/** What `path` leads to; undefined if nothing is there. */
export function statIfThere(path: string): Deno.FileInfo | undefined {
  return unlessMissing(() => Deno.statSync(path));
}

/** What is at `path` itself, be it a symbolic link; undefined if nothing is there. */
export function lstatIfThere(path: string): Deno.FileInfo | undefined {
  return unlessMissing(() => Deno.lstatSync(path));
}

/** Removes a file that may be gone already. @throws the system's error */
export function removeIfThere(path: string): void {
  unlessMissing(() => Deno.removeSync(path));
}

/** Whether both are the same file, by whatever names they were asked. */
export function isSameFile(a: Deno.FileInfo | undefined, b: Deno.FileInfo | undefined): boolean {
  return a !== undefined && b !== undefined && a.isFile && a.ino !== null && a.ino === b.ino &&
    a.dev === b.dev;
}

/** The system's numbers of errors that mean lost data; any other means that folders are not synced here, which is all right. */
const LOSSES = ["EIO", "ENOSPC", "EDQUOT"];

/** Names in a folder are on stable storage when the folder is. @throws the system's error if they cannot be */
export function syncFolder(folder: string): void {
  try {
    using file = Deno.openSync(folder);
    file.syncSync();
  } catch (error) {
    if (LOSSES.includes((error as { code?: string }).code ?? "")) throw error;
  }
}

/** For cleaning up behind an error: the first one counts. */
export function ignoreErrors(action: () => void): void {
  try {
    action();
  } catch {
    // Cleaning up does what it can.
  }
}

function unlessMissing<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
