/**
 * An open folder. Its files are reached through its descriptor and not through its path. The program
 * therefore stays in this folder even if the folder is renamed meanwhile or replaced with a symbolic link.
 *
 * Deno has no `openat` and related functions. Linux gives every open descriptor a path, `/proc/self/fd/N`,
 * that leads to the opened folder independently of its current name; Deno allows this path only with all
 * permissions. If it cannot be used, the path of the folder is used, and each call first checks that it still
 * leads to the opened folder.
 */

import { join } from "@std/path/posix/join";
import { lstatIfThere, removeIfThere } from "./paths.ts";
import { statOf } from "./positioned.ts";
import { syncFolder } from "./sync_folder.ts";
import { fileError, onFile, reasonOf, retryInterrupted } from "./system_errors.ts";

/** An open folder. All names are base names in it. Errors name the file and the action. */
export class Folder implements Disposable {
  /**
   * The path of the folder when it was opened, without symbolic links, for messages and to identify the
   * folder.
   */
  readonly path: string;
  readonly #close: () => void;
  readonly #info: Deno.FileInfo;
  /** A path that leads to this folder independently of its current name; undefined if there is none. */
  #steadyPath?: string;

  private constructor(path: string, { close, info, steadyPath }: {
    close: () => void;
    info: Deno.FileInfo;
    steadyPath?: string;
  }) {
    this.path = path;
    this.#close = close;
    this.#info = info;
    this.#steadyPath = steadyPath;
  }

  /** Opens a folder. @throws {Error} if `path` is not a folder or may not be read */
  static async open(path: string): Promise<Folder> {
    // The module is loaded here, because a command that only reads does not need it and starts 30 ms earlier
    // without it.
    const { closeSync, constants, openSync } = await import("node:fs");
    let fd: number | undefined;
    const close = () => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    };
    try {
      const realPath = Deno.realPathSync(path);
      const info = Deno.statSync(realPath);
      if (!info.isDirectory) throw new Error("it is not a folder");
      fd = openSync(realPath, constants.O_RDONLY | constants.O_DIRECTORY);
      return new Folder(realPath, { close, info, steadyPath: steadyPathOf(fd, info) });
    } catch (cause) {
      close();
      throw new Error(`the folder "${path}" cannot be used: ${reasonOf(cause)}`, { cause });
    }
  }

  /**
   * Returns the current path of the file `name` for a system call. It is invalid after the disposal of this
   * object.
   *
   * @throws {Error} if the folder was replaced and can be reached only by its path
   */
  at(name: string): string {
    if (this.#steadyPath !== undefined) return `${this.#steadyPath}/${name}`;
    const { dev, ino } = Deno.statSync(this.path);
    if (dev === this.#info.dev && ino === this.#info.ino) return join(this.path, name);
    throw new Error(`another folder has the name "${this.path}" now`);
  }

  /** Returns the path of the file `name` for messages. */
  shown(name: string): string {
    return join(this.path, name);
  }

  /**
   * Returns the properties of the file `name`, without following a symbolic link; undefined if it does not
   * exist.
   */
  lstat(name: string): Deno.FileInfo | undefined {
    return this.#do("look at", name, () => lstatIfThere(this.at(name)));
  }

  /** Returns all entries, in no particular order. */
  entries(): Deno.DirEntry[] {
    return this.#do("list", ".", () => [...Deno.readDirSync(this.at("."))]);
  }

  /**
   * Creates a file and opens it for reading and writing. It fails if a file, a symbolic link or anything else
   * already has the name, so that nothing outside of the folder is opened.
   */
  create(name: string, { mode }: { mode: number }): Deno.FsFile {
    const options = { read: true, write: true, createNew: true, mode };
    return this.#do("create", name, () => Deno.openSync(this.at(name), options));
  }

  /**
   * Opens an existing regular file for reading and writing; returns undefined if nothing has the name.
   *
   * @throws {Error} if it is not a regular file, or is a symbolic link
   */
  openExisting(name: string): Deno.FsFile | undefined {
    const named = this.lstat(name);
    if (named === undefined) return undefined;
    if (!named.isFile) throw new Error(`"${this.shown(name)}" is not a regular file`);
    let file: Deno.FsFile;
    try {
      // The file is opened for both, because then even a pipe that replaces the file at this moment does not
      // block the call.
      file = retryInterrupted(() => Deno.openSync(this.at(name), { read: true, write: true }));
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return undefined;
      throw fileError("open", this.shown(name), cause);
    }
    const opened = statOf(file, this.shown(name));
    if (opened.isFile && opened.dev === named.dev && opened.ino === named.ino) return file;
    file.close();
    throw new Error(`"${this.shown(name)}" was exchanged while it was opened`);
  }

  /** Renames a file in this folder. A file with the new name is replaced. */
  rename(from: string, to: string): void {
    this.#do(`rename "${this.shown(from)}" to`, to, () => Deno.renameSync(this.at(from), this.at(to)));
  }

  /** Gives a file a second name, a hard link. */
  link(from: string, to: string): void {
    this.#do(`link "${this.shown(from)}" to`, to, () => Deno.linkSync(this.at(from), this.at(to)));
  }

  /** Removes a file if it exists. */
  remove(name: string): void {
    this.#do("remove", name, () => removeIfThere(this.at(name)));
  }

  /** Sets the permission bits of a file. */
  chmod(name: string, mode: number): void {
    this.#do("set the mode of", name, () => Deno.chmodSync(this.at(name), mode));
  }

  /**
   * Returns when the names in the folder are on stable storage, or at once on a file system that cannot sync
   * folders.
   *
   * @throws {Error} if the system reports a failure
   */
  sync(): void {
    syncFolder(this.at("."), this.path);
  }

  [Symbol.dispose](): void {
    // The system may soon use the number of the descriptor for another file.
    this.#steadyPath = undefined;
    this.#close();
  }

  #do<T>(action: string, name: string, call: () => T): T {
    return onFile(action, this.shown(name), call);
  }
}

/**
 * Returns the path by which Linux leads to the open folder `fd`; undefined if there is none, or Deno does not
 * allow it.
 */
function steadyPathOf(fd: number, { dev, ino }: Deno.FileInfo): string | undefined {
  const path = `/proc/self/fd/${fd}`;
  try {
    // The permission is queried first, because a call without permission would prompt the user.
    for (const name of ["read", "write"] as const) {
      if (Deno.permissions.querySync({ name, path }).state !== "granted") return undefined;
    }
    const found = Deno.statSync(`${path}/.`);
    return found.dev === dev && found.ino === ino ? path : undefined;
  } catch {
    return undefined;
  }
}
