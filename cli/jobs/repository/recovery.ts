/**
 * Completes or undoes what a run that was killed has left in the folder of a machine. Whoever holds the lock
 * for writing calls this first.
 *
 * A run that was not complete is undone: the intact part of its rdiff is applied to the image. A run whose
 * folder has its name is complete, and only images may still have to be moved.
 */

import { join } from "@std/path/posix/join";
import { sourceFor } from "../../archive/container.ts";
import { formatSeriesId } from "../../archive/header.ts";
import { PlainSource } from "../../archive/plain_source.ts";
import { comparableSeconds } from "../../archive/time_stamp.ts";
import type { Core } from "../../core.ts";
import { FormatError, formatError } from "../../errors.ts";
import { readSmallFile } from "../../files/small_file.ts";
import {
  isRegularFile,
  makeFolder,
  namesIn,
  newNameOf,
  removeAll,
  renameStably,
  replaceFile,
} from "../../files/stable_files.ts";
import { syncFolder } from "../../files/sync_folder.ts";
import { DigestReader, DumpReader } from "../../pipeline/archive_reader.ts";
import type { RunOptions } from "../../pipeline/run.ts";
import { undoImage } from "../../pipeline/undo_image.ts";
import type { GenerationDisk, GenerationDocument } from "../../repository/documents.ts";
import { filesOfDisk, isRemovedFolder, removedFolderOf } from "../../repository/names.ts";
import {
  digestPath,
  diskOf,
  extentPath,
  GENERATION_FILE,
  headerOf,
  IMAGE_FOLDER,
  type MachineState,
  mergedName,
  readGenerations,
} from "./generations.ts";
import { descriptorOf, descriptorPath, openImageAt } from "./image.ts";
import { MACHINE_FILE } from "./repository.ts";

/** What recovering needs. */
export interface RecoveryParts {
  core: Core;
  run: RunOptions;
  /** Reports what was done. */
  warn: (line: string) => void;
}

/**
 * Returns the state of a machine after everything is completed or undone.
 *
 * @throws the first problem of a generation: nothing is written to a machine that is damaged
 */
export async function recover(path: string, parts: RecoveryParts): Promise<MachineState> {
  const state = await readGenerations(path);
  if (state.problems.length > 0) throw state.problems[0].error;
  for (const name of state.partial) {
    await undoRun(state, name, parts);
    parts.warn(`a run that was interrupted is undone: "${join(path, name)}"`);
  }
  await finishNewest(state);
  for (const generation of state.generations) finishMerge(path, generation);
  for (const id of state.unlinked) removeGeneration(path, id);
  for (const name of namesIn(path).filter(isRemovedFolder)) removeAll(join(path, name));
  removeAll(join(path, newNameOf(MACHINE_FILE)));
  syncFolder(path);
  return await readGenerations(path);
}

/** Returns the images to the newest generation, and removes the folder `name` of a run that is not complete. */
export async function undoRun(
  state: MachineState,
  name: string,
  { core, run }: Pick<RecoveryParts, "core" | "run">,
): Promise<void> {
  const folder = join(state.path, name);
  const [newest] = state.generations;
  for (const disk of newest?.disks ?? []) {
    const path = join(folder, filesOfDisk(disk.key).rdiff);
    if (isRegularFile(path)) await undoDisk(state, { disk, path, id: newest.id }, { core, run });
  }
  removeAll(folder);
  syncFolder(state.path);
}

