/** The hidden files that killed runs left beside an output. */

import type { Folder } from "./folder.ts";
import { journalNameOf, kindOf } from "./hidden_names.ts";
import { type OutputLock, ownerOf } from "./output_lock.ts";
import { statOf } from "./positioned.ts";
import { reasonOf } from "./system_errors.ts";

/** What lies beside the output of `lock`: temporary files, the newest first, files aside, and journals. Links are none. */
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
 * Removes the temporary files and journals beside the output of `lock`, but for the temporary file `except` and its journal.
 * Files that were kept aside stay: only a commit that is known to be complete removes them. Where nobody is excluded, the
 * files may be those of another process and all stay. `warn` is called with a sentence for each file that cannot be removed.
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
 * Opens a temporary file or a journal to go on with it. Another user who may write to the folder can have put it there, to
 * read what is written into it or to have another file overwritten.
 *
 * @throws {Error} if it belongs to another user, can be written by others, or has a second name
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
