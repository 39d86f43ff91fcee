/**
 * The output files of a command, as one transaction. Each file is written under a hidden name beside its
 * final one, and at the end all of them are synced and renamed together. Until then the final names are not
 * touched, and after a failure no file remains. A process that is killed leaves hidden files, which the next
 * run that writes the same output removes.
 */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { FileError, UsageError } from "../errors.ts";
import { commitAll, type CompleteFile, UnfinishedError } from "./commit.ts";
import { Folder } from "./folder.ts";
import { journalNameOf, temporaryNameOf } from "./hidden_names.ts";
import { leftoversOf, openLeftover, sweep } from "./leftovers.ts";
import { HeldError, OutputLock } from "./output_lock.ts";
import { ignoreErrors, isSameFile, lstatIfThere, statIfThere } from "./paths.ts";
import { statOf } from "./positioned.ts";
import { finishCommit, type RunOutputs } from "./recovery.ts";
import { fileError, onFile, reasonOf } from "./system_errors.ts";

/** An output that is written under a hidden name. */
interface HiddenOutput {
  /** The path as the user gave it, for messages. */
  path: string;
  lock: OutputLock;
  temporary: string;
  file: Deno.FsFile;
  /** Whether a file that already has the final name may be replaced. */
  replace: boolean;
  /** The journal of the output. It is removed when the output has its final name. */
  journal?: Deno.FsFile;
}

/** Options of {@linkcode Outputs}. */
export interface OutputsOptions {
  /** Whether existing files may be replaced. */
  force: boolean;
  /** The paths that the command reads (`-` is ignored). No output may be one of them. */
  inputs: readonly string[];
  /**
   * The paths that the command is going to write, as far as they are known. Unfinished commits of these
   * outputs by a killed run are finished or undone.
   */
  expected?: readonly string[];
  /**
   * Returns whether a file is written together with the output `name`, such as its seal. Both are base names
   * in one folder.
   */
  isCompanion?: (companion: string, name: string) => boolean;
  /** Returns names that such files of an output can have, as far as the name of the output tells. */
  companionsOf?: (name: string) => readonly string[];
  /** Whether disposal without `commit` keeps the temporary files, synced, for a run that resumes them. */
  keepPartial?: boolean;
  /** Called with a sentence for each failure that does not affect the result. */
  warn?: (line: string) => void;
}

/** Options of {@linkcode Outputs.open}. */
export interface OpenOptions {
  /** Whether an existing file may be replaced. The default is `force` of {@linkcode OutputsOptions}. */
  replace?: boolean;
  /** Whether to continue the newest temporary file of an earlier run, if there is one. */
  resume?: boolean;
  /**
   * Whether to open a journal: a hidden file beside the temporary one, which is kept as long as that and
   * never gets a final name.
   */
  journal?: boolean;
  /**
   * Whether a link that has the name of the output is followed to the file that is to be replaced, as `>` of
   * a shell does; the default is true. It is false for names that the user did not give, because somebody
   * else may have put the link there: then only a regular file is replaced.
   */
  follow?: boolean;
  /**
   * The mode of a new file, reduced by the user's umask. A file that replaces another one gets the mode of
   * that.
   */
  mode?: number;
}

/** An open output. */
export type OutputFile = Deno.FsFile & {
  /** A path that leads to the file while it is open. */
  readonly systemPath: string;
  /** Whether it is the temporary file of an earlier run, with its content. */
  readonly adopted: boolean;
  /**
   * The journal, if it was requested and the output is a regular file. If the output is `adopted`, it has the
   * content of the earlier run.
   */
  readonly journal?: Deno.FsFile;
};

/** The default mode: archives contain whole disks, so only their owner may read them. */
const PRIVATE = 0o600;

/** Folders in which only the system creates files. A pipe in them was not put there by another user. */
const SYSTEM_FOLDERS = ["/dev", "/dev/fd", "/proc/self/fd"];

/**
 * Checks that an output is not an input.
 *
 * @throws {UsageError} if `path` leads to one of the files in `inputs`, by any name
 */
export function assertNoInput(path: string, inputs: readonly string[]): void {
  const info = look(path);
  const input = inputs.find((input) => input !== "-" && isSameFile(info, look(input)));
  if (input !== undefined) throw new UsageError(`Cannot write "${path}": it is also an input ("${input}")`);
}

/** Returns the properties of the file at `path`; undefined if there is none. @throws {FileError} for other errors */
function look(path: string): Deno.FileInfo | undefined {
  return onFile("look at", path, () => statIfThere(path));
}

/** The calls of {@linkcode Outputs.open} in progress, of all objects. */
const opening = new Set<Promise<OutputFile>>();

