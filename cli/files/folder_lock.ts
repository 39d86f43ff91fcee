/**
 * The lock of a folder whose files belong together: an `flock` on the file `.lock` in it. It ends with its
 * process, so that nothing has to be unlocked after a crash.
 */

import { join } from "@std/path/posix/join";
import { releaseLock, tryLock } from "./disk_lock.ts";
import { fileError, retryInterrupted } from "./system_errors.ts";

/** The name of the lock file. */
export const LOCK_NAME = ".lock";

/** How a folder is locked. */
export interface FolderLockOptions {
  /** Exclude all other processes. Otherwise only processes that write are excluded. */
  write: boolean;
  /** What is locked, for messages: `machine "web"`. */
  what: string;
}

/** A lock, until disposal. */
export class FolderLock implements Disposable {
  #file?: Deno.FsFile;

  private constructor(file: Deno.FsFile | undefined) {
    this.#file = file;
  }

  /**
   * Locks a folder. On a file system without locks, and for reading where the lock file does not exist and
   * cannot be made, nothing is locked.
   *
   * @throws {Error} if another process holds the lock; the message names it where the system tells
   */
  static take(folder: string, { write, what }: FolderLockOptions): FolderLock {
    const path = join(folder, LOCK_NAME);
    const file = openLockFile(path, write);
    if (file === undefined) return new FolderLock(file);
    using scope = new DisposableStack();
    scope.adopt(file, (file) => file.close());
    if (tryLock(file, { path, write })) {
      scope.move();
      return new FolderLock(file);
    }
    const holders = holdersOf(file);
    throw new Error(
      `Cannot ${write ? "write" : "read"} ${what}: ${holders} ${
        write ? "reads or writes" : "writes"
      } it; wait until it has ended`,
    );
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) releaseLock(this.#file);
    this.#file = undefined;
  }
}

function openLockFile(path: string, write: boolean): Deno.FsFile | undefined {
  try {
    return retryInterrupted(() =>
      Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 })
    );
  } catch (cause) {
    if (write) throw fileError("lock", path, cause);
  }
  try {
    // The folder may be one that this user, or anybody, cannot write.
    return retryInterrupted(() => Deno.openSync(path));
  } catch {
    return undefined;
  }
}

/** Returns which processes hold locks on a file: `process 4711 (deno)`. */
function holdersOf(file: Deno.FsFile): string {
  const { ino } = file.statSync();
  const pids = ino === null ? [] : pidsOfLocks(textOf("/proc/locks"), ino);
  if (pids.length === 0) return "another process";
  const names = pids.map((pid) => {
    const name = textOf(`/proc/${pid}/comm`).trim();
    return `process ${pid}${name === "" ? "" : ` (${name})`}`;
  });
  return names.join(", ");
}

/**
 * Returns the processes that hold an `flock` on the file with an inode, from the text of `/proc/locks`
 * (proc_locks(5)): `1: FLOCK  ADVISORY  WRITE 4711 08:01:1312 0 EOF`. Processes of other containers have the
 * number 0 or less there and are left out.
 */
export function pidsOfLocks(locks: string, inode: number): number[] {
  const pids = locks.split("\n").flatMap((line) => {
    const [, kind, , , pid, file] = line.trim().split(/\s+/);
    return kind === "FLOCK" && file?.split(":").at(-1) === `${inode}` ? Number(pid) : [];
  });
  return [...new Set(pids)].filter((pid) => pid > 0);
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
