/**
 * Gives several files their final names as one step, and finishes or undoes such a step that a killed run has begun.
 *
 * 1. Each output has its lock. A note of what is about to happen is written into every lock file and synced.
 * 2. Each output gets its name. A file that has the name already is kept aside under a hidden name. The folders are synced.
 * 3. The notes are marked "committed", one after the other. The first mark is the commit: before it everything is undone,
 *    after it everything is finished.
 * 4. The files aside go, then the lock files with their notes.
 *
 * A commit is never undone by halves: it takes the locks of all its outputs, which may lie in several folders. A run that
 * finds some of them only changes nothing and says so.
 */

import { UsageError } from "../errors.ts";
import type { Folder } from "./folder.ts";
import { asideNameOf, lockNameOf } from "./hidden_names.ts";
import type { CommitNote } from "./lock_note.ts";
import type { OutputLock } from "./output_lock.ts";
import { ignoreErrors, isSameFile } from "./paths.ts";
import { reasonOf } from "./system_errors.ts";

/** A complete and synced file that is to get its name. */
export interface CompleteFile {
  /** The path as the user gave it, for messages. */
  path: string;
  /** Of the output; its folder and its name are where the file goes. */
  lock: OutputLock;
  /** The hidden name that the file has. */
  temporary: string;
  /** What the open file is, so that another one under the hidden name is noticed. */
  written: Deno.FileInfo;
  /** A file that has the name already may be replaced. */
  replace: boolean;
}

/** An error after which not everything could be undone or finished; the notes stay, so that the next run does it. */
export class UnfinishedError extends Error {
  override name = "UnfinishedError";
}

/**
 * Gives all `files` their names, in their order, or none. The locks are released, but for an error before the first rename.
 *
 * @returns a sentence that names the hidden files that could not be removed; undefined if there are none
 * @throws {UsageError} if a name is taken by now and may not be replaced
 * @throws {UnfinishedError} if a rename failed, and undoing the others failed as well; the notes are still there
 * @throws {Error} if the system refuses; nothing has a name then
 */
export function commitAll(files: readonly CompleteFile[]): string | undefined {
  if (files.length === 0) return undefined;
  const id = crypto.randomUUID().replaceAll("-", "");
  const planned = files.map((file) => ({ ...file, note: plan(file, { id, outputs: files.length }) }));
  const members = planned.map(({ lock, note }) => ({ lock, note }));
  const folders = foldersOf(members);
  for (const { lock, note } of members) lock.prepare(note);
  for (const folder of folders) folder.sync();
  try {
    for (const file of planned) giveName(file);
    for (const folder of folders) folder.sync();
  } catch (error) {
    undoOwn(members, error);
    throw error;
  }
  decide(members);
  // From here on the outputs have their names. What cannot be cleaned up now, the next run cleans up.
  try {
    finish(members);
    return undefined;
  } catch (error) {
    for (const { lock } of members) lock.abandon();
    return leftText(members, error);
  }
}

/** Returns a sentence that names the hidden files that a complete commit could not remove. */
function leftText(members: readonly Member[], error: unknown): string {
  const left = members.flatMap(({ lock: { folder, name }, note: { aside } }) =>
    [...aside === undefined ? [] : [aside], lockNameOf(name)].filter((hidden) => isThere(folder, hidden))
      .map((hidden) => `"${folder.shown(hidden)}"`)
  );
  return `the outputs are complete; left behind beside them: ${left.join(", ")} (${
    reasonOf(error)
  }), which the next ` +
    "command that writes these outputs removes";
}

/** Returns whether a file exists, and true if that cannot be found out. */
function isThere(folder: Folder, name: string): boolean {
  try {
    return folder.lstat(name) !== undefined;
  } catch {
    return true;
  }
}

/** Makes the commit, or undoes it if its first mark cannot be brought to stable storage. */
function decide(members: readonly Member[]): void {
  const [{ lock, note }] = members;
  let isMarked = false;
  try {
    lock.mark("c");
    isMarked = true;
    lock.sync();
    note.state = "c";
  } catch (error) {
    try {
      if (isMarked) lock.mark("p");
    } catch {
      // Whichever of the two the next run finds, all outputs have their names and all replaced files are kept.
      for (const { lock } of members) lock.abandon();
      throw new UnfinishedError(`${(error as Error).message}; the next run finishes or undoes the commit`, {
        cause: error,
      });
    }
    undoOwn(members, error);
    throw error;
  }
}

