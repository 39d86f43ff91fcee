/**
 * An open folder. The files in it are reached through its descriptor and not through its path, so that a folder which
 * somebody renames or exchanges for a symbolic link meanwhile does not lead the program elsewhere.
 *
 * Deno has no `openat` and its relatives. Linux gives every open descriptor a path, `/proc/self/fd/N`, that leads to what
 * was opened whatever its name is now; Deno allows that path to programs with all permissions. Where it cannot be used, the
 * path of the folder is, and each call first makes sure that it still leads to the folder that was opened.
 */

import { join } from "@std/path/posix/join";
import { lstatIfThere, removeIfThere } from "./paths.ts";
import { statOf } from "./positioned.ts";
import { fileError, isWithoutFolderSync, onFile, reasonOf, retryInterrupted } from "./system_errors.ts";

/** A folder that was opened; all names are base names in it. Errors name the file and the action. */
export class Folder implements Disposable {
  /** Its path when it was opened, without symbolic links: for messages, and to tell folders apart. */
  readonly path: string;
  readonly #close: () => void;
  readonly #info: Deno.FileInfo;
  /** A path that leads to this very folder whatever its name is now; undefined if there is none here. */
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

  /** @throws {Error} if `path` leads to no folder that may be read */
  static async open(path: string): Promise<Folder> {
    // Loaded here, since a command that only reads does without and starts 30 ms earlier.
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
   * The path to give to the system for the file `name`, now. It is not good any more when this object is disposed.
   *
   * @throws {Error} if the folder was exchanged meanwhile and can be reached by its path only
   */
  at(name: string): string {
    if (this.#steadyPath !== undefined) return `${this.#steadyPath}/${name}`;
    const { dev, ino } = Deno.statSync(this.path);
    if (dev === this.#info.dev && ino === this.#info.ino) return join(this.path, name);
    throw new Error(`another folder has the name "${this.path}" now`);
  }

  /** The path of the file `name` for messages. */
  shown(name: string): string {
    return join(this.path, name);
  }

  /** What has the name, be it a symbolic link; undefined if nothing has. */
  lstat(name: string): Deno.FileInfo | undefined {
    return this.#do("look at", name, () => lstatIfThere(this.at(name)));
  }

  /** All entries, in no order. */
  entries(): Deno.DirEntry[] {
    return this.#do("list", ".", () => [...Deno.readDirSync(this.at("."))]);
  }

  /**
   * Makes a new file, open for reading and writing. A file, a symbolic link or anything else that has the name already makes
   * this fail, so that nothing outside of the folder is ever opened.
   */
  create(name: string, { mode }: { mode: number }): Deno.FsFile {
    const options = { read: true, write: true, createNew: true, mode };
    return this.#do("create", name, () => Deno.openSync(this.at(name), options));
  }

  /**
   * Opens a regular file that is there for reading and writing; undefined if nothing has the name.
   *
   * @throws {Error} if it is no regular file, or a symbolic link
   */
  openExisting(name: string): Deno.FsFile | undefined {
    const named = this.lstat(name);
    if (named === undefined) return undefined;
    if (!named.isFile) throw new Error(`"${this.shown(name)}" is not a regular file`);
    let file: Deno.FsFile;
    try {
      // Open for both, not even a pipe that takes the place of the file at this moment keeps this waiting.
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

  /** Gives a file another name in this folder, which may be taken: that file is gone then. */
  rename(from: string, to: string): void {
    this.#do(`rename "${this.shown(from)}" to`, to, () => Deno.renameSync(this.at(from), this.at(to)));
  }

  /** Gives a file a second name. */
  link(from: string, to: string): void {
    this.#do(`link "${this.shown(from)}" to`, to, () => Deno.linkSync(this.at(from), this.at(to)));
  }

  /** Removes a file that may be gone already. */
  remove(name: string): void {
    this.#do("remove", name, () => removeIfThere(this.at(name)));
  }

  /** Sets the permission bits of a file. */
  chmod(name: string, mode: number): void {
    this.#do("set the mode of", name, () => Deno.chmodSync(this.at(name), mode));
  }

  /**
   * Returns when the names in the folder are on stable storage, or at once on a file system that does not sync folders.
   *
   * @throws {Error} if the system cannot tell that they are
   */
  sync(): void {
    try {
      using file = retryInterrupted(() => Deno.openSync(this.at(".")));
      retryInterrupted(() => file.syncSync());
    } catch (cause) {
      if (isWithoutFolderSync(cause)) return;
      throw fileError("sync folder", this.path, cause);
    }
  }

  [Symbol.dispose](): void {
    // The descriptor's number may soon be that of another file.
    this.#steadyPath = undefined;
    this.#close();
  }

  #do<T>(action: string, name: string, call: () => T): T {
    return onFile(action, this.shown(name), call);
  }
}

/** The path by which Linux leads to the open folder `fd`; undefined if there is none, or Deno does not allow it. */
function steadyPathOf(fd: number, { dev, ino }: Deno.FileInfo): string | undefined {
  const path = `/proc/self/fd/${fd}`;
  try {
    // Asked first, for a call without permission would put a question to the user.
    for (const name of ["read", "write"] as const) {
      if (Deno.permissions.querySync({ name, path }).state !== "granted") return undefined;
    }
    const found = Deno.statSync(`${path}/.`);
    return found.dev === dev && found.ino === ino ? path : undefined;
  } catch {
    return undefined;
  }
}
