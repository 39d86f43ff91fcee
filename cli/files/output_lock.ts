/**
 * The lock of an output: a hidden file beside it that the process which writes the output holds with `flock`. The system
 * drops the lock when the process ends, however it ends, so a lock file that a killed run left behind can be taken.
 *
 * Its text names the process that holds it, and during a commit it is the note by which the next run finishes or undoes the
 * commit if this run does not live to its end (`lock_note.ts`).
 */

import type { Folder } from "./folder.ts";
import { journalNameOf, lockNameOf, temporaryNameOf } from "./hidden_names.ts";
import {
  type CommitNote,
  type CommitState,
  holderText,
  MAX_NOTE_BYTES,
  noteText,
  parseNote,
  statePlace,
} from "./lock_note.ts";
import { isSameFile } from "./paths.ts";
import { statOf } from "./positioned.ts";
import { cleanUpAfter, fileError, isWithoutLocks, onFile, retryInterrupted } from "./system_errors.ts";

/** Deno before 2.5 can only wait for a lock. A lock that nobody holds comes at once. */
const WAIT_MS = 3000;

/** Attempts to take a lock whose file another process removes at the same time. */
const ATTEMPTS = 100;

/** Attempts to take a lock that another process holds: a reader that asks whether it is held takes it for a moment. */
const HELD_ATTEMPTS = 3;
const HELD_PAUSE_MS = 15;

/** Another process has the lock. */
export class HeldError extends Error {
  override name = "HeldError";
}

/** A lock that this process holds until it is released or the process ends. */
export class OutputLock {
  /** The folder of the output; it stays the caller's. */
  readonly folder: Folder;
  /** The base name of the output. */
  readonly name: string;
  /** False where the file system has no locks: nobody is excluded. */
  readonly isExclusive: boolean;
  /** The commit that the last holder of the lock did not finish. */
  readonly unfinished?: CommitNote;
  readonly #file: Deno.FsFile;
  /** The process that wrote the note. */
  #pid: number;
  #isGivenBack = false;

  private constructor(
    folder: Folder,
    name: string,
    { file, isExclusive, pid, unfinished }: {
      file: Deno.FsFile;
      isExclusive: boolean;
      pid?: number;
      unfinished?: CommitNote;
    },
  ) {
    this.folder = folder;
    this.name = name;
    this.isExclusive = isExclusive;
    this.unfinished = unfinished;
    this.#file = file;
    this.#pid = pid ?? Deno.pid;
  }

  /** The path of the lock file, for messages. */
  get path(): string {
    return this.folder.shown(lockNameOf(this.name));
  }

