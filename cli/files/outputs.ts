/**
 * The files a command makes, as one transaction: each is written under a temporary name beside its final one, and
 * all are synced and renamed together at the end. Until then the final names are untouched; after a failure nothing is
 * left. A process that is killed leaves files under hidden names, which the next one that writes the same output removes.
 */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { UsageError } from "../errors.ts";
import { renameAll, settle, UnfinishedError } from "./commit.ts";
import { journalName, leftoversOf, lockName, temporaryName } from "./hidden_names.ts";
import { HeldError, noteIn, OutputLock } from "./output_lock.ts";
import { ignoreErrors, isSameFile, lstatIfThere, removeIfThere, statIfThere } from "./paths.ts";

interface Output {
  /** The path as the user gave it, for messages. */
  path: string;
  finalPath: string;
  file: Deno.FsFile;
  /** A file that has the name may be replaced. */
  replace: boolean;
  /** Undefined for a pipe or a character device, which is written directly. */
  hidden?: { temporaryPath: string; lock: OutputLock };
  /** Goes when the output has its name. */
  journal?: Deno.FsFile;
}

/** What may be done to files that are already there. */
export interface OutputsOptions {
  /** Replace outputs that exist. */
  force: boolean;
  /** Paths the command reads (`-` is ignored); an output must be none of them. */
  inputs: readonly string[];
  /** Disposal without `commit` leaves the temporary files, synced, for a run that resumes them. */
  keepPartial?: boolean;
}

/** How one output is opened. */
export interface OpenOptions {
  /** Replace the file if it exists; as `force` says, if not given. */
  replace?: boolean;
  /** Go on with the newest temporary file that a run left behind, if there is one. */
  resume?: boolean;
  /** Open a journal with it: a file beside the temporary one, which stays with that and never gets a name. */
  journal?: boolean;
  /** Mode of a new file, of which the user's mask is taken; a file that is replaced keeps its own. */
  mode?: number;
}

/** An open output. */
export type OutputFile = Deno.FsFile & {
  /** The name it has for now. */
  readonly systemPath: string;
  /** Whether it is the temporary file of an earlier run, with what it holds. */
  readonly adopted: boolean;
  /** Where one was asked for and the output is no pipe; of an adopted output with what it holds. */
  readonly journal?: Deno.FsFile;
};

/** Archives hold whole disks: they are for their owner alone. */
const PRIVATE = 0o600;

/**
 * @throws {UsageError} if `path` is one of the files in `inputs`, by whatever name
 */
export function assertNoInput(path: string, inputs: readonly string[]): void {
  const info = statIfThere(path);
  const input = inputs.find((input) => input !== "-" && isSameFile(info, statIfThere(input)));
  if (input !== undefined) throw new UsageError(`Cannot write "${path}": it is also an input ("${input}")`);
}

/** Openings under way, of all outputs of the program. */
const opening = new Set<Promise<OutputFile>>();

/** Waits for outputs that are being opened: those of a command that was stopped give back the lock that they were taking. */
export async function openingEnds(): Promise<void> {
  await Promise.allSettled(opening);
}

/** Opens outputs under temporary names; `commit` makes them real, disposal without it removes them. */
export class Outputs implements Disposable {
  readonly #options: OutputsOptions;
  readonly #inputs: string[];
  readonly #outputs: Output[] = [];
  /** Of files that are no outputs but changed in place. */
  readonly #held: OutputLock[] = [];
  #closed = false;

  constructor(options: OutputsOptions) {
    this.#options = options;
    this.#inputs = [...options.inputs];
  }

  /** Names more files that the command reads: those that a disk turned out to consist of. */
  addInputs(paths: readonly string[]): void {
    this.#inputs.push(...paths);
  }

  /**
   * Opens one output for writing (and reading back), at its beginning; no other process can meanwhile. The files get
   * their final names in the order of opening. A pipe or a character device such as /dev/null is opened itself.
   *
   * @throws {UsageError} if the output is an input or another output, or exists and may not be replaced
   * @throws {Error} if another process writes it
   */
  async open(path: string, options: OpenOptions = {}): Promise<OutputFile> {
    const opened = this.#open(path, options);
    opening.add(opened);
    try {
      return await opened;
    } finally {
      opening.delete(opened);
    }
  }