async function undoDisk(
  state: MachineState,
  { disk, path, id }: { disk: GenerationDisk; path: string; id: string },
  { core: owner, run: { crew } }: Pick<RecoveryParts, "core" | "run">,
): Promise<void> {
  await using core = owner.scope();
  // Loading the decompression takes longer than all other work of a command that has nothing to undo.
  const { IntactFrames } = await import("../../archive/intact_frames.ts");
  using source = new IntactFrames(new PlainSource(path, Deno.openSync(path)));
  let rdiff: DumpReader;
  try {
    rdiff = await DumpReader.open(core, source);
  } catch (error) {
    // The header was not on stable storage, so no block was overwritten.
    if (error instanceof FormatError) return;
    throw error;
  }
  const wanted = headerOf(disk);
  const { header } = rdiff;
  if (
    formatSeriesId(header.seriesId) !== disk.series ||
    comparableSeconds(header.time) !== comparableSeconds(wanted.time) ||
    header.blockBytes !== wanted.blockBytes || header.capacityBytes !== wanted.capacityBytes
  ) {
    throw formatError("rdiff", {
      path,
      expected: `one that leads to generation ${id}`,
      found: "another one",
    });
  }
  const digest = digestPath(state, id, disk.key);
  using digestSource = await sourceFor(digest, Deno.openSync(digest));
  const digestIn = await DigestReader.open(core, digestSource);
  using image = openImageAt(extentPath(state, id, disk.key), disk, { write: true });
  // A signal that stops the job must not stop this.
  await undoImage(core, { image, rdiff, digestIn }, { crew });
}

/**
 * Moves images to their places after a generation was committed: those of disks that it does not continue to
 * the folder of the generation before, and new ones to the folder of images. Then the descriptors are written.
 */
export async function finishNewest(
  { path, generations }: Pick<MachineState, "path" | "generations">,
): Promise<void> {
  const [newest, before] = generations;
  if (newest === undefined) return;
  const images = join(path, IMAGE_FOLDER);
  makeFolder(images);
  const move = (key: string, from: string, to: string) => {
    const { extent, descriptor } = filesOfDisk(key);
    if (!isRegularFile(join(from, extent))) return;
    removeAll(join(from, descriptor));
    renameStably(join(from, extent), join(to, extent));
  };
  for (const disk of newest.disks) {
    const own = join(path, newest.id);
    if (!isRegularFile(join(own, filesOfDisk(disk.key).extent))) continue;
    if (diskOf(before, disk.key) !== undefined) await moveBack(path, before!, disk.key);
    move(disk.key, own, images);
  }
  for (const { key } of before?.disks ?? []) {
    if (diskOf(newest, key) === undefined) await moveBack(path, before, key);
  }
  for (const disk of newest.disks) await writeDescriptor(images, disk);
}

/** Moves the image of a disk that the newest generation does not continue to the folder of its own generation. */
async function moveBack(path: string, generation: GenerationDocument, key: string): Promise<void> {
  const { extent } = filesOfDisk(key);
  const [from, to] = [join(path, IMAGE_FOLDER), join(path, generation.id)];
  if (!isRegularFile(join(to, extent)) && isRegularFile(join(from, extent))) {
    removeAll(descriptorPath(from, key));
    renameStably(join(from, extent), join(to, extent));
  }
  await writeDescriptor(to, diskOf(generation, key)!);
}

/** Writes the descriptor of an image unless it is there. */
async function writeDescriptor(folder: string, disk: GenerationDisk): Promise<void> {
  const path = descriptorPath(folder, disk.key);
  const bytes = descriptorOf(disk);
  if (isRegularFile(path)) {
    const found = await readSmallFile(path, bytes.length);
    if (found.length === bytes.length && found.every((byte, i) => byte === bytes[i])) return;
  }
  replaceFile(path, bytes);
}

/** Removes the folder of a generation. It loses its name first: a folder without some of its files is none. */
export function removeGeneration(path: string, id: string): void {
  const removed = join(path, removedFolderOf(id));
  renameStably(join(path, id), removed);
  removeAll(removed);
}

/** Gives the rdiffs that `forget` has merged their names, and removes those that were not complete. */
export function finishMerge(path: string, { id, parent, disks }: GenerationDocument): void {
  const folder = join(path, id);
  const names = namesIn(folder);
  for (const { key, rdiff } of disks) {
    const final = filesOfDisk(key).rdiff;
    const merged = parent === undefined ? undefined : mergedName(key, parent);
    if (merged !== undefined && names.includes(merged)) {
      renameStably(join(folder, merged), join(folder, final));
    }
    if (rdiff === undefined) removeAll(join(folder, final));
    for (const name of names.filter((name) => name.startsWith(mergedName(key, "")))) {
      removeAll(join(folder, name));
    }
  }
  removeAll(join(folder, newNameOf(GENERATION_FILE)));
}
