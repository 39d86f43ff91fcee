/** Finds out whether a disk changes while a job reads it, and whether something else uses it. */

import type { ReadableDisk } from "../disks/disk.ts";
import { fileFaultOf, FormatError } from "../errors.ts";
import { lockFoldersOf, writableMountsOf } from "../files/in_use.ts";
import { statIfThere } from "../files/paths.ts";
import { reasonOf } from "../files/system_errors.ts";

/** The number of changes that a message lists: a disk in pieces of 2 GiB may have thousands of files. */
const MAX_LISTED = 5;

const WAY_OUT = "dump a snapshot, or a disk that nobody writes to";

/** The properties of a disk that are compared. */
type Watched = Pick<ReadableDisk, "path" | "files" | "cid">;

/** The properties of a file that are known without reading it. */
export interface FileState {
  /** The device and the inode; without the inode on systems that have none. */
  identity: string;
  isFile: boolean;
  sizeBytes: number;
  /** The time of the last write in milliseconds since 1970; undefined if the system does not record it. */
  changedMs?: number;
}

/** Returns the present state of a file. @throws the system's error */
export function stateOfFile(path: string): FileState {
  const { dev, ino, isFile, size, mtime } = Deno.statSync(path);
  return { identity: `${dev}:${ino ?? ""}`, isFile, sizeBytes: size, changedMs: mtime?.getTime() };
}

/** Ways to find changes of a disk, besides its files. */
export interface WaysToLook {
  /**
   * Opens the disk a second time, for the comparison of the content id, which can change while size and time
   * of the descriptor remain.
   */
  reopen?: () => Promise<Watched & Disposable>;
  /** Asks the server of the disk; a phrase for each sign of a change. */
  changes?: () => Promise<string[]>;
}

/** Records the state of a disk and compares later states with it. */
export class DiskWatch {
  readonly #disk: Watched;
  readonly #ways: WaysToLook;
  /** The recorded states of the files, by path. */
  readonly before: ReadonlyMap<string, FileState>;

  /** Records the present state of `disk`, before it is read. */
  constructor(disk: Watched, ways: WaysToLook = {}) {
    this.#disk = disk;
    this.#ways = ways;
    this.before = new Map(disk.files.map((path) => [path, stateOfFile(path)]));
  }

  /**
   * Returns a phrase for each difference between the recorded state and the present one, such as
   * `"x-flat.vmdk" was written at 2026-11-30T02:00:05.000Z`. Changes of block devices are not found, because
   * devices record none.
   */
  async changes(): Promise<string[]> {
    const ofFiles = [...this.before].flatMap(([path, before]) => changeOf(path, before) ?? []);
    const ofServer = await this.#ways.changes?.() ?? [];
    const all = [...ofFiles, ...await this.#changesOfDisk(), ...ofServer];
    const more = all.length - MAX_LISTED;
    return more > 0 ? [...all.slice(0, MAX_LISTED), `${more} more changes`] : all;
  }

  async #changesOfDisk(): Promise<string[]> {
    if (this.#ways.reopen === undefined) return [];
    try {
      using now = await this.#ways.reopen();
      return [
        ...now.cid === this.#disk.cid
          ? []
          : [`its content id was ${hex(this.#disk.cid)} and is ${hex(now.cid)}`],
        ...now.files.join("\n") === this.#disk.files.join("\n") ? [] : ["it consists of other files"],
      ];
    } catch (error) {
      return [`it does not open any more (${reasonOf(error)})`];
    }
  }
}

function changeOf(path: string, before: FileState): string | undefined {
  let now: FileState | undefined;
  try {
    now = statIfThere(path) && stateOfFile(path);
  } catch (error) {
    return reasonOf(error);
  }
  if (now === undefined) return `"${path}" is gone`;
  if (now.identity !== before.identity) return `another file has the name "${path}"`;
  // Size and time of a device say nothing about its content.
  if (!now.isFile) return undefined;
  if (now.sizeBytes !== before.sizeBytes) {
    return `"${path}" had ${before.sizeBytes} bytes and has ${now.sizeBytes}`;
  }
  return now.changedMs === before.changedMs
    ? undefined
    : `"${path}" was written at ${timeText(now.changedMs)}`;
}

/** How {@linkcode readUnchanged} reads a disk. */
export interface WatchedReading<T> {
  /** Reads the disk. */
  work: () => Promise<T>;
  /** Accept changes of the disk. */
  allowChanges?: boolean;
  warn: (line: string) => void;
}

/**
 * Reads a disk and compares its state afterwards with the state before.
 *
 * @returns the result of `work`, and the changes, of which there are none unless `allowChanges` is set
 * @throws {Error} if the disk has changed, even if `work` failed with another error because of that
 */
export async function readUnchanged<T>(
  disk: Watched,
  watch: DiskWatch,
  { work, allowChanges, warn }: WatchedReading<T>,
): Promise<{ result: T; changes: string[] }> {
  let result: T;
  try {
    result = await work();
  } catch (cause) {
    const changes = isFaultOf(disk, cause) ? await watch.changes() : [];
    if (changes.length === 0) throw cause;
    throw new Error(`${changedText(disk, changes)}, and ${reasonOf(cause)}; ${WAY_OUT}`, { cause });
  }
  if (!allowChanges) await assertUnchanged(disk, watch);
  const changes = allowChanges ? await watch.changes() : [];
  if (changes.length === 0) return { result, changes };
  const what = `disk "${disk.path}" changed while it was read (${changes.join(", ")})`;
  warn(`${what}: the dump may hold a state that it never had`);
  return { result, changes };
}

/** @throws {Error} if the disk differs from its recorded state */
export async function assertUnchanged(disk: Watched, watch: DiskWatch): Promise<void> {
  const changes = await watch.changes();
  if (changes.length === 0) return;
  const meaning = "the dump would hold a state that the disk never had";
  const force = "--allow-changes makes the dump nevertheless, and marks it";
  throw new Error(`${changedText(disk, changes)}: ${meaning}; ${WAY_OUT} (${force})`);
}

function changedText({ path }: Watched, changes: readonly string[]): string {
  return `Cannot use disk "${path}": it changed while it was read (${changes.join(", ")})`;
}

/** Returns whether an error is about a file of the disk. */
function isFaultOf({ path, files }: Watched, error: unknown): boolean {
  const fault = error instanceof FormatError ? error.fault : fileFaultOf(error);
  return fault !== undefined && [path, ...files].includes(fault.path);
}

/** Returns a sentence for each sign that a virtual machine or a mounted file system uses the disk. */
export function usesOf({ path, files }: Pick<ReadableDisk, "path" | "files">): string[] {
  const locks = lockFoldersOf([...new Set([path, ...files])]).map((folder) =>
    `"${folder}" says that a virtual machine has the disk open, or was killed`
  );
  const mounts = files.flatMap((file) =>
    writableMountsOf(file).map((mount) => `"${file}" is mounted for writing at "${mount}"`)
  );
  return [...locks, ...mounts];
}

function hex(cid: number | undefined): string {
  return cid === undefined ? "none" : cid.toString(16).padStart(8, "0");
}

function timeText(ms: number | undefined): string {
  return ms === undefined ? "an unknown time" : new Date(ms).toISOString();
}
