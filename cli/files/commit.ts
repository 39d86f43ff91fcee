/**
 * Renames several files to their final names as one transaction, and finishes or undoes such a transaction of
 * a killed run.
 *
 * 1. The lock of each output is held. A note about the planned renames is written into every lock file and
 *    synced.
 * 2. Each output is renamed to its final name. A file that already has the name is kept under a hidden name.
 *    The folders are synced.
 * 3. The notes are marked "committed", one after the other. The first mark is the commit: if a run is killed
 *    before it, everything is undone, and if a run is killed after it, everything is finished.
 * 4. The replaced files are removed, and then the lock files with their notes.
 *
 * A commit is only undone as a whole, which needs the locks of all its outputs. They may be in several
 * folders. A run that can find only some of them changes nothing and reports this.
 */

import { UsageError } from "../errors.ts";
import type { Folder } from "./folder.ts";
import { asideNameOf, lockNameOf } from "./hidden_names.ts";
import type { CommitNote } from "./lock_note.ts";
import type { OutputLock } from "./output_lock.ts";
import { ignoreErrors, isSameFile } from "./paths.ts";
import { reasonOf } from "./system_errors.ts";

/** A complete and synced file that is to be renamed to its final name. */
export interface CompleteFile {
  /** The path as the user gave it, for messages. */
  path: string;
  /** The lock of the output. Its folder and its name are the final place of the file. */
  lock: OutputLock;
  /** The current, hidden name of the file. */
  temporary: string;
  /** The properties of the open file, by which another file under the hidden name is detected. */
  written: Deno.FileInfo;
  /** Whether a file that already has the final name may be replaced. */
  replace: boolean;
}

/**
 * A commit could be neither undone nor finished completely. The notes remain, so that the next run does it.
 */
export class UnfinishedError extends Error {
  override name = "UnfinishedError";
}

/**
 * Renames all `files` to their final names, in their order, or none of them. The locks are released, except
 * after an error before the first rename.
 *
 * @returns a sentence that names the hidden files that could not be removed; undefined if there are none
 * @throws {UsageError} if a final name is taken by now and may not be replaced
 * @throws {UnfinishedError} if a step and then undoing the earlier ones failed; the notes remain
 * @throws {Error} if the system refuses; no file has its final name then
 */
export function commitAll(files: readonly CompleteFile[]): string | undefined {
  if (files.length === 0) return undefined;
  const id = crypto.randomUUID().replaceAll("-", "");
  const planned = files.map((file) => ({ ...file, note: plan(file, { id, outputs: files.length }) }));
  const members = planned.map(({ lock, note }) => ({ lock, note }));
  const folders = foldersOf(members);
  try {
    for (const { lock, note } of members) lock.prepare(note);
    for (const folder of folders) folder.sync();
  } catch (error) {
    withdraw(members, error);
    throw error;
  }
  try {
    for (const file of planned) renameToFinal(file);
    for (const folder of folders) folder.sync();
  } catch (error) {
    undoOwn(members, error);
    throw error;
  }
  writeCommitMark(members);
  // From here on the outputs have their final names. The next run removes what cannot be removed now.
  try {
    finish(members);
    return undefined;
  } catch (error) {
    for (const { lock } of members) lock.abandon();
    return leftoverText(members, error);
  }
}

/**
 * Removes the notes of a commit that has not begun. The temporary files are removed next, and without them the
 * notes would look like those of a commit that has begun.
 *
 * @throws {UnfinishedError} if a note can be neither withdrawn nor removed with its lock file. The temporary files have
 *   to stay then.
 */
function withdraw(members: readonly Member[], error: unknown): void {
  try {
    for (const { lock } of members) {
      try {
        lock.withdraw();
      } catch {
        // A full file system refuses to write, and removes.
        lock.release();
      }
    }
  } catch {
    for (const { lock } of members) lock.abandon();
    throw new UnfinishedError(`${(error as Error).message}; the next run finishes or undoes the commit`, {
      cause: error,
    });
  }
}

/** Returns a sentence that names the hidden files that a complete commit could not remove. */
function leftoverText(members: readonly Member[], error: unknown): string {
  const left = members.flatMap(({ lock: { folder, name }, note: { aside } }) =>
    [...aside === undefined ? [] : [aside], lockNameOf(name)].filter((hidden) => isThere(folder, hidden))
      .map((hidden) => `"${folder.shown(hidden)}"`)
  );
  return `the outputs are complete; left behind beside them: ${left.join(", ")} (${
    reasonOf(error)
  }), which the next ` +
    "command that writes these outputs removes";
}

