/** Replaces the contents of a small file in one step. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { syncFolder } from "../../files/sync_folder.ts";
import { cleanUpAfter, onFile, reasonOf } from "../../files/system_errors.ts";

/**
 * Replaces the contents of the file `path`: the new contents are written beside it under a temporary name,
 * synced and renamed. At any moment the name leads to all of the old or all of the new contents. The mode is
 * kept, and the owner where the system allows it. A symbolic link remains one.
 *
 * @param options.warn called with a sentence if the mode cannot be set, for example on a file system without modes
 * @throws {FileError} if the system refuses an action. The name then leads to the old contents, unless it is
 *   the last action, the sync of the folder
 */
export function replaceFile(
  path: string,
  bytes: Uint8Array,
  { warn = () => {} }: { warn?: (line: string) => void } = {},
): void {
  const realPath = onFile("look at", path, () => Deno.realPathSync(path));
  const folder = dirname(realPath);
  // The temporary file is named like every other one of the program, so that the next command can remove it
  // after a kill.
  const temporary = join(folder, `.${basename(realPath)}.${crypto.randomUUID().slice(0, 8)}.vmdkbkp`);
  const old = onFile("look at", realPath, () => Deno.statSync(realPath));
  try {
    writeSynced(temporary, bytes, { mode: old.mode ?? undefined });
    keepOwner(temporary, old);
    keepMode(temporary, old, (reason) => warn(`"${path}" does not keep its mode: ${reason}`));
    onFile(`rename "${temporary}" to`, realPath, () => Deno.renameSync(temporary, realPath));
  } catch (error) {
    throw cleanUpAfter(error, () => onFile("remove", temporary, () => removeIfThere(temporary)));
  }
  syncFolder(folder);
}

function writeSynced(path: string, bytes: Uint8Array, { mode }: { mode?: number }): void {
  const how = { write: true, createNew: true, mode: mode === undefined ? undefined : mode & 0o777 };
  using file = onFile("create", path, () => Deno.openSync(path, how));
  for (let done = 0; done < bytes.length;) {
    done += onFile("write", path, () => file.writeSync(bytes.subarray(done)));
  }
  onFile("sync", path, () => file.syncSync());
}

function keepOwner(path: string, { uid, gid }: Deno.FileInfo): void {
  if (Deno.build.os === "windows") return;
  try {
    Deno.chownSync(path, uid, gid);
  } catch {
    // Only root may give files away. The file then belongs to the user who writes it, as after saving it in
    // an editor.
  }
}

/** Sets the mode if the umask has removed bits of it. A file system without modes refuses this. */
function keepMode(path: string, { mode }: Deno.FileInfo, refused: (reason: string) => void): void {
  const made = onFile("look at", path, () => Deno.statSync(path)).mode;
  if (mode === null || made === null || (made & 0o7777) === (mode & 0o7777)) return;
  try {
    onFile("set the mode of", path, () => Deno.chmodSync(path, mode & 0o7777));
  } catch (error) {
    refused(reasonOf(error));
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    // The file was not created, or has its final name already.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
