/**
 * Locks on the files of a disk. A process that writes a disk in place excludes all other processes from its
 * files, and processes that read a disk exclude writers. The locks are `flock`s on the files themselves, so
 * they are independent of the name by which a file is opened: `x-flat.vmdk` is also locked for a process that
 * opens `x.vmdk`. The locks end with the process.
 */

import { FileError } from "../errors.ts";
import { ignoreErrors } from "./paths.ts";
import { fileError, isWithoutLocks, reasonOf, retryInterrupted } from "./system_errors.ts";

/**
 * The largest number of files that are locked when a disk is read. A disk in extents of 2 GiB has thousands
 * of files, and a process may have a thousand files open. A writer locks all files of the disk, and so is
 * excluded by the first one.
 */
const MAX_READ_LOCKS = 256;

/** The locks on the files of one disk, until disposal. */
export class DiskLock implements Disposable {
  readonly #files: Deno.FsFile[] = [];

  /**
   * Locks the files of an open disk: its descriptor, its extents, its parents. On a file system without locks
   * nothing is locked.
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
    if (tryLock(file, { path, write })) return;
    throw new Error(
      `Cannot ${action} "${path}": another process ` +
        `${write ? "reads or writes" : "writes"} it; wait until it has ended`,
    );
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.splice(0)) releaseLock(file);
  }
}

/**
 * Releases the lock of a file and closes it. Closing alone is not enough: a process that this one is just
 * starting has the file open, too, until it runs its own program.
 */
export function releaseLock(file: Deno.FsFile): void {
  // A file system without locks has nothing to release.
  ignoreErrors(() => file.unlockSync?.());
  file.close();
}

/**
 * Locks a file, for this process alone with `write`. Returns false if another process has a lock that excludes
 * this one. On a file system without locks nothing is locked.
 *
 * @throws {FileError} for other errors
 */
export function tryLock(file: Deno.FsFile, { path, write }: { path: string; write: boolean }): boolean {
  // Deno before 2.5 can only wait for a lock, so nothing is locked there.
  if (file.tryLockSync === undefined) return true;
  try {
    return retryInterrupted(() => file.tryLockSync(write));
  } catch (cause) {
    if (isWithoutLocks(cause)) return true;
    throw fileError("lock", path, cause);
  }
}
