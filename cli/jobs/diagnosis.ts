/** Finds out what is wrong with archives: which blocks, where in which file, and where else they are intact. */

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

/** The wrong archives, as they were given. */
export interface Suspects {
  /** Newest first. */
  archives: readonly string[];
  digestin: string;
  /** Folders, beside those of the archives, in which intact copies of blocks are looked for. */
  folders?: readonly string[];
}

/** What is wrong with archives. */
export interface Explanation {
  /** The digest with which they were compared. */
  digestin: string;
  /** What is wrong, or why that is not known. */
  diagnosis: Diagnosis | { reason: string };
}

/**
 * Looks a second time at archives that are wrong; blocks that are lost in them are looked for in the other archives of their
 * folders and of `folders`. Undefined where that cannot be done: for streams, and where the digest does not tell of what it is.
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
    // That they are wrong is known already, and a command that only reads may not be allowed to write.
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

/** Files with the names of dumps and rdiffs in the folders of these and in `folders`, but not these. */
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

/** Entries of a folder; none if it may not be listed. */
function readFolder(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)];
  } catch {
    return [];
  }
}