  async #open(path: string, options: OpenOptions): Promise<OutputFile> {
    if (path === "") throw new UsageError("Cannot write an output: its name is empty");
    const existing = statIfThere(path);
    if (isStream(existing)) return this.#openStream(path);
    const finalPath = resolve(path, existing);
    const { replace = this.#options.force } = options;
    this.#refuse(path, finalPath, { existing, replace });
    const lock = await takeLock(path, finalPath);
    let file: OutputFile;
    try {
      file = this.#openHidden({ path, finalPath, lock, replace }, options);
    } catch (error) {
      lock.release();
      throw error;
    }
    // From here on disposal cleans up.
    const replaced = statIfThere(finalPath);
    if (replaced?.mode != null) Deno.chmodSync(file.systemPath, replaced.mode & 0o777);
    return file;
  }

  /**
   * Keeps other processes from writing `path`, a file that is changed in place, until commit or disposal, and removes what
   * killed ones left beside it. Devices have no lock, nor have files in folders in which none can be made.
   * @throws {Error} if another process writes it
   */
  async hold(path: string): Promise<void> {
    await settleFile(path);
    if (!statIfThere(path)?.isFile) return;
    try {
      const finalPath = Deno.realPathSync(path);
      const lock = await OutputLock.take(lockName(finalPath));
      this.#held.push(lock);
      sweep({ finalPath, lock }, false);
    } catch (cause) {
      if (cause instanceof HeldError) throw new Error(`Cannot write "${path}": ${cause.message}`, { cause });
    }
    if (this.#closed) this.#letGo();
  }

  /** Where the open output `path` will lie. */
  finalPathOf(path: string): string {
    return this.#outputs.find((output) => output.path === path)?.finalPath ?? path;
  }

  /** @throws {UsageError} if the command reads `path`, by whatever name */
  refuseInput(path: string): void {
    assertNoInput(path, this.#inputs);
  }

  /** Syncs every output and gives all of them their final names; on failure none has one. */
  commit(): void {
    if (this.#closed) throw new TypeError("Cannot commit outputs: they are closed");
    for (const { file, hidden, journal } of this.#outputs) {
      if (hidden !== undefined) file.syncSync();
      file.close();
      journal?.close();
    }
    const complete = this.#outputs.flatMap(({ path, finalPath, replace, hidden }) =>
      hidden === undefined ? [] : [{ path, finalPath, replace, ...hidden }]
    );
    try {
      renameAll(complete);
    } catch (error) {
      if (error instanceof UnfinishedError) this.#abandon();
      throw error;
    }
    this.#closed = true;
    for (const { lock, temporaryPath } of complete) {
      ignoreErrors(() => removeIfThere(journalName(temporaryPath)));
      ignoreErrors(() => lock.release());
    }
    this.#letGo();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { file, hidden, journal } of this.#outputs) {
      for (const open of [file, journal]) {
        if (this.#options.keepPartial && hidden !== undefined) ignoreErrors(() => open?.syncSync());
        ignoreErrors(() => open?.close());
      }
      if (hidden === undefined) continue;
      if (!this.#options.keepPartial) {
        ignoreErrors(() => Deno.removeSync(hidden.temporaryPath));
        ignoreErrors(() => removeIfThere(journalName(hidden.temporaryPath)));
      }
      ignoreErrors(() => hidden.lock.release());
    }
    this.#letGo();
  }

  #letGo(): void {
    for (const lock of this.#held.splice(0)) ignoreErrors(() => lock.release());
  }

  /** Leaves everything to the next run. */
  #abandon(): void {
    this.#closed = true;
    for (const { hidden } of this.#outputs) hidden?.lock.abandon();
  }

  #openStream(path: string): OutputFile {
    assertNoInput(path, this.#inputs);
    const file = Deno.openSync(path, { write: true });
    this.#outputs.push({ path, finalPath: path, file, replace: true });
    return Object.assign(file, { systemPath: path, adopted: false });
  }

  #openHidden(
    { path, finalPath, lock, replace }: {
      path: string;
      finalPath: string;
      lock: OutputLock;
      replace: boolean;
    },
    { resume = false, journal = false, mode = PRIVATE }: OpenOptions,
  ): OutputFile {
    if (this.#closed) throw new TypeError(`Cannot open "${path}": the outputs are closed`);
    const adopted = sweep({ finalPath, lock }, resume);
    // A file that a killed run had put there is gone by now.
    if (!replace && statIfThere(finalPath)) throw exists(path);
    const temporaryPath = adopted ?? temporaryName(finalPath);
    const how = adopted === undefined ? { createNew: true, mode } : {};
    const file = Deno.openSync(temporaryPath, { read: true, write: true, ...how });
    const output: Output = { path, finalPath, file, replace, hidden: { temporaryPath, lock } };
    this.#outputs.push(output);
    if (journal) {
      const how = { read: true, write: true, create: true, mode: PRIVATE };
      output.journal = Deno.openSync(journalName(temporaryPath), how);
    }
    return Object.assign(file, {
      systemPath: temporaryPath,
      adopted: adopted !== undefined,
      journal: output.journal,
    });
  }

  #refuse(
    path: string,
    finalPath: string,
    { existing, replace }: { existing: Deno.FileInfo | undefined; replace: boolean },
  ): void {
    if (this.#outputs.some((other) => other.finalPath === finalPath && other.hidden !== undefined)) {
      throw new UsageError(`Cannot write "${path}": it is named for two outputs`);
    }
    if (existing === undefined) return;
    assertNoInput(path, this.#inputs);
    if (!existing.isFile) throw new UsageError(`Cannot write "${path}": it is not a regular file`);
    // One that a killed run left behind is told from others under the lock.
    if (!replace && lstatIfThere(lockName(finalPath)) === undefined) throw exists(path);
  }
}

/**
 * Undoes the commit that gave `path`, which is to be read or changed, to another file, if a killed run did not finish it:
 * half of its files would not belong to the others.
 * @throws {Error} if it cannot be undone
 */
export async function settleFile(path: string): Promise<void> {
  const finalPath = unfinishedOutput(path);
  if (finalPath === undefined) return;
  try {
    (await settledLock(finalPath)).release();
  } catch (cause) {
    // Who is at work leaves everything in place.
    if (cause instanceof HeldError) return;
    throw new Error(`Cannot use "${path}", which a killed run left half done: ${reasonOf(cause)}`, { cause });
  }
}

/** Where `path` really lies if its lock file tells of a commit, whoever holds it. */
function unfinishedOutput(path: string): string | undefined {
  try {
    const finalPath = resolve(path, statIfThere(path));
    return noteIn(lockName(finalPath)) === undefined ? undefined : finalPath;
  } catch {
    // A pipe, a file that is not there, a folder that may not be looked into: whoever opens it tells what is wrong.
    return undefined;
  }
}

/** Excludes other processes from the output. */
async function takeLock(path: string, finalPath: string): Promise<OutputLock> {
  try {
    return await settledLock(finalPath);
  } catch (cause) {
    throw new Error(`Cannot write "${path}": ${reasonOf(cause)}`, { cause });
  }
}

/** The lock of an output of which nothing is left half done. */
async function settledLock(finalPath: string): Promise<OutputLock> {
  const lock = await OutputLock.take(lockName(finalPath));
  try {
    await settle(lock);
  } catch (error) {
    lock.abandon();
    throw error;
  }
  return lock;
}

/** The system repeats the path. */
function reasonOf(error: unknown): string {
  return (error as Error).message.replace(/: open '.*'$/s, "");
}

function exists(path: string): UsageError {
  return new UsageError(`Cannot write "${path}": it exists already (--force replaces it)`);
}

/** Removes what killed runs left beside the output, but for the newest temporary file if it is to be `kept`. Returns that one. */
function sweep(
  { finalPath, lock }: { finalPath: string; lock: OutputLock },
  kept: boolean,
): string | undefined {
  // Where nobody is excluded they may be another process's.
  if (!lock.isExclusive && !kept) return undefined;
  const { temporary, aside, journals } = leftoversOf(finalPath);
  const newest = kept ? temporary.shift() : undefined;
  if (lock.isExclusive) {
    const others = newest === undefined ? journals : journals.filter((path) => path !== journalName(newest));
    for (const path of [...temporary, ...aside, ...others]) ignoreErrors(() => Deno.removeSync(path));
  }
  return newest;
}

/** A pipe or a character device: it takes bytes and has no content to replace. */
function isStream(info: Deno.FileInfo | undefined): boolean {
  return info !== undefined && (info.isFifo === true || info.isCharDevice === true);
}

/** Where the file will really lie: a symbolic link to a file is followed, one that leads nowhere is refused. */
function resolve(path: string, existing: Deno.FileInfo | undefined): string {
  if (existing !== undefined) return Deno.realPathSync(path);
  const finalPath = join(realFolder(path), basename(path));
  if (lstatIfThere(finalPath) !== undefined) {
    throw new UsageError(`Cannot write "${path}": it is a symbolic link that leads nowhere`);
  }
  return finalPath;
}

function realFolder(path: string): string {
  const folder = dirname(path);
  try {
    return Deno.realPathSync(folder);
  } catch (cause) {
    throw new Error(`Cannot write "${path}": the folder "${folder}" cannot be used`, { cause });
  }
}