/** Returns whether a file exists, and true if the system does not say. */
function isThere(folder: Folder, name: string): boolean {
  try {
    return folder.lstat(name) !== undefined;
  } catch {
    return true;
  }
}

/** Writes the first mark, which is the commit. If the mark cannot be synced, undoes the renames. */
function writeCommitMark(members: readonly Member[]): void {
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
      // The next run finds either state. In both, all outputs have their final names and all replaced files
      // are kept.
      for (const { lock } of members) lock.abandon();
      throw new UnfinishedError(`${(error as Error).message}; the next run finishes or undoes the commit`, {
        cause: error,
      });
    }
    undoOwn(members, error);
    throw error;
  }
}

/** An output of an unfinished commit of a killed run. This process holds its lock. */
export interface Member {
  lock: OutputLock;
  note: CommitNote;
}

/**
 * Finishes or undoes a commit and releases its locks.
 *
 * @param members the outputs of one commit: all that the caller may change
 * @param others further outputs of it that the caller can see. If none of all has begun to be renamed, those of
 * the caller can be undone alone
 * @throws {Error} if that is not possible, with the obstacle and what to do; nothing is lost, and the notes
 * remain
 */
export function settle(members: readonly Member[], others: readonly CommitPart[] = []): void {
  const [{ note: { outputs } }] = members;
  for (const { lock: { folder }, note } of members) assertRegular(folder, note);
  const has = (state: CommitNote["state"]) => members.some(({ note }) => note.state === state);
  // A folder that was copied by hard links during a commit shares the lock files with the original, and gets the
  // mark of a commit that ended there and not here.
  if (has("c") && members.every(isRenamed)) return finish(members);
  const hasNotBegun = ![...members.map(partOf), ...others].some(hasBegun);
  const isUndoable = has("u") || members.length === outputs || hasNotBegun;
  if (!isUndoable) throw new Error(missingText(members) + asidesText(members));
  try {
    undo(members);
  } catch (cause) {
    throw new Error((cause as Error).message + asidesText(members), { cause });
  }
}

/** An output of a commit, whether its lock is held or not. */
export interface CommitPart {
  folder: Folder;
  note: CommitNote;
}

function partOf({ lock: { folder }, note }: Member): CommitPart {
  return { folder, note };
}

/** Returns whether an output has its final name. */
function isRenamed({ lock: { folder }, note: { temporary } }: Member): boolean {
  return folder.lstat(temporary) === undefined;
}

/**
 * Checks that the hidden files of a commit are regular files, as the program makes them. A folder from elsewhere may have
 * links in their places, and what gets the name of the output may be written later.
 */
function assertRegular(folder: Folder, { temporary, aside }: CommitNote): void {
  for (const name of [temporary, ...aside === undefined ? [] : [aside]]) {
    const info = folder.lstat(name);
    if (info === undefined || info.isFile) continue;
    throw new Error(`"${folder.shown(name)}" is no file that a killed run has left; remove it`);
  }
}