/**
 * Waits until no output is being opened. When a command is stopped, an opening in progress releases the lock
 * that it was taking.
 */
export async function openingEnds(): Promise<void> {
  await Promise.allSettled(opening);
}

/**
 * Opens outputs under temporary names. `commit` renames them to their final names; disposal without it
 * removes them.
 */
export class Outputs implements Disposable {
  readonly #options: OutputsOptions;
  readonly #inputs: string[];
  readonly #hidden: HiddenOutput[] = [];
  /** Pipes and devices, which are written directly. */
  readonly #streams: Deno.FsFile[] = [];
  /** The locks of files that are changed in place. */
  readonly #held: OutputLock[] = [];
  /** The open folders by their real paths. */
  readonly #folders = new Map<string, Folder>();
  readonly #finalPaths = new Map<string, string>();
  #closed = false;

  constructor(options: OutputsOptions) {
    this.#options = options;
    this.#inputs = [...options.inputs];
  }

  /** Adds paths that the command reads, such as the files of which a disk consists. */
  addInputs(paths: readonly string[]): void {
    this.#inputs.push(...paths);
  }

  /**
   * Opens one output for writing (and reading back) at its beginning, and excludes other processes from it.
   * The files get their final names in the order of these calls. A pipe or a character device such as
   * /dev/null is opened itself. Without `replace` it must be in a folder in which only the system creates
   * files, because elsewhere another user may have put it there.
   *
   * @throws {UsageError} if the output is an input or another output, or exists and may not be replaced
   * @throws {Error} if another process writes it, or the system refuses
   */
  async open(path: string, options: OpenOptions = {}): Promise<OutputFile> {
    if (path === "") throw new UsageError("Cannot write an output: its name is empty");
    this.#assertOpen(path);
    const { replace = this.#options.force, follow = true } = options;
    if (!follow) assertNoLink(path);
    const existing = look(path);
    // A pipe is not among the openings for which a stopped command waits, because it may never get a reader.
    if (isStream(existing) && follow) return await this.#openStream(path, { replace });
    const finalPath = follow ? resolve(path, existing) : inRealFolder(path);
    this.#refuse(path, finalPath, { existing });
    const opened = this.#openLocked({ path, finalPath, replace }, options);
    opening.add(opened);
    try {
      return await opened;
    } finally {
      opening.delete(opened);
    }
  }

  async #openLocked(
    { path, finalPath, replace }: { path: string; finalPath: string; replace: boolean },
    options: OpenOptions,
  ): Promise<OutputFile> {
    const lock = await this.#takeLock(path, finalPath);
    try {
      return this.#openHidden({ path, lock, replace }, options);
    } catch (error) {
      this.#release(lock);
      throw error;
    }
  }

  /**
   * Prevents other processes from replacing `path`, a file that is changed in place, until commit or
   * disposal, and removes the hidden files of killed runs beside it. Devices have no such lock, and neither
   * have files in folders in which no file can be created.
   *
   * @throws {Error} if another process writes it
   */
  async hold(path: string): Promise<void> {
    if (!look(path)?.isFile) return;
    try {
      const lock = await this.#takeLock(path, Deno.realPathSync(path));
      this.#held.push(lock);
      sweep(lock, { warn: this.#options.warn });
    } catch (error) {
      const { cause } = error as Error;
      if (cause instanceof HeldError || cause instanceof UnfinishedError) throw error;
      if (!isWriteRefused(cause)) {
        this.#options.warn?.(`nothing keeps other processes from replacing "${path}": ${reasonOf(cause)}`);
      }
    }
    if (this.#closed) this.#releaseAll();
  }

  /** The paths of the outputs that are regular files, as the user gave them. */
  get paths(): string[] {
    return this.#hidden.map(({ path }) => path);
  }

  /** Returns the final path of the open output `path`. */
  finalPathOf(path: string): string {
    return this.#finalPaths.get(path) ?? path;
  }

  /** Checks that `path` is not an input. @throws {UsageError} if the command reads it, by any name */
  refuseInput(path: string): void {
    assertNoInput(path, this.#inputs);
  }

  /**
   * Syncs every output and renames all of them to their final names. After a failure none has its final name.
   *
   * @throws {UsageError} if a final name is taken by now
   * @throws {Error} if the system refuses
   */
  commit(): void {
    if (this.#closed) throw new TypeError("Cannot commit outputs: they are closed");
    const complete = this.#hidden.map((output) => this.#complete(output));
    for (const file of this.#streams) file.close();
    try {
      const left = commitAll(complete);
      if (left !== undefined) this.#options.warn?.(left);
    } catch (error) {
      // Disposal removes files that have only their hidden names. A commit that is neither complete nor
      // undone stays for the next run.
      if (error instanceof UnfinishedError) {
        this.#closed = true;
        this.#releaseAll();
      }
      throw error;
    }
    this.#closed = true;
    for (const { path, lock, temporary } of this.#hidden) {
      this.#cleanUp(`the journal of "${path}" is left behind`, () => {
        lock.folder.remove(journalNameOf(temporary));
      });
    }
    this.#releaseAll();
  }

  #complete({ path, lock, temporary, file, journal, replace }: HiddenOutput): CompleteFile {
    onFile("sync", path, () => file.syncSync());
    const written = statOf(file, path);
    file.close();
    journal?.close();
    this.#copyMode({ path, lock, temporary, written });
    return { path, lock, temporary, written, replace };
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const file of this.#streams) ignoreErrors(() => file.close());
    for (const output of this.#hidden) this.#discard(output);
    this.#releaseAll();
  }

  #discard({ path, lock, temporary, file, journal }: HiddenOutput): void {
    const { keepPartial } = this.#options;
    for (const open of [file, journal]) {
      if (keepPartial) ignoreErrors(() => open?.syncSync());
      ignoreErrors(() => open?.close());
    }
    if (!keepPartial) {
      for (const name of [temporary, journalNameOf(temporary)]) {
        this.#cleanUp(`the temporary file of "${path}" is left behind`, () => lock.folder.remove(name));
      }
    }
    this.#release(lock);
  }

  #release(lock: OutputLock): void {
    const { folder, name } = lock;
    this.#cleanUp(`the lock of "${folder.shown(name)}" is left behind`, () => lock.release());
  }

  /**
   * Runs an action on which the result does not depend. If it fails, calls `warn` with a sentence that begins
   * with `left`.
   */
  #cleanUp(left: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#options.warn?.(`${left}: ${reasonOf(error)}`);
    }
  }

