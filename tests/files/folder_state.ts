/** What lies in a folder, so that a test can tell all of it at once. */

import { join } from "@std/path/posix/join";
import type { Folder } from "../disks/helpers.ts";

/** Names and contents of the files in a folder, by name; `/` stands for a folder. */
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
