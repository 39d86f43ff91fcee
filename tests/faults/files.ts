/** Files of a folder and of those in it, by their paths from there. */

import { Buffer } from "node:buffer";
import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";

/** The bytes of files by their paths in a folder. */
export type Files = Map<string, Uint8Array<ArrayBuffer>>;

/** Reads all files below `folder`. */
export function readFiles(folder: string, below = ""): Files {
  const files: Files = new Map();
  for (const { name, isDirectory } of Deno.readDirSync(join(folder, below))) {
    const path = join(below, name);
    if (isDirectory) { for (const [inner, bytes] of readFiles(folder, path)) files.set(inner, bytes); }
    else files.set(path, Deno.readFileSync(join(folder, path)));
  }
  return files;
}

/** When all files of the tests were changed: a dump is gone on with only if its disk was not written since. */
const CHANGED = new Date("2024-02-03T12:00:00Z");

/** Writes `files` into `folder`. */
export function writeFiles(folder: string, files: Files): void {
  for (const [path, bytes] of files) {
    Deno.mkdirSync(dirname(join(folder, path)), { recursive: true });
    Deno.writeFileSync(join(folder, path), bytes);
    // Another mode than new files get, so that what is replaced is seen to keep it.
    Deno.chmodSync(join(folder, path), isHidden(path) ? 0o600 : 0o640);
    Deno.utimeSync(join(folder, path), CHANGED, CHANGED);
  }
}

/** Whether both are there with the same bytes, or both are not. */
export function isSameFile(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}

/** A file that the program keeps for itself, beside an output. */
export function isHidden(path: string): boolean {
  return /^\..*\.vmdkbkp$/s.test(basename(path));
}

/** Those that are not hidden. */
export function visible(files: Files): Files {
  return new Map([...files].filter(([path]) => !isHidden(path)));
}
