/** Decides for each disk of a backup which disk of the machine it is, and how it is read. */

import { dirname } from "@std/path/posix/dirname";
import { UsageError } from "../../errors.ts";
import type { ReadableDisk } from "../../disks/disk.ts";
import type { GenerationDisk, MachineDisk } from "../../repository/documents.ts";
import { isDiskKey, keyOfDisk } from "../../repository/names.ts";

/** How a disk is read, and why. */
export interface DiskPlan {
  /** `full` stores all, `diff` compares all, `incr` reads what a list names. */
  mode: GenerationDisk["mode"];
  /** Why the disk is read in this mode: a phrase. */
  reason: string;
}

/** Returns how a disk is read. `previous`: the disk in the newest generation. */
export function planOf(
  { capacityBytes }: Pick<ReadableDisk, "capacityBytes">,
  previous: GenerationDisk | undefined,
  { hasChanges }: { hasChanges: boolean },
): DiskPlan {
  if (previous === undefined) {
    return { mode: "full", reason: "the newest generation does not have this disk" };
  }
  if (previous.capacityBytes !== capacityBytes) {
    const reason = `the disk had ${previous.capacityBytes} bytes and has ${capacityBytes}`;
    return { mode: "full", reason };
  }
  return hasChanges
    ? { mode: "incr", reason: "a list of changes is given" }
    : { mode: "diff", reason: "no list of changes is given" };
}

/** Returns what tells a disk again when it is backed up the next time: its path without links. */
export function sourceOf(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    // The disk is an object, or one of a server.
    return path;
  }
}

/**
 * Returns the key of a disk: the one that it had before, or a new one of its name. A snapshot has the key of
 * the disk that it was made of.
 *
 * @param known the disks of the machine
 * @param taken the keys of other disks of this run
 * @throws {UsageError} if `wanted` cannot be a key, or one disk is named twice
 */
export function keyFor(
  { path, files }: Pick<ReadableDisk, "path" | "files">,
  { wanted, known, taken }: { wanted?: string; known: readonly MachineDisk[]; taken: ReadonlySet<string> },
): string {
  if (wanted !== undefined && !isDiskKey(wanted)) {
    throw new UsageError(
      `Cannot use "${wanted}" as the key of a disk: letters, digits, ".", "_" and "-" are accepted`,
    );
  }
  const sources = [path, ...files].map(sourceOf);
  const key = wanted ??
    sources.flatMap((source) => known.find((disk) => disk.source === source)?.key ?? [])[0];
  if (key !== undefined) {
    if (!taken.has(key.toLowerCase())) return key;
    throw new UsageError(`Cannot back up disk "${path}": another disk of this backup is "${key}", too`);
  }
  const keys = new Set([...known.map(({ key }) => key.toLowerCase()), ...taken]);
  return keyOfDisk(path, (key) => keys.has(key.toLowerCase()));
}

/**
 * @param action what is to be done with the disk: `back up`
 * @throws {UsageError} if the disk lies in the repository
 */
export function refuseOwnDisk(
  { path, files }: Pick<ReadableDisk, "path" | "files">,
  { repository, action }: { repository: string; action: string },
): void {
  const root = `${Deno.realPathSync(repository)}/`;
  const sources = [path, ...files].flatMap((file) => [sourceOf(file), `${sourceOf(dirname(file))}/`]);
  if (sources.every((source) => !source.startsWith(root))) return;
  throw new UsageError(`Cannot ${action} disk "${path}": it is a part of repository "${repository}"`);
}
