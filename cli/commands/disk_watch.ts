/** Whether a disk that is read is in use, and whether it has changed while it was read. */

import type { ReadableDisk } from "../disks/disk.ts";
import { fileFaultOf, FormatError } from "../errors.ts";
import { lockFoldersOf, writableMountsOf } from "../files/in_use.ts";
import { statIfThere } from "../files/paths.ts";
import { reasonOf } from "../files/system_errors.ts";

/** Changes that are listed; a disk in pieces has thousands of files. */
const MAX_LISTED = 5;

const WAY_OUT = "dump a snapshot, or a disk that nobody writes to";

/** What of a disk is of use here. */
type Watched = Pick<ReadableDisk, "path" | "files" | "cid">;

/** What is known of a file without reading it. */
export interface FileState {
  /** Device and inode, or nothing where the system has none. */
  identity: string;
  isFile: boolean;
  sizeBytes: number;
  /** Milliseconds since 1970; undefined where the system does not tell. */
  changedMs?: number;
}

/** The state of a file at this moment. @throws the system's error */
export function stateOfFile(path: string): FileState {
  const { dev, ino, isFile, size, mtime } = Deno.statSync(path);
  return { identity: `${dev}:${ino ?? ""}`, isFile, sizeBytes: size, changedMs: mtime?.getTime() };
}

/** The state of a disk at one moment, and what has changed since. */
export class DiskWatch {
  readonly #disk: Watched;
  readonly #reopen?: () => Promise<Watched & Disposable>;
  /** The states of its files when it was looked at, by their paths. */
  readonly before: ReadonlyMap<string, FileState>;

  /**
   * Looks at the disk now, before it is read.
   *
   * @param reopen opens it once more: its content id may be another one, though its files look as before
   */
  constructor(disk: Watched, { reopen }: { reopen?: () => Promise<Watched & Disposable> } = {}) {
    this.#disk = disk;
    this.#reopen = reopen;
    this.before = new Map(disk.files.map((path) => [path, stateOfFile(path)]));
  }

  /** What has changed by now, a few words for each: `"x-flat.vmdk" was written`. Devices do not tell. */
  async changes(): Promise<string[]> {
    const ofFiles = [...this.before].flatMap(([path, before]) => changeOf(path, before) ?? []);
    const all = [...ofFiles, ...await this.#changesOfDisk()];
    const more = all.length - MAX_LISTED;
    return more > 0 ? [...all.slice(0, MAX_LISTED), `${more} more changes`] : all;
  }

  async #changesOfDisk(): Promise<string[]> {
    if (this.#reopen === undefined) return [];
    try {
      using now = await this.#reopen();
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
  // A device has neither a size nor a time that says something of its content.
  if (!now.isFile) return undefined;
  if (now.sizeBytes !== before.sizeBytes) {
    return `"${path}" had ${before.sizeBytes} bytes and has ${now.sizeBytes}`;
  }
  return now.changedMs === before.changedMs
    ? undefined
    : `"${path}" was written at ${timeText(now.changedMs)}`;
}

/** How a disk is read that is watched. */
export interface WatchedReading<T> {
  /** Reads the disk. */
  work: () => Promise<T>;
  /** Go on if the disk has changed meanwhile. */
  allowChanges?: boolean;
  warn: (line: string) => void;
}

/**
 * Reads a disk, and looks afterwards whether it has changed meanwhile.
 *
 * @returns what `work` returns, and what has changed; nothing has unless `allowChanges` is given
 * @throws {Error} if the disk has changed, also where that made `work` fail
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

/** @throws {Error} if the disk has changed since it was looked at */
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

/** Whether an error is about a file of the disk. */
function isFaultOf({ path, files }: Watched, error: unknown): boolean {
  const fault = error instanceof FormatError ? error.fault : fileFaultOf(error);
  return fault !== undefined && [path, ...files].includes(fault.path);
}

/** Sentences on what uses the disk: a virtual machine, or a mounted file system. */
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
