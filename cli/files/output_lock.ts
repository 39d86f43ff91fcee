/**
 * The lock of an output: a hidden file beside it on which the process that writes the output holds an
 * `flock`. The system drops the lock when the process ends in any way, so the lock file of a killed run can
 * be locked again.
 *
 * The text of the file contains the process that holds the lock. During a commit it is also the note by which
 * the next run finishes or undoes the commit if this run is killed (`lock_note.ts`).
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
import { readFullySync } from "./small_file.ts";
import { cleanUpAfter, fileError, isWithoutLocks, onFile, retryInterrupted } from "./system_errors.ts";

/** The time to wait for a lock on Deno before 2.5, which can only wait. A free lock is granted at once. */
const WAIT_MS = 3000;

/** The number of attempts to take a lock whose file another process removes at the same time. */
const ATTEMPTS = 100;

/**
 * The number of attempts to take a lock that another process holds, and the pause between them: a reader that
 * checks whether the lock is held takes it for a moment.
 */
const HELD_ATTEMPTS = 3;
const HELD_PAUSE_MS = 15;

/** Another process holds the lock. */
export class HeldError extends Error {
  override name = "HeldError";
}

/** A lock that this process holds until it is released or the process ends. */
export class OutputLock {
  /** The folder of the output. The caller disposes it. */
  readonly folder: Folder;
  /** The base name of the output. */
  readonly name: string;
  /** False on a file system without locks, where no other process is excluded. */
  readonly isExclusive: boolean;
  /** The commit that an earlier holder of the lock did not finish. */
  readonly unfinished?: CommitNote;
  readonly #file: Deno.FsFile;
  /** The process that wrote the note. */
  #pid: number;
  #isReleased = false;

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
   * Takes the lock of the output `name`, and creates its file if it does not exist.
   *
   * @throws {HeldError} if another process holds it
   * @throws {Error} if something else has the name of the lock file, or the lock file belongs to another user
   */
  static async take(folder: Folder, name: string): Promise<OutputLock> {
    let heldAttempts = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        const lock = await takeOnce(folder, name);
        if (lock !== undefined) return new OutputLock(folder, name, lock).#writeHolder();
      } catch (error) {
        if (!(error instanceof HeldError) || ++heldAttempts === HELD_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, HELD_PAUSE_MS));
      }
    }
    throw new Error(
      `other processes take and release its lock "${folder.shown(lockNameOf(name))}" without end`,
    );
  }

  /**
   * Writes the id of this process into the lock file, for the messages of other processes. The note of an
   * unfinished commit is not changed.
   */
  #writeHolder(): OutputLock {
    if (this.unfinished !== undefined) return this;
    try {
      this.#write(holderText(Deno.pid));
      return this;
    } catch (error) {
      throw cleanUpAfter(error, () => this.release());
    }
  }

  /**
   * Writes a note about a commit that is about to begin. Returns when the note, but not necessarily its name,
   * is on stable storage.
   */
  prepare(note: CommitNote): void {
    this.#pid = Deno.pid;
    this.#write(noteText(this.#pid, note));
    this.sync();
  }

  /** Replaces the note of {@linkcode prepare} by the id of this process, as it was before. */
  withdraw(): void {
    this.#write(holderText(Deno.pid));
    this.sync();
  }

  /** Changes the state of the note. If this fails, the old state remains. The change is not synced. */
  mark(state: CommitState): void {
    onFile("write", this.path, () => {
      this.#file.seekSync(statePlace(this.#pid), Deno.SeekMode.Start);
      this.#file.writeSync(new TextEncoder().encode(state));
    });
  }

  /** Releases the lock and removes its file with the note. Does nothing if the lock is already released. */
  release(): void {
    if (this.#isReleased) return;
    try {
      this.folder.remove(lockNameOf(this.name));
    } finally {
      this.abandon();
    }
  }

  /** Releases the lock and keeps its file with the note. Does nothing if the lock is already released. */
  abandon(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#file.close();
  }

  /**
   * Replaces the text of the lock file. A crash may cut the text, which then is not a note. That is right,
   * because nothing is renamed before the note is synced.
   */
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

/** Tries to take a lock once. Returns undefined if its holder removed the lock file at this moment. */
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
 * Replaces a lock file that has more than one hard link with a copy of its own. The links may come from a
 * copy of the whole folder by hard links, or from an attacker, and writing to the file would change another
 * file as well. The lock on the old file is held until the new one is locked, so that two processes cannot
 * both do this.
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

/**
 * Locks a file without waiting. Returns whether the lock was taken, and undefined on a file system without
 * locks.
 *
 * @throws {FileError} for other errors
 */
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

/**
 * For Deno before 2.5: returns whether the lock is granted in time. A lock that is granted later ends when
 * the caller closes the file.
 */
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
 * Checks that the lock file belongs to this user. Another user could change the note of their own lock file
 * while this process follows it. The program has no permission to ask the system for its user, but it can see
 * to whom a new file belongs.
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

/**
 * Returns the user to whom new files in `folder` belong. That is the user of this process, except on file
 * systems without users. `output` is the name of an output in the folder.
 */
export function ownerOf(folder: Folder, output: string): number | null {
  // If it cannot be removed, it is a journal without a temporary file, which the next run for the output removes.
  const name = journalNameOf(temporaryNameOf(output));
  using file = folder.create(name, { mode: 0o600 });
  folder.remove(name);
  return statOf(file, folder.shown(name)).uid;
}

/**
 * Returns the note in the lock file of the output `name`, whether the lock is held or not; undefined if there
 * is no file, or no note in it.
 */
export function noteOf(folder: Folder, name: string): CommitNote | undefined {
  using file = folder.openExisting(lockNameOf(name));
  return file === undefined ? undefined : parseNote(textOf(file), name).commit;
}

/** Returns the text of a lock file, or an empty text if it is longer than any note. */
function textOf(file: Deno.FsFile): string {
  const bytes = new Uint8Array(MAX_NOTE_BYTES + 1);
  file.seekSync(0, Deno.SeekMode.Start);
  const len = readFullySync(file, bytes);
  return len > MAX_NOTE_BYTES ? "" : new TextDecoder().decode(bytes.subarray(0, len));
}

function writeAll(file: Deno.FsFile, text: string): void {
  const bytes = new TextEncoder().encode(text);
  file.seekSync(0, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) {
    done += retryInterrupted(() => file.writeSync(bytes.subarray(done)));
  }
}
