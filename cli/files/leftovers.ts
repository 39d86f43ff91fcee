/** The hidden files of killed runs beside an output. */

import type { Folder } from "./folder.ts";
import { journalNameOf, kindOf } from "./hidden_names.ts";
import { type OutputLock, ownerOf } from "./output_lock.ts";
import { statOf } from "./positioned.ts";
import { reasonOf } from "./system_errors.ts";

/**
 * Returns the hidden files beside the output of `lock`: temporary files, the newest first, replaced files
 * (`aside`), and journals. Symbolic links are ignored.
 */
export function leftoversOf(
  { folder, name }: OutputLock,
): { temporary: string[]; aside: string[]; journal: string[] } {
  const found = { temporary: [] as string[], aside: [] as string[], journal: [] as string[] };
  for (const entry of folder.entries()) {
    const kind = entry.isFile ? kindOf(entry.name, name) : undefined;
    if (kind !== undefined) found[kind].push(entry.name);
  }
  const times = new Map(found.temporary.map((name) => [name, folder.lstat(name)?.mtime?.getTime() ?? 0]));
  found.temporary.sort((a, b) => times.get(b)! - times.get(a)!);
  return found;
}

/**
 * Removes the temporary files and journals beside the output of `lock`, except the temporary file `except`
 * and its journal. Replaced files remain: only a commit that is known to be complete removes them. On a file
 * system without locks all files remain, because they may belong to a running process. `warn` is called with
 * a sentence for each file that cannot be removed.
 */
export function sweep(
  lock: OutputLock,
  { except, warn = () => {} }: { except?: string; warn?: (line: string) => void } = {},
): void {
  if (!lock.isExclusive) return;
  const { folder, name } = lock;
  const { temporary, journal } = leftoversOf(lock);
  const kept = except === undefined ? [] : [except, journalNameOf(except)];
  for (const hidden of [...temporary, ...journal]) {
    if (kept.includes(hidden)) continue;
    try {
      folder.remove(hidden);
    } catch (error) {
      warn(`what an earlier run left of "${folder.shown(name)}" is still there: ${reasonOf(error)}`);
    }
  }
}

/**
 * Opens a temporary file or a journal of an earlier run, to continue it. Another user who may write to the
 * folder could have put the file there, to read the data or to have another file overwritten.
 *
 * @throws {Error} if the file belongs to another user, can be written by others, or has a second name
 */
export function openLeftover(folder: Folder, name: string, output: string): Deno.FsFile {
  const file = folder.openExisting(name);
  if (file === undefined) throw new Error(`"${folder.shown(name)}" is gone`);
  const { uid, nlink, mode } = statOf(file, folder.shown(name));
  const fault = uid !== ownerOf(folder, output)
    ? "belongs to another user"
    : (nlink ?? 1) > 1
    ? `has ${nlink} names`
    : ((mode ?? 0) & 0o022) !== 0
    ? "can be written by other users"
    : undefined;
  if (fault === undefined) return file;
  file.close();
  throw new Error(
    `Cannot go on with "${folder.shown(name)}": it ${fault}; remove it, or begin anew without --resume`,
  );
}
