/**
 * Gives several files their final names as one step. What is about to be done is noted first, in the lock files; the
 * step is complete when the note that decides is gone. Until then it is undone, by this run if something fails, or else
 * by the next one that wants to write one of the files.
 */

import { dirname } from "@std/path/posix/dirname";
import { UsageError } from "../errors.ts";
import { asideName } from "./hidden_names.ts";
import { noteIn, OutputLock, type Rename } from "./output_lock.ts";
import { ignoreErrors, lstatIfThere, removeIfThere, statIfThere, syncFolder } from "./paths.ts";

/** A complete and synced file that is to get its name. */
export interface Complete {
  /** The path as the user gave it, for messages. */
  path: string;
  temporaryPath: string;
  finalPath: string;
  /** A file that has the name already may be replaced. */
  replace: boolean;
  lock: OutputLock;
}

/** An error behind which not everything could be undone; the note stays, so that the next run does it. */
export class UnfinishedError extends Error {
  override name = "UnfinishedError";
}

/**
 * Renames all `files` in their order, or none.
 * @throws {UsageError} if a name is taken by now and may not be replaced
 * @throws {UnfinishedError} if a rename failed, and undoing the others did, too
 */
export function renameAll(files: readonly Complete[]): void {
  if (files.length === 0) return;
  const renames = files.map(plan);
  const folders = new Set(renames.map(({ finalPath }) => dirname(finalPath)));
  const [decider, ...others] = files.map(({ lock }) => lock);
  const note = { id: crypto.randomUUID(), decidedBy: decider.path };
  for (const lock of others) lock.note(note);
  try {
    decider.note({ ...note, renames });
    for (const folder of folders) syncFolder(folder);
    for (const [i, rename] of renames.entries()) give(rename, files[i].path);
    for (const folder of folders) syncFolder(folder);
    decider.clear();
  } catch (error) {
    undoOwn(decider, renames, error);
    throw error;
  }
  // From here on nothing can fail: the next run removes what this one does not.
  for (const { asidePath } of renames) {
    if (asidePath !== undefined) ignoreErrors(() => Deno.removeSync(asidePath));
  }
}

/**
 * Undoes the commit that the last holder of `lock` did not finish, if it did not.
 * @throws {HeldError} if another process is at it
 * @throws {Error} if the system refuses
 */
export async function settle(lock: OutputLock): Promise<void> {
  const { unfinished } = lock;
  if (unfinished === undefined) return;
  const { id, decidedBy, renames } = unfinished;
  if (renames !== undefined) undo(renames);
  else if (noteIn(decidedBy)?.id === id) await settleElsewhere(decidedBy);
  lock.clear();
}

/** Who holds the lock that decides may touch all files of the commit: nobody else does before it is settled. */
async function settleElsewhere(path: string): Promise<void> {
  const decider = await OutputLock.take(path);
  try {
    await settle(decider);
  } catch (error) {
    decider.abandon();
    throw error;
  }
  decider.release();
}

/** The file may have appeared while the command ran. */
function plan({ path, temporaryPath, finalPath, replace }: Complete): Rename {
  const complete = statIfThere(temporaryPath);
  if (complete === undefined) throw new Error(`Cannot write "${path}": its temporary file is gone`);
  const rename = {
    temporaryPath,
    finalPath,
    sizeBytes: complete.size,
    changedMs: changedMsOf(complete),
  };
  const existing = lstatIfThere(finalPath);
  if (existing === undefined) return rename;
  if (!existing.isFile || !replace) throw new UsageError(`Cannot write "${path}": it exists by now`);
  return { ...rename, asidePath: asideName(finalPath) };
}

function give({ temporaryPath, finalPath, asidePath }: Rename, path: string): void {
  if (asidePath !== undefined) keepAside(finalPath, asidePath);
  else if (statIfThere(finalPath)) throw new UsageError(`Cannot write "${path}": it exists by now`);
  try {
    Deno.renameSync(temporaryPath, finalPath);
  } catch (cause) {
    throw new Error(`Cannot write "${path}": its temporary file does not take its name`, { cause });
  }
}

/** A second name keeps the file reachable without a moment in which the first is missing; not every file system has them. */
function keepAside(finalPath: string, asidePath: string): void {
  try {
    Deno.linkSync(finalPath, asidePath);
  } catch {
    Deno.renameSync(finalPath, asidePath);
  }
}

function undoOwn(decider: OutputLock, renames: readonly Rename[], error: unknown): void {
  try {
    undo(renames);
    decider.clear();
  } catch {
    throw new UnfinishedError(
      `${(error as Error).message}; not everything could be undone, the next run does it`,
      { cause: error },
    );
  }
}

/** Puts everything back as it was before the first rename, however many were made. May be done again and again. */
function undo(renames: readonly Rename[]): void {
  for (const rename of renames.toReversed()) {
    const { temporaryPath, finalPath, asidePath } = rename;
    if (asidePath === undefined) {
      if (wasGiven(rename)) Deno.renameSync(finalPath, temporaryPath);
    } else if (lstatIfThere(asidePath) !== undefined) {
      Deno.renameSync(asidePath, finalPath);
      // Where both names still mean one file, the rename did nothing and left the second name.
      removeIfThere(asidePath);
    }
  }
  for (const folder of new Set(renames.map(({ finalPath }) => dirname(finalPath)))) syncFolder(folder);
}

/** Whether the output has its name, and it is the output that has it. */
function wasGiven({ temporaryPath, finalPath, sizeBytes, changedMs }: Rename): boolean {
  const found = lstatIfThere(finalPath);
  return found !== undefined && found.isFile && lstatIfThere(temporaryPath) === undefined &&
    found.size === sizeBytes && changedMsOf(found) === changedMs;
}

/** A rename does not change it. */
function changedMsOf({ mtime }: Deno.FileInfo): number {
  return mtime?.getTime() ?? 0;
}