/** An output of a commit that a killed run has left unfinished, whose lock this process holds. */
export interface Member {
  lock: OutputLock;
  note: CommitNote;
}

/**
 * Finishes or undoes the commit of `members`, all of one commit, and releases their locks. They are all of its outputs that
 * the caller can find.
 *
 * @throws {Error} if that is not possible, with what is in the way and what to do; nothing is lost, and the notes stay
 */
export function settle(members: readonly Member[]): void {
  const [{ note: { outputs } }] = members;
  const has = (state: CommitNote["state"]) => members.some(({ note }) => note.state === state);
  if (has("c")) return finish(members);
  const isUndoable = has("u") || members.length === outputs || !members.some(hasBegun);
  if (!isUndoable) throw new Error(missingText(members) + asidesText(members));
  try {
    undo(members);
  } catch (cause) {
    throw new Error((cause as Error).message + asidesText(members), { cause });
  }
}

/** Whether anything was done to an output after its note was written. */
function hasBegun({ lock: { folder }, note: { temporary, aside } }: Member): boolean {
  return folder.lstat(temporary) === undefined || (aside !== undefined && folder.lstat(aside) !== undefined);
}

function missingText(members: readonly Member[]): string {
  const [{ note: { outputs } }] = members;
  const found = members.map(({ lock }) => `"${lock.folder.shown(lock.name)}"`).join(", ");
  return `a killed run had begun to give ${outputs} files their names, of which only ${found} ` +
    `${members.length === 1 ? "is" : "are"} named by this command; run the command again with all of its ` +
    `outputs, or remove ${
      members.map(({ lock }) => `"${lock.path}"`).join(", ")
    } when you have put them in order`;
}

/** Names the files that are kept aside: whatever the user does, they are not to be lost. */
function asidesText(members: readonly Member[]): string {
  return members.flatMap(({ lock: { folder, name }, note: { aside } }) =>
    aside !== undefined && folder.lstat(aside) !== undefined
      ? `; the file that "${name}" replaces is kept as "${folder.shown(aside)}"`
      : []
  ).join("");
}

/** What the next run must know of the rename. The file may have appeared while the command ran. */
function plan(
  { path, lock: { folder, name }, temporary, written, replace }: CompleteFile,
  { id, outputs }: { id: string; outputs: number },
): CommitNote {
  if (!isSameFile(written, folder.lstat(temporary))) {
    throw new Error(
      `Cannot write "${path}": its temporary file "${folder.shown(temporary)}" is gone or another one`,
    );
  }
  const { size: sizeBytes } = written;
  const { ino, mtime } = folder.lstat(temporary)!;
  const note = { id, outputs, temporary, sizeBytes, inode: inodeText(ino), changedMs: mtime?.getTime() ?? 0 };
  const existing = folder.lstat(name);
  if (existing === undefined) return { state: "p", ...note };
  if (!existing.isFile || !replace) throw new UsageError(`Cannot write "${path}": it exists by now`);
  return { state: "p", ...note, aside: asideNameOf(name) };
}

function giveName(
  { path, lock: { folder, name }, note: { temporary, aside }, written }: CompleteFile & Member,
): void {
  if (aside !== undefined) keepAside(folder, name, aside);
  else if (folder.lstat(name) !== undefined) throw new UsageError(`Cannot write "${path}": it exists by now`);
  folder.rename(temporary, name);
  if (isSameFile(written, folder.lstat(name))) return;
  throw new Error(`Cannot write "${path}": another file took the place of its temporary file`);
}

/** A second name keeps the file reachable without a moment in which the first is missing; not every file system has them. */
function keepAside(folder: Folder, name: string, aside: string): void {
  try {
    folder.link(name, aside);
  } catch {
    folder.rename(name, aside);
  }
}