  #releaseAll(): void {
    for (const lock of this.#held.splice(0)) this.#release(lock);
    for (const folder of this.#folders.values()) folder[Symbol.dispose]();
    this.#folders.clear();
  }

  async #openStream(path: string, { replace }: { replace: boolean }): Promise<OutputFile> {
    assertNoInput(path, this.#inputs);
    if (!replace && !SYSTEM_FOLDERS.includes(dirname(path))) {
      throw new UsageError(
        `Cannot write "${path}": it leads to a pipe or a device (--force writes to it nevertheless)`,
      );
    }
    try {
      // The asynchronous call waits for the reader of a pipe, and lets signal handlers run meanwhile.
      const file = await Deno.open(path, { write: true });
      if (this.#closed) file.close();
      this.#assertOpen(path);
      this.#streams.push(file);
      return Object.assign(file, { systemPath: path, adopted: false });
    } catch (cause) {
      throw cause instanceof TypeError ? cause : fileError("write", path, cause);
    }
  }

  #openHidden(
    { path, lock, replace }: { path: string; lock: OutputLock; replace: boolean },
    { resume = false, journal: hasJournal = false, mode = PRIVATE }: OpenOptions,
  ): OutputFile {
    this.#assertOpen(path);
    const { folder, name } = lock;
    const replaced = folder.lstat(name);
    if (replaced !== undefined && !replace) throw exists(path);
    refuseAsides(lock, path);
    const adopted = resume ? leftoversOf(lock).temporary.at(0) : undefined;
    sweep(lock, { except: adopted, warn: this.#options.warn });
    const temporary = adopted ?? temporaryNameOf(name);
    const file = adopted === undefined
      ? folder.create(temporary, { mode: replaced === undefined ? mode : PRIVATE })
      : openLeftover(folder, temporary, name);
    const output: HiddenOutput = { path, lock, temporary, file, replace };
    this.#hidden.push(output);
    this.#finalPaths.set(path, folder.shown(name));
    if (hasJournal) output.journal = openJournal(folder, temporary, name);
    return Object.assign(file, {
      systemPath: folder.at(temporary),
      adopted: adopted !== undefined,
      journal: output.journal,
    });
  }

  /**
   * Gives the output the mode of the file that it replaces. A file system without modes refuses this, which
   * does no harm.
   */
  #copyMode(
    { path, lock: { folder, name }, temporary, written }: Pick<
      CompleteFile,
      "path" | "lock" | "temporary" | "written"
    >,
  ): void {
    const mode = folder.lstat(name)?.mode;
    if (mode == null || written.mode === null || (mode & 0o777) === (written.mode & 0o777)) return;
    try {
      folder.chmod(temporary, mode & 0o777);
    } catch (error) {
      this.#options.warn?.(`"${path}" does not keep its mode: ${reasonOf(error)}`);
    }
  }

  /** Takes the lock of an output, and finishes or undoes an unfinished commit of it. */
  async #takeLock(path: string, finalPath: string): Promise<OutputLock> {
    try {
      const folder = await this.#folderOf(finalPath);
      const lock = await OutputLock.take(folder, basename(finalPath));
      return lock.unfinished === undefined ? lock : await finishCommit(lock, this.#run());
    } catch (cause) {
      if (cause instanceof TypeError) throw cause;
      throw new Error(`Cannot write "${path}": ${reasonOf(cause)}`, { cause });
    }
  }

  #run(): RunOutputs {
    const { expected = [], isCompanion = () => false, companionsOf = () => [] } = this.#options;
    return { expected, isCompanion, companionsOf, folderOf: (path) => this.#folderOf(path) };
  }

  /** Returns the open folder of `finalPath`, which must be a path without symbolic links. */
  async #folderOf(finalPath: string): Promise<Folder> {
    const path = dirname(finalPath);
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const folder = await Folder.open(path);
    // The same folder may have been opened meanwhile, or this object may have been closed, so that it cannot
    // own the folder any more.
    if (this.#closed || this.#folders.has(path)) {
      folder[Symbol.dispose]();
      this.#assertOpen(finalPath);
    } else this.#folders.set(path, folder);
    return this.#folders.get(path)!;
  }

  #assertOpen(path: string): void {
    if (this.#closed) throw new TypeError(`Cannot open "${path}": the outputs are closed`);
  }

  #refuse(path: string, finalPath: string, { existing }: { existing: Deno.FileInfo | undefined }): void {
    const isNamedTwice = this.#hidden.some(({ lock: { folder, name } }) => folder.shown(name) === finalPath);
    if (isNamedTwice) throw new UsageError(`Cannot write "${path}": it is named for two outputs`);
    if (existing === undefined) return;
    assertNoInput(path, this.#inputs);
    if (!existing.isFile) throw new UsageError(`Cannot write "${path}": it is not a regular file`);
  }
}

/** Returns whether an error, or one of its causes, means that the user may not make files in the folder. */
function isWriteRefused(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof Deno.errors.PermissionDenied || (at as { code?: string }).code === "EROFS") return true;
  }
  return false;
}

