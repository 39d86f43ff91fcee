/** Replaces the contents of a small file in one step. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { systemReason } from "../refusal.ts";

/**
 * Replaces the contents of the file `path`: the new contents are written beside it under a temporary name,
 * synced and renamed. At any moment the name leads to all of the old or all of the new contents. The mode is
 * kept, and the owner where the system allows it. A symbolic link remains one.
 */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const realPath = Deno.realPathSync(path);
  const folder = dirname(realPath);
  // The temporary file is named like every other one of the program, so that the next command can remove it
  // after a kill.
  const temporary = join(folder, `.${basename(realPath)}.${crypto.randomUUID().slice(0, 8)}.vmdkbkp`);
  try {
    const old = Deno.statSync(realPath);
    writeSynced(temporary, bytes);
    keepOwner(temporary, old);
    Deno.renameSync(temporary, realPath);
    syncFolder(folder);
  } catch (cause) {
    removeIfThere(temporary);
    throw new Error(`Cannot replace "${path}": ${systemReason(cause)}`, { cause });
  }
}

function writeSynced(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  file.syncSync();
}

function keepOwner(path: string, { mode, uid, gid }: Deno.FileInfo): void {
  if (Deno.build.os === "windows") return;
  try {
    Deno.chownSync(path, uid, gid);
  } catch {
    // Only root may give files away. The file then belongs to the user who writes it, as after saving it in
    // an editor.
  }
  if (mode !== null) Deno.chmodSync(path, mode & 0o7777);
}

/**
 * Puts the new name on stable storage by syncing the folder. Some systems cannot sync folders; there the name
 * may lead to the old contents after a power failure.
 */
function syncFolder(folder: string): void {
  try {
    using handle = Deno.openSync(folder);
    handle.syncSync();
  } catch {
    // The contents are safe under either name.
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was renamed already, or never made.
  }
}
