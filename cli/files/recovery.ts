/** Finishes or undoes the commit of a run that was killed, when the next run writes one of its outputs. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { type CommitPart, type Member, settle, UnfinishedError } from "./commit.ts";
import type { Folder } from "./folder.ts";
import { lockNameOf, outputOfLock } from "./hidden_names.ts";
import { HeldError, noteOf, OutputLock } from "./output_lock.ts";

/** The outputs of the run that finds an unfinished commit. No other files are changed. */
export interface RunOutputs {
  /** Paths as the user gave them. */
  expected: readonly string[];
  isCompanion: (companion: string, name: string) => boolean;
  /** Returns names that a companion of an output can have: the lock of a long name does not tell it. */
  companionsOf: (name: string) => readonly string[];
  /** Opens the folder in which a file lies. */
  folderOf: (finalPath: string) => Promise<Folder>;
}

/**
 * Finishes or undoes the commit in the note of `lock`, and returns the lock of the same output, without a
 * note.
 *
 * @throws {HeldError} if another process writes one of the outputs
 * @throws {UnfinishedError} if the commit can be neither finished nor undone, with the reason; the notes
 * remain
 */
export async function finishCommit(lock: OutputLock, run: RunOutputs): Promise<OutputLock> {
  const { folder, name, unfinished } = lock;
  const members: Member[] = [{ lock, note: unfinished! }];
  try {
    for (const other of await placesOf(run)) {
      if (other.folder === folder && other.name === name) continue;
      if (noteOf(other.folder, other.name)?.id !== unfinished!.id) continue;
      const taken = await OutputLock.take(other.folder, other.name);
      if (taken.unfinished?.id === unfinished!.id) members.push({ lock: taken, note: taken.unfinished });
      else taken.unfinished === undefined ? taken.release() : taken.abandon();
    }
    settle(members, partsBeside(members));
  } catch (cause) {
    for (const { lock } of members) lock.abandon();
    if (cause instanceof HeldError) throw cause;
    throw new UnfinishedError((cause as Error).message, { cause });
  }
  return await OutputLock.take(folder, name);
}

/** Returns the outputs of a commit that lie in the folders of its members and are none of them. */
function partsBeside(members: readonly Member[]): CommitPart[] {
  const [{ note: { id } }] = members;
  return [...new Set(members.map(({ lock }) => lock.folder))].flatMap((folder) =>
    folder.entries().flatMap((entry) => entry.isFile ? outputOfLock(entry.name) ?? [] : [])
      .filter((name) => !members.some(({ lock }) => lock.folder === folder && lock.name === name))
      .flatMap((name) => noteOf(folder, name) ?? [])
      .filter((note) => note.id === id)
      .map((note) => ({ folder, note }))
  );
}

/** The place of an output. */
interface OutputPlace {
  folder: Folder;
  name: string;
}

/** Returns the outputs of the run, and their companions that have a lock file. */
async function placesOf(
  { expected, isCompanion, companionsOf, folderOf }: RunOutputs,
): Promise<OutputPlace[]> {
  const outputs: OutputPlace[] = [];
  for (const path of expected.flatMap(finalPathOf)) {
    outputs.push({ folder: await folderOf(path), name: basename(path) });
  }
  const companions = [...new Set(outputs.map(({ folder }) => folder))].flatMap((folder) =>
    folder.entries().flatMap((entry) => entry.isFile ? outputOfLock(entry.name) ?? [] : [])
      .filter((name) => outputs.some((output) => output.folder === folder && isCompanion(name, output.name)))
      .map((name) => ({ folder, name }))
  );
  const named = outputs.flatMap(({ folder, name }) => companionsOf(name).map((name) => ({ folder, name })))
    .filter(({ folder, name }) => folder.lstat(lockNameOf(name)) !== undefined);
  const places = [...outputs, ...companions, ...named];
  const isSame = (a: OutputPlace, b: OutputPlace) => a.folder === b.folder && a.name === b.name;
  return places.filter((place, i) => places.findIndex((other) => isSame(place, other)) === i);
}

/** Returns the path of an output without symbolic links, or an empty list if its folder cannot be found. */
function finalPathOf(path: string): string[] {
  try {
    return [Deno.realPathSync(path)];
  } catch {
    try {
      return [join(Deno.realPathSync(dirname(path)), basename(path))];
    } catch {
      return [];
    }
  }
}
