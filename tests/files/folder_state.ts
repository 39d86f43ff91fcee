/** The content of a folder as one value, which a test can compare as a whole. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { journalNameOf, lockNameOf, temporaryNameOf } from "../../cli/files/hidden_names.ts";
import type { Folder } from "../disks/helpers.ts";

/** Returns the contents of the files in a folder by their names. `/` stands for a folder. */
export function filesIn({ path }: Folder): Record<string, string> {
  const entries = [...Deno.readDirSync(path)].sort((a, b) => a.name < b.name ? -1 : 1);
  return Object.fromEntries(
    entries.map((
      { name, isDirectory },
    ) => [name, isDirectory ? "/" : Deno.readTextFileSync(join(path, name))]),
  );
}

/** Writes a short text. */
export function writeText(file: Deno.FsFile, text: string): void {
  file.writeSync(new TextEncoder().encode(text));
}

/** Returns the path of the lock file of an output. */
export function lockPathOf(path: string): string {
  return join(dirname(path), lockNameOf(basename(path)));
}

/** Returns a new temporary name of an output. */
export function temporaryPathOf(path: string): string {
  return join(dirname(path), temporaryNameOf(basename(path)));
}

/** Returns the path of the journal of a temporary file. */
export function journalPathOf(temporaryPath: string): string {
  return join(dirname(temporaryPath), journalNameOf(basename(temporaryPath)));
}
