/**
 * Files and folders of a repository: for their owner alone, and on stable storage when a call returns. No call
 * follows a symbolic link in the place of a file.
 */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { FileError } from "../errors.ts";
import { lstatIfThere, removeIfThere } from "./paths.ts";
import { syncFolder } from "./sync_folder.ts";
import { onFile } from "./system_errors.ts";

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** Makes a folder if it does not exist. @throws {FileError} if something else has the name */
export function makeFolder(path: string): void {
  if (isFolder(path)) return;
  onFile("make folder", path, () => Deno.mkdirSync(path, { mode: FOLDER_MODE }));
  syncFolder(dirname(path));
}

/** Returns whether a folder has the path. @throws {FileError} if something else has it, such as a link */
export function isFolder(path: string): boolean {
  return isThere(path, "isDirectory", "a folder");
}

/** Returns whether a regular file has the path. @throws {FileError} if something else has it, such as a link */
export function isRegularFile(path: string): boolean {
  return isThere(path, "isFile", "a regular file");
}

function isThere(path: string, kind: "isFile" | "isDirectory", what: string): boolean {
  const info = onFile("look at", path, () => lstatIfThere(path));
  if (info === undefined) return false;
  if (info[kind]) return true;
  throw new FileError({ action: "use", path, reason: `it is not ${what}` });
}

/** Returns the names in a folder, in ascending order. */
export function namesIn(path: string): string[] {
  return onFile("list", path, () => [...Deno.readDirSync(path)].map(({ name }) => name)).sort();
}

/** Makes a file that does not exist, open for reading and writing. The caller closes it. */
export function createFile(path: string): Deno.FsFile {
  const options = { read: true, write: true, createNew: true, mode: FILE_MODE };
  return onFile("create", path, () => Deno.openSync(path, options));
}

/** Writes a new file, and returns when it is on stable storage; its name may not be. */
export function writeNewFile(path: string, bytes: Uint8Array): void {
  using file = createFile(path);
  for (let done = 0; done < bytes.length;) {
    done += onFile("write", path, () => file.writeSync(bytes.subarray(done)));
  }
  onFile("sync", path, () => file.syncSync());
}

/** The name under which {@linkcode replaceFile} writes a file before it gets its own name. */
export function newNameOf(name: string): string {
  return `.${name}.new`;
}

/** Writes a file, or replaces it as a whole. At any moment one of both contents has the name. */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = join(dirname(path), newNameOf(basename(path)));
  onFile("remove", temporary, () => removeIfThere(temporary));
  writeNewFile(temporary, bytes);
  renameStably(temporary, path);
}

/** Renames a file or folder and returns when that is on stable storage. */
export function renameStably(from: string, to: string): void {
  onFile(`rename "${from}" to`, to, () => Deno.renameSync(from, to));
  syncFolder(dirname(to));
  if (dirname(from) !== dirname(to)) syncFolder(dirname(from));
}

/** Removes a file or a folder with all that it contains, if it exists. */
export function removeAll(path: string): void {
  onFile("remove", path, () => {
    const info = lstatIfThere(path);
    if (info !== undefined) Deno.removeSync(path, { recursive: info.isDirectory });
  });
}