function undoOwn(members: readonly Member[], error: unknown): void {
  try {
    undo(members);
  } catch (second) {
    for (const { lock } of members) lock.abandon();
    throw new UnfinishedError(
      `${(error as Error).message}; not everything could be undone (${
        (second as Error).message
      }), the next run ` +
        "tries again",
      { cause: error },
    );
  }
}

/** Puts everything back as it was before the first rename, and releases the locks. May be done again and again. */
function undo(members: readonly Member[]): void {
  for (const { lock, note } of members.toReversed()) takeNameBack(lock, note);
  for (const folder of foldersOf(members)) folder.sync();
  // A run that is killed while it removes the notes leaves some that could not be told apart from those of half a commit.
  for (const { lock } of members) {
    ignoreErrors(() => {
      lock.mark("u");
      lock.sync();
    });
  }
  for (const { lock } of members) lock.release();
}

/**
 * Takes the name from an output, and gives it back to the file that had it. Every state in which a run can have been killed
 * is told from what lies in the folder, also in a copy of it; whatever is in none of these states is left alone.
 *
 * @throws {Error} if a file is not where it should be
 */
function takeNameBack({ folder, name }: OutputLock, note: CommitNote): void {
  const { temporary, aside } = note;
  const hasTemporary = folder.lstat(temporary) !== undefined;
  const named = folder.lstat(name);
  const kept = aside === undefined ? undefined : folder.lstat(aside);
  if (aside !== undefined && kept === undefined) {
    // Nothing was kept aside yet, or it has its name back already.
    if (hasTemporary) return;
    throw new Error(
      `the file that "${folder.shown(name)}" replaces should be kept as "${
        folder.shown(aside)
      }", which is not there; ` +
        "look for it, and give it this name again",
    );
  }
  if (!hasTemporary && named !== undefined && !isSameFile(named, kept)) {
    if (!isOutput(named, note)) throw new Error(strangerText(folder, { name, note }));
    folder.rename(name, temporary);
  }
  if (aside === undefined) return;
  if (!hasTemporary || named === undefined) folder.rename(aside, name);
  else if (!isSameFile(named, kept) && !isCopy(named, kept!)) {
    throw new Error(strangerText(folder, { name, note }));
  }
  // Still there where both names mean one file, for then a rename does nothing, and in a copy of the folder.
  folder.remove(aside);
}

/** Whether a copy of the folder has made two files of one with two names. */
function isCopy(named: Deno.FileInfo, kept: Deno.FileInfo): boolean {
  return named.isFile && kept.isFile && named.size === kept.size &&
    named.mtime?.getTime() === kept.mtime?.getTime();
}

function strangerText(
  folder: Folder,
  { name, note }: { name: string; note: CommitNote },
): string {
  return `"${
    folder.shown(name)
  }" is not the file that a killed run wrote there (${note.sizeBytes} bytes of ` +
    `${new Date(note.changedMs).toISOString()})` +
    "; decide which one is right and give it another name";
}

/**
 * Whether the file is the output that the note is about. A copied folder has other inodes and keeps the times; a file that
 * was touched has another time and keeps its inode.
 */
function isOutput({ isFile, size, ino, mtime }: Deno.FileInfo, note: CommitNote): boolean {
  return isFile && size === note.sizeBytes &&
    (inodeText(ino) === note.inode || mtime?.getTime() === note.changedMs);
}

/** Completes a commit of which at least one note says that it is committed, and releases the locks. */
function finish(members: readonly Member[]): void {
  // Marked before the first note goes, so that those which are left tell what to do.
  for (const { lock, note } of members) {
    if (note.state === "c") continue;
    lock.mark("c");
    lock.sync();
  }
  for (const { lock: { folder, name }, note: { aside } } of members) {
    // It may be the only copy if somebody has moved the output meanwhile.
    if (aside === undefined || folder.lstat(name) === undefined) continue;
    folder.remove(aside);
  }
  for (const folder of foldersOf(members)) folder.sync();
  for (const { lock } of members) lock.release();
}

function foldersOf(members: readonly { lock: OutputLock }[]): Set<Folder> {
  return new Set(members.map(({ lock }) => lock.folder));
}

function inodeText(ino: number | null): string {
  return ino === null ? "" : String(ino);
}