function openJournal(folder: Folder, temporary: string, output: string): Deno.FsFile {
  const name = journalNameOf(temporary);
  return folder.lstat(name) === undefined
    ? folder.create(name, { mode: PRIVATE })
    : openLeftover(folder, name, output);
}

/**
 * Refuses an output beside which a replaced file is kept that no note mentions. It may be the only copy of an
 * earlier generation.
 */
function refuseAsides(lock: OutputLock, path: string): void {
  const [aside] = leftoversOf(lock).aside;
  if (aside === undefined) return;
  throw new UsageError(
    `Cannot write "${path}": "${
      lock.folder.shown(aside)
    }" beside it may be the only copy of an earlier file; compare ` +
      "the two, then remove it or give it another name",
  );
}

function exists(path: string): UsageError {
  return new UsageError(`Cannot write "${path}": it exists already (--force replaces it)`);
}

/** Returns whether a file is a pipe or a character device, which has no content to replace. */
function isStream(info: Deno.FileInfo | undefined): boolean {
  return info !== undefined && (info.isFifo === true || info.isCharDevice === true);
}

/**
 * Returns the path of an output without symbolic links. A link to a file is followed, and a link that leads
 * nowhere is refused.
 */
function resolve(path: string, existing: Deno.FileInfo | undefined): string {
  if (existing !== undefined) return onFile("look at", path, () => Deno.realPathSync(path));
  try {
    Deno.lstatSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return inRealFolder(path);
    throw fileError("write", path, cause);
  }
  throw new UsageError(`Cannot write "${path}": it is a symbolic link that leads nowhere`);
}

/** Returns a path whose folder has no symbolic links; the name itself may be one. */
function inRealFolder(path: string): string {
  return `${realFolder(path)}/${basename(path)}`.replace("//", "/");
}

/**
 * @throws {UsageError} if `path` is a symbolic link. A link that is put there later is replaced itself when
 *   the output gets its name.
 */
function assertNoLink(path: string): void {
  const info = onFile("look at", path, () => lstatIfThere(path));
  if (info?.isSymlink !== true) return;
  throw new UsageError(
    `Cannot write "${path}": it is a symbolic link, and the command line did not name it; remove the link, ` +
      "or choose another name for the output",
  );
}

function realFolder(path: string): string {
  const folder = dirname(path);
  try {
    return Deno.realPathSync(folder);
  } catch (cause) {
    const reason = `the folder "${folder}" cannot be used: ${reasonOf(cause)}`;
    throw new FileError({ path, action: "write", reason }, { cause });
  }
}