  /**
   * Takes the lock of the output `name`; its file is made if it is not there.
   *
   * @throws {HeldError} if another process holds it
   * @throws {Error} if something else has the name of the lock file, or the lock file belongs to another user
   */
  static async take(folder: Folder, name: string): Promise<OutputLock> {
    let heldAttempts = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        const lock = await takeOnce(folder, name);
        if (lock !== undefined) return new OutputLock(folder, name, lock).#sign();
      } catch (error) {
        if (!(error instanceof HeldError) || ++heldAttempts === HELD_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, HELD_PAUSE_MS));
      }
    }
    throw new Error(`its lock "${folder.shown(lockNameOf(name))}" is taken and given back without end`);
  }

  /** Names this process to those that come and must go again. The note of an unfinished commit stays as it is. */
  #sign(): OutputLock {
    if (this.unfinished !== undefined) return this;
    try {
      this.#write(holderText(Deno.pid));
      return this;
    } catch (error) {
      throw cleanUpAfter(error, () => this.release());
    }
  }

  /** Notes a commit that is about to begin; returns when the note, but not its name, is on stable storage. */
  prepare(note: CommitNote): void {
    this.#pid = Deno.pid;
    this.#write(noteText(this.#pid, note));
    this.sync();
  }

  /** Changes the state of the note: if this fails it is the old one. The change is not on stable storage yet. */
  mark(state: CommitState): void {
    onFile("write", this.path, () => {
      this.#file.seekSync(statePlace(this.#pid), Deno.SeekMode.Start);
      this.#file.writeSync(new TextEncoder().encode(state));
    });
  }

  /** Gives the lock back and removes its file, and with it the note. Does nothing if it is given back already. */
  release(): void {
    if (this.#isGivenBack) return;
    try {
      this.folder.remove(lockNameOf(this.name));
    } finally {
      this.abandon();
    }
  }

  /** Gives the lock back and leaves the file with its note. Does nothing if it is given back already. */
  abandon(): void {
    if (this.#isGivenBack) return;
    this.#isGivenBack = true;
    this.#file.close();
  }

  /** A text that a crash cuts short is no note, which is right: nothing is renamed before the note is synced. */
  #write(text: string): void {
    onFile("write", this.path, () => {
      this.#file.truncateSync(0);
      writeAll(this.#file, text);
    });
  }

  /** Returns when the note is on stable storage. */
  sync(): void {
    onFile("sync", this.path, () => this.#file.syncSync());
  }
}

/** Undefined if the holder gave the lock back, and with it the file, at this moment. */
async function takeOnce(folder: Folder, name: string): Promise<
  | { file: Deno.FsFile; isExclusive: boolean; pid?: number; unfinished?: CommitNote }
  | undefined
> {
  const lockName = lockNameOf(name);
  const made = createUnlessThere(folder, lockName);
  const file = made ?? folder.openExisting(lockName);
  if (file === undefined) return undefined;
  try {
    if (made === undefined) assertOwn(folder, { name, lockName, file });
    const locked = await lockFile(file, folder.shown(lockName));
    const { pid, commit } = parseNote(textOf(file), name);
    if (locked === false) {
      const holder = pid === undefined ? "" : ` (${pid})`;
      throw new HeldError(`another process${holder} writes it and holds "${folder.shown(lockName)}"`);
    }
    const info = statOf(file, folder.shown(lockName));
    if (!isSameFile(info, folder.lstat(lockName))) return void file.close();
    const taken = { file, isExclusive: locked === true, pid, unfinished: commit };
    return (info.nlink ?? 1) > 1 ? await withFileOfItsOwn(folder, { name, ...taken }) : taken;
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * A lock file with more than one name is a copy by hard links of the whole folder, or a trap: what is written into it would
 * change another file as well. A file with the same text takes its place; the lock on the old one is held until the new one
 * is locked, so that two processes cannot both do this.
 */
async function withFileOfItsOwn(
  folder: Folder,
  { name, file: shared, ...taken }: {
    name: string;
    file: Deno.FsFile;
    isExclusive: boolean;
    unfinished?: CommitNote;
  },
): Promise<typeof taken & { file: Deno.FsFile }> {
  const temporary = temporaryNameOf(name);
  const file = folder.create(temporary, { mode: 0o600 });
  try {
    const path = folder.shown(temporary);
    await lockFile(file, path);
    if (taken.unfinished !== undefined) onFile("write", path, () => writeAll(file, textOf(shared)));
    onFile("sync", path, () => file.syncSync());
    folder.rename(temporary, lockNameOf(name));
    shared.close();
    return { ...taken, file };
  } catch (error) {
    file.close();
    throw cleanUpAfter(error, () => folder.remove(temporary));
  }
}

function createUnlessThere(folder: Folder, lockName: string): Deno.FsFile | undefined {
  try {
    return folder.create(lockName, { mode: 0o600 });
  } catch (error) {
    if ((error as Error).cause instanceof Deno.errors.AlreadyExists) return undefined;
    throw error;
  }
}

/** Returns whether the lock was taken; undefined on a file system without locks. @throws {FileError} for other errors */
async function lockFile(file: Deno.FsFile, path: string): Promise<boolean | undefined> {
  try {
    return file.tryLockSync === undefined
      ? await lockSoon(file)
      : retryInterrupted(() => file.tryLockSync(true));
  } catch (error) {
    if (isWithoutLocks(error)) return undefined;
    throw fileError("lock", path, error);
  }
}

/** For Deno before 2.5: whether the lock comes in time. A lock that comes later ends with the file, which is closed by then. */
async function lockSoon(file: Deno.FsFile): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), WAIT_MS);
  try {
    return await Promise.race([file.lock(true).then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Another user's lock file could be written by that user while this process goes by its note. The program may not ask the
 * system which user it is, but sees to whom a file belongs that it makes.
 */
function assertOwn(
  folder: Folder,
  { name, lockName, file }: { name: string; lockName: string; file: Deno.FsFile },
): void {
  if (ownerOf(folder, name) === statOf(file, folder.shown(lockName)).uid) return;
  throw new Error(
    `its lock "${
      folder.shown(lockName)
    }" belongs to another user, who must run the command again or remove it`,
  );
}

/** The user to whom new files in `folder` belong: this one, but for file systems that know no users. `output`: its name */
export function ownerOf(folder: Folder, output: string): number | null {
  // If it cannot be removed, it is a journal without a temporary file, which the next run for the output removes.
  const name = journalNameOf(temporaryNameOf(output));
  using file = folder.create(name, { mode: 0o600 });
  folder.remove(name);
  return statOf(file, folder.shown(name)).uid;
}

/** What the lock file of the output `name` says, whoever holds it; undefined if there is none, or no note in it. */
export function noteOf(folder: Folder, name: string): CommitNote | undefined {
  using file = folder.openExisting(lockNameOf(name));
  return file === undefined ? undefined : parseNote(textOf(file), name).commit;
}

/** All of a lock file, or nothing if it is longer than any note. */
function textOf(file: Deno.FsFile): string {
  const bytes = new Uint8Array(MAX_NOTE_BYTES + 1);
  let len = 0;
  file.seekSync(0, Deno.SeekMode.Start);
  while (len < bytes.length) {
    const got = retryInterrupted(() => file.readSync(bytes.subarray(len)));
    if (got === null || got === 0) break;
    len += got;
  }
  return len > MAX_NOTE_BYTES ? "" : new TextDecoder().decode(bytes.subarray(0, len));
}

function writeAll(file: Deno.FsFile, text: string): void {
  const bytes = new TextEncoder().encode(text);
  file.seekSync(0, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) {
    done += retryInterrupted(() => file.writeSync(bytes.subarray(done)));
  }
}
