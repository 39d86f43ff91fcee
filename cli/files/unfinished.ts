/**
 * What a reader must know of commits that are not finished. A reader changes nothing: it reads around a commit that a killed
 * run has begun, as if the next run had undone it already, and waits for one that a living process is about to finish.
 */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { lockNameOf, outputOfLock } from "./hidden_names.ts";
import { type CommitNote, MAX_NOTE_BYTES, parseNote } from "./lock_note.ts";
import { lstatIfThere } from "./paths.ts";
import { readSmallFile } from "./small_file.ts";

/** How a file is to be read that a killed run was about to write. */
export interface AroundCommit {
  /** Where the file lies that has to be read; undefined if there was none before the run. */
  path?: string;
  /** What the user must know, a sentence without the full stop. */
  text: string;
}

/** Between two looks at a lock whose commit is under way. */
const LOOK_MS = 20;

/** A commit takes milliseconds, more only if the system is slow to sync. */
const LOOKS = 500;

/**
 * How to read `path` while a commit that it is part of is not finished; undefined if there is no such commit.
 *
 * @throws {Error} if another process is writing the file at this moment, and does not finish
 */
export async function aroundCommit(path: string): Promise<AroundCommit | undefined> {
  const place = placeOf(path);
  if (place === undefined) return undefined;
  const { folder, name } = place;
  const { pid, note } = await finishedNote(path, { folder, name });
  if (note === undefined || note.state !== "p" || await isDecided(folder, note)) return undefined;
  const { temporary, aside } = note;
  const isThere = (name: string) => lstatIfThere(join(folder, name)) !== undefined;
  const killed = `process ${pid} was killed while it wrote "${path}"`;
  if (aside !== undefined && isThere(aside)) {
    const text = `${killed}: the file that it replaces is read, which is kept as "${join(folder, aside)}"`;
    return { path: join(folder, aside), text };
  }
  // The output does not have its name yet.
  if (isThere(temporary)) return undefined;
  if (aside === undefined) return { text: `${killed}, before all that belongs to it was there` };
  const text = `${killed}; the file that it replaces should be kept as "${
    join(folder, aside)
  }", which is not there`;
  return { path: join(folder, name), text };
}

/** The path to open for reading `path`, whatever is to be said of it. @throws as {@linkcode aroundCommit} */
export async function readablePath(path: string): Promise<string> {
  return (await aroundCommit(path))?.path ?? path;
}

/** Where the file lies, links followed; undefined if it has no lock file. */
function placeOf(path: string): { folder: string; name: string } | undefined {
  try {
    const real = lstatIfThere(path)?.isSymlink ? Deno.realPathSync(path) : path;
    const place = { folder: dirname(real), name: basename(real) };
    const lock = lstatIfThere(join(place.folder, lockNameOf(place.name)));
    return lock?.isFile ? place : undefined;
  } catch {
    // Nothing is there, or the folder may not be looked into: whoever opens the file gets the reason.
    return undefined;
  }
}

/** The note when no process is at it: that of a killed run, or none. */
async function finishedNote(
  path: string,
  { folder, name }: { folder: string; name: string },
): Promise<{ pid?: number; note?: CommitNote }> {
  const lockPath = join(folder, lockNameOf(name));
  for (let look = 0;; look++) {
    const { pid, commit } = await noteAt(lockPath, name);
    if (commit === undefined || !await isHeld(lockPath)) return { pid, note: commit };
    if (look === LOOKS) {
      throw new Error(`Cannot read "${path}": it is being written by process ${pid}; try again later`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function noteAt(lockPath: string, name: string): Promise<{ pid?: number; commit?: CommitNote }> {
  try {
    return parseNote(new TextDecoder().decode(await readSmallFile(lockPath, MAX_NOTE_BYTES)), name);
  } catch {
    // Gone, or another user's: what cannot be read is no note.
    return {};
  }
}

/** Whether a process holds the lock. Only asked where there is a note, since asking takes the lock for a moment. */
async function isHeld(lockPath: string): Promise<boolean> {
  try {
    using file = await Deno.open(lockPath);
    return file.tryLockSync !== undefined && !file.tryLockSync(false);
  } catch {
    return false;
  }
}

/** Whether another output of the commit says that it is complete, or undone: then so is this one. */
async function isDecided(folder: string, { id }: CommitNote): Promise<boolean> {
  for (const { name: lockName, isFile } of Deno.readDirSync(folder)) {
    const name = isFile ? outputOfLock(lockName) : undefined;
    if (name === undefined) continue;
    const { commit } = await noteAt(join(folder, lockName), name);
    if (commit?.id === id && commit.state !== "p") return true;
  }
  return false;
}

/** The process that holds the lock of `path` at this moment, be it at work or in its commit; undefined if there is none. */
export async function writerOf(path: string): Promise<number | undefined> {
  const place = placeOf(path);
  if (place === undefined) return undefined;
  const lockPath = join(place.folder, lockNameOf(place.name));
  const { pid } = await noteAt(lockPath, place.name);
  return pid !== undefined && await isHeld(lockPath) ? pid : undefined;
}
