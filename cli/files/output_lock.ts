/**
 * The lock of an output: a hidden file beside it that whoever writes the output holds with `flock`. The system drops the
 * lock with the process, however it ends, so there are no stale ones: a lock file that a killed run left can be taken.
 *
 * Its text tells who holds it, and during a commit what the commit does, for the next run if this one does not live to
 * the end.
 */

import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { isSameFile, lstatIfThere, removeIfThere } from "./paths.ts";

/** What a lock file says of a commit under way. */
export interface CommitNote {
  /** Of the commit, random. */
  id: string;
  /** The lock file whose note decides: the commit is complete as soon as that one is gone. */
  decidedBy: string;
  /** In the note that decides: what the commit does. */
  renames?: Rename[];
}

/** An output gets its name. All paths are absolute and without symbolic links. */
export interface Rename {
  temporaryPath: string;
  finalPath: string;
  /** Where the file that had the name is kept until the commit is complete; undefined if there was none. */
  asidePath?: string;
  /** Of the output, which tell it from a file that somebody else put in its place. */
  sizeBytes: number;
  changedMs: number;
}

interface Note {
  pid: number;
  commit?: CommitNote;
}

/** Deno before 2.5 can only wait for a lock. One that nobody holds comes at once. */
const WAIT_MS = 3000;

/** Some paths for each output; more is no note of ours. */
const MAX_NOTE_BYTES = 2 ** 20;

/** Attempts to take a lock whose file another process removes at the same time. */
const ATTEMPTS = 100;

/** Another process has the lock. */
export class HeldError extends Error {
  override name = "HeldError";
}

/** A lock that this process holds, until it is released or the process ends. */
export class OutputLock {
  readonly path: string;
  readonly #file: Deno.FsFile;
  /** False where the file system has no locks: nobody is excluded. */
  readonly isExclusive: boolean;
  /** The commit that the last holder of the lock did not finish. */
  readonly unfinished?: CommitNote;

  private constructor(
    path: string,
    { file, isExclusive, unfinished }: { file: Deno.FsFile; isExclusive: boolean; unfinished?: CommitNote },
  ) {
    this.path = path;
    this.#file = file;
    this.isExclusive = isExclusive;
    this.unfinished = unfinished;
  }

  /** Takes the lock with the file `path`, which is made if it is not there. @throws {HeldError} if another process holds it */
  static async take(path: string): Promise<OutputLock> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const lock = await OutputLock.#tryToTake(path);
      if (lock !== undefined) return lock;
    }
    throw new Error(`its lock "${path}" is taken and given back without end`);
  }

  /** Returns undefined if the holder gave the lock back, and with it the file, at this moment. */
  static async #tryToTake(path: string): Promise<OutputLock | undefined> {
    const file = openLockFile(path);
    try {
      const locked = await lock(file);
      if (locked === false) throw heldByAnother(path, file);
      if (!isSameFile(file.statSync(), lstatIfThere(path))) return void file.close();
      const unfinished = readNote(file)?.commit;
      if (unfinished !== undefined) assertOwn(path, file);
      return new OutputLock(path, { file, isExclusive: locked === true, unfinished }).#sign();
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** For those who come and must go again; the note of an unfinished commit is worth more. */
  #sign(): OutputLock {
    if (this.unfinished !== undefined) return this;
    try {
      this.#write({ pid: Deno.pid });
    } catch (error) {
      removeIfThere(this.path);
      throw error;
    }
    return this;
  }

  /** Notes what is about to be done; returns when the note is on stable storage, but for its name in the folder. */
  note(commit: CommitNote): void {
    this.#write({ pid: Deno.pid, commit });
  }

  /** Takes the note back; when this returns it will not come back. */
  clear(): void {
    this.#file.truncateSync(0);
    this.#file.syncSync();
  }

  /** Gives the lock back and removes its file. */
  release(): void {
    try {
      removeIfThere(this.path);
    } finally {
      this.#file.close();
    }
  }

  /** Gives the lock back and leaves the file with its note. */
  abandon(): void {
    this.#file.close();
  }

  /** A note that is cut short is none: nothing is done before it is synced. */
  #write(note: Note): void {
    this.#file.truncateSync(0);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    const bytes = new TextEncoder().encode(JSON.stringify(note));
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
    if (note.commit !== undefined) this.#file.syncSync();
  }
}

