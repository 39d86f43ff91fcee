/**
 * Finds the blocks of archives that are wrong: where they are, and in which other archives they are intact.
 */

import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import type { DamagedFile } from "../archive/damaged_file.ts";
import { ScratchError } from "../archive/scratch.ts";
import { FormatError } from "../errors.ts";
import { isHidden } from "../files/hidden_names.ts";
import type { Diagnosis, OtherArchive } from "../damage/diagnose.ts";
import type { DigestInFile } from "../damage/lost_blocks.ts";
import { HOLDS_BLOCKS, isStream } from "./input_file.ts";
import type { Reading } from "./reading.ts";
import type { Job } from "./job.ts";

/** Archives in which something is wrong. */
export interface Suspects {
  /** Their paths, newest first. */
  archives: readonly string[];
  /** Path of the digest of the generation to which they lead. */
  digestin: string;
  /** Folders, besides those of the archives, in which intact copies of blocks are looked for. */
  folders?: readonly string[];
}

/** Which blocks of archives are wrong. */
export interface Explanation {
  /** Path of the digest with which the archives were compared. */
  digestin: string;
  /** The wrong blocks, or the reason why they could not be determined. */
  diagnosis: Diagnosis | { reason: string };
}

/**
 * Reads archives a second time in which something is wrong, and determines the blocks that are. Intact copies
 * of lost blocks are looked for in the other archives of the same folders and of `folders`. Returns undefined
 * if a file can be read only once, or the header of the digest cannot be read.
 */
export async function explain(job: Job, suspects: Suspects): Promise<Explanation | undefined> {
  const { archives, digestin, folders = [] } = suspects;
  if ([...archives, digestin].some(isStream)) return undefined;
  await using reading = job.reading();
  const { diagnose } = await import("../damage/diagnose.ts");
  const files = await open(reading, archives);
  const others = othersOf(archives, folders).map((path): OtherArchive => ({
    path,
    whileOpen: async (use) => {
      await using other = job.reading();
      await use(await other.damagedFile(path));
    },
  }));
  const digest = await openDigest(reading, digestin);
  if (digest === undefined) return undefined;
  let diagnosis: Diagnosis;
  try {
    diagnosis = await diagnose(reading.core, { archives: files, digest, others }, job.run);
  } catch (error) {
    // The check has its result already, and a program that only reads may not be allowed to write a scratch
    // file.
    if (!(error instanceof ScratchError)) throw error;
    return { digestin, diagnosis: { reason: error.message } };
  }
  return { digestin, diagnosis };
}

async function open(reading: Reading, paths: readonly string[]): Promise<DamagedFile[]> {
  const files = [];
  for (const path of paths) files.push(await reading.damagedFile(path));
  return files;
}

async function openDigest(reading: Reading, path: string): Promise<DigestInFile | undefined> {
  const { surveyDigest } = await import("../damage/digest_survey.ts");
  const file = await reading.damagedFile(path);
  try {
    return { file, findings: await surveyDigest(reading.core, file) };
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/**
 * Returns the files in the folders of `archives` and in `folders` that have names of dumps and rdiffs,
 * without `archives`.
 */
function othersOf(archives: readonly string[], folders: readonly string[]): string[] {
  const known = new Set(archives.map((path) => Deno.realPathSync(path)));
  const found: string[] = [];
  for (const folder of new Set([...archives.map((path) => dirname(path)), ...folders])) {
    for (const { name, isFile } of readFolder(folder)) {
      const path = join(folder, name);
      if (!isFile || isHidden(name) || !HOLDS_BLOCKS.test(name)) continue;
      const place = Deno.realPathSync(path);
      if (!known.has(place)) found.push(path);
      known.add(place);
    }
  }
  return found.sort();
}

/** Returns the entries of a folder; none if it cannot be listed. */
function readFolder(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch {
    return [];
  }
}