/** Returns whether an output or the file that it replaces was renamed after the note was written. */
function hasBegun({ folder, note: { temporary, aside } }: CommitPart): boolean {
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

/** Returns a text that names the replaced files that are kept, so that the user does not lose them. */
function asidesText(members: readonly Member[]): string {
  return members.flatMap(({ lock: { folder, name }, note: { aside } }) =>
    aside !== undefined && folder.lstat(aside) !== undefined
      ? `; the file that "${name}" replaces is kept as "${folder.shown(aside)}"`
      : []
  ).join("");
}

/**
 * Returns the note about a rename, from which the next run can finish or undo it. The target of the rename
 * may have appeared while the command ran.
 */
function plan(
  { path, lock: { folder, name }, temporary, written, replace }: CompleteFile,
  { id, outputs }: { id: string; outputs: number },
): CommitNote {
  if (!isSameFile(written, folder.lstat(temporary))) {
    throw new Error(
      `Cannot write "${path}": its temporary file "${folder.shown(temporary)}" is missing or was replaced`,
    );
  }
  const { size: sizeBytes } = written;
  const { mtime } = folder.lstat(temporary)!;
  const note = { id, outputs, temporary, sizeBytes, changedMs: mtime?.getTime() ?? 0 };
  const existing = folder.lstat(name);
  if (existing === undefined) return { state: "p", ...note };
  if (!existing.isFile || !replace) throw new UsageError(`Cannot write "${path}": it was created meanwhile`);
  return { state: "p", ...note, aside: asideNameOf(name) };
}

function renameToFinal(
  { path, lock: { folder, name }, note: { temporary, aside }, written }: CompleteFile & Member,
): void {
  if (aside !== undefined) keepAs(folder, name, aside);
  else if (folder.lstat(name) !== undefined) {
    throw new UsageError(`Cannot write "${path}": it was created meanwhile`);
  }
  folder.rename(temporary, name);
  if (isSameFile(written, folder.lstat(name))) return;
  throw new Error(`Cannot write "${path}": another file took the place of its temporary file`);
}

/**
 * Keeps the file with the final name under a hidden name, before another file takes its place. With a hard
 * link there is a file of this name at all times; file systems without hard links need a rename.
 */
function keepAs(folder: Folder, name: string, hidden: string): void {
  try {
    folder.link(name, hidden);
  } catch {
    folder.rename(name, hidden);
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

/**
 * Restores the state before the first rename, and releases the locks. It can be repeated after any
 * interruption.
 */
function undo(members: readonly Member[]): void {
  for (const { lock, note } of members.toReversed()) undoRename(lock, note);
  for (const folder of foldersOf(members)) folder.sync();
  // All notes are marked first. If a run is killed while it removes the notes, the remaining ones would
  // otherwise look like those of an incomplete commit.
  for (const { lock } of members) {
    ignoreErrors(() => {
      lock.mark("u");
      lock.sync();
    });
  }
  for (const { lock } of members) lock.release();
}

/**
 * Renames an output back to its hidden name, and restores the file that it replaced. Each state in which a
 * run can have been killed is recognized from the files in the folder, also in a copy of the folder. In any
 * other state nothing is changed.
 *
 * @throws {Error} if a file is not where it should be
 */
function undoRename({ folder, name }: OutputLock, note: CommitNote): void {
  const { temporary, aside } = note;
  const kept = aside === undefined ? undefined : folder.lstat(aside);
  if (aside !== undefined && kept === undefined) {
    // The replaced file was not renamed yet, or has its name again.
    if (folder.lstat(temporary) !== undefined) return;
    throw new Error(
      `the file that "${folder.shown(name)}" replaces should be kept as "${
        folder.shown(aside)
      }", which is not there; ` +
        "look for it, and give it this name again",
    );
  }
  const named = folder.lstat(name);
  if (folder.lstat(temporary) === undefined && named !== undefined && !isSameFile(named, kept)) {
    if (!isOutput(named, note)) throw new Error(foreignFileText(folder, { name, note }));
    // Where a file is to be restored, it takes the place of the output in one step.
    if (aside === undefined) folder.rename(name, temporary);
    else keepAs(folder, name, temporary);
  }
  if (aside === undefined) return;
  const [output, present] = [folder.lstat(temporary), folder.lstat(name)];
  if (present === undefined || isSameOrCopy(present, output)) folder.rename(aside, name);
  else if (!isSameOrCopy(present, kept)) throw new Error(foreignFileText(folder, { name, note }));
  // The hidden name is still there if both names were hard links of one file, because a rename does nothing
  // then, and in a copy of the folder.
  folder.remove(aside);
}

/**
 * Returns whether two names are of one file, or of copies of it, which is what copying a folder makes of a
 * file with two names.
 */
function isSameOrCopy(a: Deno.FileInfo, b: Deno.FileInfo | undefined): boolean {
  return b !== undefined && a.isFile && b.isFile &&
    (isSameFile(a, b) || (a.size === b.size && a.mtime?.getTime() === b.mtime?.getTime()));
}

function foreignFileText(
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
 * Returns whether a file is the output of the note, as the killed run has left it. A file with another time may have been written since, by a virtual machine that uses the disk: it is not
 * taken away.
 */
function isOutput({ isFile, size, mtime }: Deno.FileInfo, note: CommitNote): boolean {
  return isFile && size === note.sizeBytes && mtime?.getTime() === note.changedMs;
}

/** Completes a commit that at least one note calls committed, and releases the locks. */
function finish(members: readonly Member[]): void {
  // All notes are marked before the first one is removed, so that each remaining note shows that the commit
  // is to be finished.
  for (const { lock, note } of members) {
    if (note.state === "c") continue;
    lock.mark("c");
    lock.sync();
  }
  for (const { lock: { folder, name }, note: { aside } } of members) {
    // The replaced file may be the only copy if the output was moved meanwhile.
    if (aside === undefined || folder.lstat(name) === undefined) continue;
    folder.remove(aside);
  }
  for (const folder of foldersOf(members)) folder.sync();
  for (const { lock } of members) lock.release();
}

function foldersOf(members: readonly { lock: OutputLock }[]): Set<Folder> {
  return new Set(members.map(({ lock }) => lock.folder));
}
