/** The generations of a machine, as the files in its folder tell them. */

import { join } from "@std/path/posix/join";
import { formatError } from "../../errors.ts";
import { isFolder, isRegularFile, namesIn } from "../../files/stable_files.ts";
import type { DumpHeader } from "../../archive/header.ts";
import { parseTimeStamp } from "../../archive/time_stamp.ts";
import {
  type GenerationDisk,
  type GenerationDocument,
  MAX_DOCUMENT_BYTES,
  parseGeneration,
} from "../../repository/documents.ts";
import { filesOfDisk, generationOfPartial, timeOfGeneration } from "../../repository/names.ts";
import { readDocument } from "./repository.ts";

/** The seal of a generation, written last. */
export const GENERATION_FILE = "generation.json";
/** The folder of the newest generation's disks. */
export const IMAGE_FOLDER = "image";

/** Seals that are read at a time; each has a file open. */
const SEALS_AT_A_TIME = 32;

/** Something that keeps a generation from being read. */
export interface GenerationProblem {
  id: string;
  error: Error;
}

/** What the folder of a machine contains. */
export interface MachineState {
  /** The path of the machine's folder. */
  path: string;
  /** The generations that can be reached from the newest one, the newest first. */
  generations: GenerationDocument[];
  /** Generations that cannot be read, or reached, because of damage. */
  problems: GenerationProblem[];
  /** The ids of folders that a killed run of `forget` has left: no newer generation leads to them. */
  unlinked: string[];
  /** The names of the folders of runs that were killed before they were complete. */
  partial: string[];
  /** The newest id that any folder has. */
  lastId?: string;
}

/** Reads the generations of the machine in a folder. Damage is part of the result. */
export async function readGenerations(path: string): Promise<MachineState> {
  const names = namesIn(path);
  const ids = names.filter((name) => timeOfGeneration(name) !== undefined).reverse();
  const partial = names.filter((name) => generationOfPartial(name) !== undefined);
  const state: MachineState = { path, generations: [], problems: [], unlinked: [], partial, lastId: ids[0] };
  const others: { id: string; document?: GenerationDocument }[] = [];
  let next = ids[0];
  for (const { id, document, error } of await readAll(path, ids)) {
    if (error !== undefined) state.problems.push({ id, error });
    if (id === next && document !== undefined) {
      state.generations.push(document);
      next = document.parent ?? "";
    } else {
      others.push({ id, document });
    }
  }
  if (next !== "" && next !== undefined && !ids.includes(next)) {
    const file = join(path, state.generations.at(-1)!.id, GENERATION_FILE);
    const fault = {
      path: file,
      expected: `the generation ${next} that it names as its parent`,
      found: "no folder",
    };
    state.problems.push({ id: next, error: formatError("machine", fault) });
  }
  if (state.problems.length === 0) state.unlinked = others.map(({ id }) => id);
  else {
    for (const { id, document } of others) {
      if (document === undefined) continue;
      const error = new Error(
        `Cannot reach generation ${id} in "${path}": a newer one is damaged: ${
          state.problems[0].error.message
        }`,
      );
      state.problems.push({ id, error });
    }
  }
  return state;
}

/** Reads the seals of generations, several at a time. */
async function readAll(
  path: string,
  ids: readonly string[],
): Promise<{ id: string; document?: GenerationDocument; error?: Error }[]> {
  const all = [];
  for (let at = 0; at < ids.length; at += SEALS_AT_A_TIME) {
    const some = ids.slice(at, at + SEALS_AT_A_TIME).map(async (id) => {
      try {
        return { id, document: await readGeneration(path, id) };
      } catch (error) {
        return { id, error: error as Error };
      }
    });
    all.push(...await Promise.all(some));
  }
  return all;
}

async function readGeneration(path: string, id: string): Promise<GenerationDocument> {
  // Both throw for anything else, such as a link.
  isFolder(join(path, id));
  const file = join(path, id, GENERATION_FILE);
  isRegularFile(file);
  const document = await readDocument(file, MAX_DOCUMENT_BYTES.generation, parseGeneration);
  const fault = (expected: string, found: string) =>
    formatError("generation", { path: file, expected, found });
  if (document.id !== id) throw fault(`the generation ${id}`, document.id);
  if (document.parent !== undefined && document.parent >= id) throw fault("an older parent", document.parent);
  return document;
}

/** Returns the disk with a key in a generation. */
export function diskOf(generation: GenerationDocument | undefined, key: string): GenerationDisk | undefined {
  return generation?.disks.find((disk) => disk.key === key);
}

/** Returns the bytes of a series id that is given as hexadecimal digits. */
export function parseSeriesId(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g)!, (byte) => parseInt(byte, 16));
}

/** Returns the header that an archive of the whole disk has in a generation. */
export function headerOf(disk: GenerationDisk): DumpHeader {
  const { blockCount, blockBytes, capacityBytes, adapterType, metadata, series, stamp } = disk;
  return {
    ...{ blockCount, blockBytes, capacityBytes, adapterType },
    full: true,
    seriesId: parseSeriesId(series),
    time: parseTimeStamp(stamp),
    metadata: new Map(Object.entries(metadata)),
  };
}

/** Returns the path of the digest of a disk. */
export function digestPath({ path }: Pick<MachineState, "path">, id: string, key: string): string {
  return join(path, id, filesOfDisk(key).digest);
}

/**
 * The name under which `forget` writes an rdiff that leads to the generation `parent`. The rdiff is the one to
 * use as soon as the seal of its generation names that parent.
 */
export function mergedName(key: string, parent: string): string {
  return `.${filesOfDisk(key).rdiff}.to-${parent}`;
}

/** Returns the path of the rdiff of a disk from a generation to its parent. */
export function rdiffPath(
  { path }: Pick<MachineState, "path">,
  generation: GenerationDocument,
  key: string,
): string {
  const merged = join(path, generation.id, mergedName(key, generation.parent ?? ""));
  return isRegularFile(merged) ? merged : join(path, generation.id, filesOfDisk(key).rdiff);
}

/**
 * Returns the path of the data of an image that holds a disk in the generation `id`, from which rdiffs lead to
 * older ones. An image lies in the folder of its generation before it is moved, and where the next generation
 * begins a new series.
 */
export function extentPath({ path }: Pick<MachineState, "path">, id: string, key: string): string {
  const { extent } = filesOfDisk(key);
  const own = join(path, id, extent);
  return isRegularFile(own) ? own : join(path, IMAGE_FOLDER, extent);
}
