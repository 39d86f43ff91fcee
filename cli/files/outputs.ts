/**
 * The files a command makes, as one transaction: each is written under a temporary name beside its final one, and
 * all are synced and renamed together at the end. Until then the final names are untouched; after a failure nothing is left.
 */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { UsageError } from "../errors.ts";

/** Temporary files are named `.NAME.XXXXXXXX.vmdkbkp`, so that what a killed run left behind can be told. */
const TEMPORARY_SUFFIX = ".vmdkbkp";
/** File names end at 255 bytes; what the temporary name adds must fit. */
const MAX_BASE_BYTES = 200;

interface Output {
  /** The path as the user gave it, for messages. */
  path: string;
  finalPath: string;
  /** Undefined for a pipe or a character device, which is written directly. */
  temporaryPath?: string;
  file: Deno.FsFile;
  /** A file that is there may be replaced. */
  replace: boolean;
}

/** What may be done to files that are already there. */
export interface OutputsOptions {
  /** Replace outputs that exist. */
  force: boolean;
  /** Paths the command reads (`-` is ignored); an output must be none of them. */
  inputs: readonly string[];
}

/**
 * @throws {UsageError} if `path` is one of the files in `inputs`, by whatever name
 */
export function assertNoInput(path: string, inputs: readonly string[]): void {
  const info = statIfThere(path);
  const input = inputs.find((input) => input !== "-" && isSameFile(info, statIfThere(input)));
  if (input !== undefined) throw new UsageError(`Cannot write "${path}": it is also an input ("${input}")`);
}

