/**
 * Reading files whose commit is not finished. A reader changes nothing. If a run was killed during a commit,
 * it reads the files as if the next run had already undone the commit; if the process is still running, it
 * waits until the commit is finished.
 */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { lockNameOf, outputOfLock } from "./hidden_names.ts";
import { type CommitNote, MAX_NOTE_BYTES, parseNote } from "./lock_note.ts";
import { lstatIfThere } from "./paths.ts";
import { readSmallFile } from "./small_file.ts";

/** How to read a file that a killed run was about to write. */
export interface AroundCommit {
  /** The path of the file to read; undefined if there was none before the run. */
  path?: string;
  /** A sentence for the user, without a full stop. */
  text: string;
}

/** The pause between two checks of a lock whose commit is in progress. */
const LOOK_MS = 20;

/**
 * The largest number of checks. A commit takes milliseconds, and longer only if the system is slow to sync.
 */
const LOOKS = 500;

/**
 * Returns how to read `path` while its commit is not finished; undefined if there is no such commit.
 *
 * @throws {Error} if another process is writing the file and does not finish in time
 */
export async function aroundCommit(path: string): Promise<AroundCommit | undefined> {
  const place = placeOf(path);
  if (place === undefined) return undefined;
  const { folder, name } = place;
  const { pid, note } = await finishedNote(path, { folder, name });
  if (note === undefined || note.state === "u" || await isDecided(folder, note)) return undefined;
  const { temporary, aside } = note;
  // A folder from elsewhere may have links and pipes in their places.
  const isThere = (name: string) => lstatIfThere(join(folder, name))?.isFile === true;
  const killed = `process ${pid} was killed while it wrote "${path}"`;
  if (aside !== undefined && isThere(aside)) {
    const text = `${killed}: the file that it replaces is read, which is kept as "${join(folder, aside)}"`;
    return { path: join(folder, aside), text };
  }
  // The output does not have its final name yet.
  if (isThere(temporary)) return undefined;
  if (aside === undefined) return { text: `${killed}, before all that belongs to it was there` };
  const text = `${killed}; the file that it replaces should be kept as "${
    join(folder, aside)
  }", which is not there`;
  return { path: join(folder, name), text };
}

/**
 * Returns the path to open for reading `path`, without the sentence for the user. @throws as {@linkcode
 * aroundCommit}
 */
export async function readablePath(path: string): Promise<string> {
  return (await aroundCommit(path))?.path ?? path;
}

/** Returns the folder and the name of a file after following links; undefined if it has no lock file. */
function placeOf(path: string): { folder: string; name: string } | undefined {
  try {
    const real = lstatIfThere(path)?.isSymlink ? Deno.realPathSync(path) : path;
    const place = { folder: dirname(real), name: basename(real) };
    const lock = lstatIfThere(join(place.folder, lockNameOf(place.name)));
    return lock?.isFile ? place : undefined;
  } catch {
    // The file does not exist, or the folder may not be read. The caller gets the reason when it opens the
    // file.
    return undefined;
  }
}

/** Waits until no process holds the lock, and returns the note of a killed run, if there is one. */
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
    // A lock file that is gone or belongs to another user cannot be read, and counts as no note.
    return {};
  }
}

/**
 * Returns whether a process holds the lock. It is called only if there is a note, because the check takes the
 * lock for a moment.
 */
async function isHeld(lockPath: string): Promise<boolean> {
  try {
    using file = await Deno.open(lockPath);
    return file.tryLockSync !== undefined && !file.tryLockSync(false);
  } catch {
    return false;
  }
}

/**
 * Returns whether the note of an output of the commit calls it committed or undone. That state then also
 * applies to the other outputs. As long as an output does not have its final name, nothing is committed: the mark
 * may be that of the original of a folder that was copied by hard links.
 */
async function isDecided(folder: string, own: CommitNote): Promise<boolean> {
  const notes = [own];
  for (const { name: lockName, isFile } of Deno.readDirSync(folder)) {
    const name = isFile ? outputOfLock(lockName) : undefined;
    if (name === undefined) continue;
    const { commit } = await noteAt(join(folder, lockName), name);
    if (commit?.id === own.id) notes.push(commit);
  }
  const isNamed = ({ temporary }: CommitNote) => lstatIfThere(join(folder, temporary)) === undefined;
  return notes.some(({ state }) => state === "u") ||
    (notes.some(({ state }) => state === "c") && notes.every(isNamed));
}

/**
 * Returns the process that holds the lock of `path` at this moment, before or during its commit; undefined if
 * there is none.
 */
export async function writerOf(path: string): Promise<number | undefined> {
  const place = placeOf(path);
  if (place === undefined) return undefined;
  const lockPath = join(place.folder, lockNameOf(place.name));
  const { pid } = await noteAt(lockPath, place.name);
  return pid !== undefined && await isHeld(lockPath) ? pid : undefined;
}
