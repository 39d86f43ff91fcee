/** A small file gets new contents at one stroke. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { systemReason } from "../refusal.ts";

/**
 * Replaces the contents of the file `path`: written beside it under a temporary name, synced, renamed. At any moment
 * the name leads to all of the old or all of the new contents. Mode and, where allowed, owner are kept; a symbolic
 * link stays one.
 */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const realPath = Deno.realPathSync(path);
  const folder = dirname(realPath);
  // Named like every temporary file of the program, so that what a killed run left behind can be told.
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
    // Only root gives files away. The file is then its writer's, like one that was saved by an editor.
  }
  if (mode !== null) Deno.chmodSync(path, mode & 0o7777);
}

/** The new name is on stable storage when its folder is. Not every system syncs folders; then the name may be old. */
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
