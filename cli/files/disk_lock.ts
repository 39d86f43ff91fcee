/**
 * Locks on the files of a disk: a process that writes a disk in place excludes all others from its files, and processes that
 * read the disk exclude writers. The locks are `flock`s on the files themselves, so they hold whatever name leads to a file:
 * `x-flat.vmdk` is locked for the one that opens `x.vmdk`. They end with the process.
 */

import { FileError } from "../errors.ts";
import { fileError, isWithoutLocks, reasonOf, retryInterrupted } from "./system_errors.ts";

/**
 * Files of a disk that is read that are locked at most. A disk in pieces of 2 GiB has thousands, and a process may have open
 * a thousand files; whoever writes the disk locks all of them and is excluded by the first.
 */
const MAX_READ_LOCKS = 256;

/** The locks on the files of one disk, until disposal. */
export class DiskLock implements Disposable {
  readonly #files: Deno.FsFile[] = [];

  /**
   * Locks the files of a disk that is open: its descriptor, its extents, its parents. A file system without locks has none.
   *
   * @throws {Error} if another process writes one of the files, or, with `write`, reads one
   */
  static take(files: readonly string[], { write }: { write: boolean }): DiskLock {
    using scope = new DisposableStack();
    const lock = scope.use(new DiskLock());
    for (const path of write ? files : files.slice(0, MAX_READ_LOCKS)) lock.#add(path, { write });
    scope.move();
    return lock;
  }

  #add(path: string, { write }: { write: boolean }): void {
    const action = write ? "write" : "read";
    let file: Deno.FsFile;
    try {
      file = retryInterrupted(() => Deno.openSync(path, { read: true, write }));
    } catch (cause) {
      const fault = { action: "lock", path, reason: reasonOf(cause) };
      throw new FileError(fault, {
        message: `Cannot lock "${path}" to ${action} it: ${fault.reason}`,
        cause,
      });
    }
    this.#files.push(file);
    if (isTaken(file, { path, write })) return;
    throw new Error(
      `Cannot ${action} "${path}": another process ` +
        `${write ? "reads or writes" : "writes"} it; wait until it has ended`,
    );
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.splice(0)) file.close();
  }
}

function isTaken(file: Deno.FsFile, { path, write }: { path: string; write: boolean }): boolean {
  // Deno before 2.5 can only wait.
  if (file.tryLockSync === undefined) return true;
  try {
    return retryInterrupted(() => file.tryLockSync(write));
  } catch (cause) {
    if (isWithoutLocks(cause)) return true;
    throw fileError("lock", path, cause);
  }
}