/** The note in a lock file whoever holds it; undefined if there is none. */
export function noteIn(path: string): CommitNote | undefined {
  if (lstatIfThere(path) === undefined) return undefined;
  using file = Deno.openSync(path);
  return readNote(file)?.commit;
}

/** A symbolic link that somebody put in place would lead the writing elsewhere. */
function openLockFile(path: string): Deno.FsFile {
  const mode = { read: true, write: true, mode: 0o600 };
  try {
    return Deno.openSync(path, { ...mode, createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  if (lstatIfThere(path)?.isFile === false) throw new Error(`its lock "${path}" is not a regular file`);
  return Deno.openSync(path, { ...mode, create: true });
}

/** Whether the lock was taken; undefined if there are no locks on this file system. */
async function lock(file: Deno.FsFile): Promise<boolean | undefined> {
  try {
    return file.tryLockSync === undefined ? await lockSoon(file) : file.tryLockSync(true);
  } catch {
    return undefined;
  }
}

/** For Deno before 2.5: whether the lock comes in time. One that comes later ends with the file, which is closed by then. */
async function lockSoon(file: Deno.FsFile): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), WAIT_MS);
  try {
    return await Promise.race([file.lock(true).then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

function heldByAnother(path: string, file: Deno.FsFile): HeldError {
  const pid = readNote(file)?.pid;
  return new HeldError(
    `another process${pid === undefined ? "" : ` (${pid})`} writes it and holds "${path}"`,
  );
}

/** What the file says as a whole, undefined if it says nothing or not all of it. */
function readNote(file: Deno.FsFile): Note | undefined {
  const { size } = file.statSync();
  if (size > MAX_NOTE_BYTES) return undefined;
  file.seekSync(0, Deno.SeekMode.Start);
  const bytes = new Uint8Array(size);
  let len = 0;
  for (let got; len < bytes.length && (got = file.readSync(bytes.subarray(len))) !== null;) len += got;
  try {
    const note: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(0, len)));
    return isNote(note) ? note : undefined;
  } catch {
    return undefined;
  }
}

function isNote(value: unknown): value is Note {
  const { pid, commit } = (value ?? {}) as Partial<Note>;
  return typeof pid === "number" && (commit === undefined || isCommitNote(commit));
}

function isCommitNote(value: unknown): value is CommitNote {
  const { id, decidedBy, renames } = (value ?? {}) as Partial<CommitNote>;
  return typeof id === "string" && typeof decidedBy === "string" &&
    (renames === undefined || (Array.isArray(renames) && renames.every(isRename)));
}

function isRename(value: unknown): value is Rename {
  const { temporaryPath, finalPath, asidePath, sizeBytes, changedMs } = (value ?? {}) as Partial<Rename>;
  return typeof temporaryPath === "string" && typeof finalPath === "string" &&
    (asidePath === undefined || typeof asidePath === "string") &&
    typeof sizeBytes === "number" && typeof changedMs === "number";
}

/**
 * Whoever may write to a folder can put a note there, and files are renamed as it says. The note of somebody else is
 * none of ours. The program may not ask who it is, but sees whom its files belong to.
 */
function assertOwn(path: string, file: Deno.FsFile): void {
  const probe = join(dirname(path), `.${crypto.randomUUID()}.vmdkbkp`);
  using made = Deno.openSync(probe, { write: true, createNew: true, mode: 0o600 });
  Deno.removeSync(probe);
  if (made.statSync().uid === file.statSync().uid) return;
  throw new Error(`"${path}" was left behind by a killed run of another user, who must run it again`);
}