/** Opens outputs under temporary names; `commit` makes them real, disposal without it removes them. */
export class Outputs implements Disposable {
  readonly #options: OutputsOptions;
  readonly #inputs: string[];
  readonly #outputs: Output[] = [];
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
   * Opens one output for writing (and reading back). The files get their final names in the order of opening.
   * A pipe or a character device such as /dev/null is opened itself. `systemPath` is the name it has for now.
   *
   * @throws {UsageError} if the output is an input or another output, or exists and neither `force` nor `replace` is set
   */
  open(path: string, { replace = this.#options.force } = {}): Deno.FsFile & { readonly systemPath: string } {
    if (path === "") throw new UsageError("Cannot write an output: its name is empty");
    const existing = statIfThere(path);
    const direct = isStream(existing);
    const finalPath = direct ? path : resolve(path, existing);
    this.#refuse(path, finalPath, { existing, replace });
    const temporaryPath = direct ? undefined : temporaryName(finalPath);
    const systemPath = temporaryPath ?? finalPath;
    const mode = direct ? { write: true } : { read: true, write: true, createNew: true };
    const file = Object.assign(Deno.openSync(systemPath, mode), { systemPath });
    this.#outputs.push({ path, finalPath, temporaryPath, file, replace });
    if (existing?.mode != null && temporaryPath !== undefined) {
      Deno.chmodSync(temporaryPath, existing.mode & 0o777);
    }
    return file;
  }

  /** @throws {UsageError} if the command reads `path`, by whatever name */
  refuseInput(path: string): void {
    assertNoInput(path, this.#inputs);
  }

  /** Syncs every output and gives all of them their final names; on failure none has one. */
  commit(): void {
    if (this.#closed) throw new TypeError("Cannot commit outputs: they are closed");
    for (const output of this.#outputs) {
      if (output.temporaryPath !== undefined) output.file.syncSync();
      output.file.close();
    }
    this.#renameAll();
    this.#closed = true;
    for (const folder of new Set(this.#outputs.map((output) => dirname(output.finalPath)))) {
      syncFolder(folder);
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { file, temporaryPath } of this.#outputs) {
      ignoreErrors(() => file.close());
      if (temporaryPath !== undefined) ignoreErrors(() => Deno.removeSync(temporaryPath));
    }
  }

  #refuse(
    path: string,
    finalPath: string,
    { existing, replace }: { existing: Deno.FileInfo | undefined; replace: boolean },
  ): void {
    if (this.#outputs.some((other) => other.finalPath === finalPath && other.temporaryPath !== undefined)) {
      throw new UsageError(`Cannot write "${path}": it is named for two outputs`);
    }
    if (existing === undefined) return;
    assertNoInput(path, this.#inputs);
    if (isStream(existing)) return;
    if (!existing.isFile) throw new UsageError(`Cannot write "${path}": it is not a regular file`);
    if (!replace) {
      throw new UsageError(`Cannot write "${path}": it exists already (--force replaces it)`);
    }
  }

  /** Renames one after the other; what was replaced is kept aside until all have succeeded. */
  #renameAll(): void {
    const done: { finalPath: string; asidePath?: string }[] = [];
    try {
      for (const { path, finalPath, temporaryPath, replace } of this.#outputs) {
        if (temporaryPath === undefined) continue;
        // The file may have appeared while the command ran.
        const existing = statIfThere(finalPath);
        const asidePath = existing ? temporaryName(finalPath) : undefined;
        if (asidePath !== undefined) {
          if (!existing!.isFile || !replace) {
            throw new UsageError(`Cannot write "${path}": it exists by now`);
          }
          keepAside(finalPath, asidePath);
        }
        done.push({ finalPath, asidePath });
        rename(temporaryPath, finalPath, path);
      }
    } catch (error) {
      for (const { finalPath, asidePath } of done.reverse()) putBack(finalPath, asidePath);
      throw error;
    }
    for (const { asidePath } of done) removeIfNamed(asidePath);
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

function rename(temporaryPath: string, finalPath: string, path: string): void {
  try {
    Deno.renameSync(temporaryPath, finalPath);
  } catch (cause) {
    throw new Error(`Cannot write "${path}": its temporary file does not take its name`, { cause });
  }
}

/** Undoes one rename: the file that was there before, or none. */
function putBack(finalPath: string, asidePath: string | undefined): void {
  if (asidePath === undefined) return removeIfNamed(finalPath);
  ignoreErrors(() => Deno.renameSync(asidePath, finalPath));
  // Where both names still mean one file, the rename did nothing and left the second name.
  removeIfNamed(asidePath);
}

function removeIfNamed(path: string | undefined): void {
  if (path !== undefined) ignoreErrors(() => Deno.removeSync(path));
}

function statIfThere(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A pipe or a character device: it takes bytes and has no content to replace. */
function isStream(info: Deno.FileInfo | undefined): boolean {
  return info !== undefined && (info.isFifo === true || info.isCharDevice === true);
}

/** Where the file will really lie: a symbolic link to a file is followed, one that leads nowhere is refused. */
function resolve(path: string, existing: Deno.FileInfo | undefined): string {
  if (existing !== undefined) return Deno.realPathSync(path);
  const finalPath = join(realFolder(path), basename(path));
  if (isSymlink(finalPath)) {
    throw new UsageError(`Cannot write "${path}": it is a symbolic link that leads nowhere`);
  }
  return finalPath;
}

function isSymlink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}

function isSameFile(a: Deno.FileInfo | undefined, b: Deno.FileInfo | undefined): boolean {
  return a !== undefined && b !== undefined && a.isFile && a.ino !== null && a.ino === b.ino &&
    a.dev === b.dev;
}

function realFolder(path: string): string {
  const folder = dirname(path);
  try {
    return Deno.realPathSync(folder);
  } catch (cause) {
    throw new Error(`Cannot write "${path}": the folder "${folder}" cannot be used`, { cause });
  }
}

/** What a file is called until it is complete: beside its final name, and never the same twice. */
export function temporaryName(finalPath: string): string {
  const random = crypto.getRandomValues(new Uint32Array(1))[0].toString(16).padStart(8, "0");
  const base = new TextEncoder().encode(basename(finalPath)).length > MAX_BASE_BYTES
    ? "output"
    : basename(finalPath);
  return join(dirname(finalPath), `.${base}.${random}${TEMPORARY_SUFFIX}`);
}

/** A rename is on stable storage when its folder is. File systems that cannot sync a folder say so; that is all right. */
function syncFolder(folder: string): void {
  ignoreErrors(() => {
    using file = Deno.openSync(folder);
    file.syncSync();
  });
}

function ignoreErrors(action: () => void): void {
  try {
    action();
  } catch {
    // The first error is the one that counts; cleaning up does what it can.
  }
}
