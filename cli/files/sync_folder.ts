/** Puts the names in a folder on stable storage. */

import { fileError, isWithoutFolderSync, retryInterrupted } from "./system_errors.ts";

/**
 * Returns when the names in the folder at `path` are on stable storage. Some file systems cannot sync folders;
 * there a name may lead to the old contents after a power failure.
 *
 * @param shown the path of the folder in messages, if another one leads to it
 * @throws {FileError} if the system reports a failure
 */
export function syncFolder(path: string, shown: string = path): void {
  try {
    using file = retryInterrupted(() => Deno.openSync(path));
    retryInterrupted(() => file.syncSync());
  } catch (cause) {
    if (!isWithoutFolderSync(cause)) throw fileError("sync folder", shown, cause);
  }
}
