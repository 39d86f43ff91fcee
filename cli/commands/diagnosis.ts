/** What `check` tells of archives that are wrong: which blocks, where in which file, and where else they are intact. */

import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import type { DamagedFile } from "../archive/damaged_file.ts";
import { ScratchError } from "../archive/scratch.ts";
import { FormatError } from "../errors.ts";
import { isHidden } from "../files/hidden_names.ts";
import type { Diagnosis, OtherArchive } from "../pipeline/diagnose.ts";
import type { DigestInFile } from "../pipeline/lost_blocks.ts";
import { HOLDS_BLOCKS, isStream } from "./input_file.ts";
import type { Reading } from "./reading.ts";
import type { Session } from "./session.ts";

/** Runs and faults that are told in the text; `--json` has more. */
const SHOWN = 20;

/** The wrong archives, as they were given. */
export interface Suspects {
  /** Newest first. */
  archives: readonly string[];
  digestin: string;
  /** Folders, beside those of the archives, in which intact copies of blocks are looked for. */
  folders?: readonly string[];
}

/** What came of it. */
export interface Explanation {
  text: string[];
  json: Record<string, unknown>;
}

/**
 * Looks a second time at archives that are wrong; blocks that are lost in them are looked for in the other archives of their
 * folders and of `folders`. Undefined where that cannot be done: for streams, and where the digest does not tell of what it is.
 */
export async function explain(session: Session, suspects: Suspects): Promise<Explanation | undefined> {
  const { archives, digestin, folders = [] } = suspects;
  if ([...archives, digestin].some(isStream)) return undefined;
  await using reading = session.reading();
  const { diagnose } = await import("../pipeline/diagnose.ts");
  const files = await open(reading, archives);
  const others = othersOf(archives, folders).map((path): OtherArchive => ({
    path,
    whileOpen: async (use) => {
      await using other = session.reading();
      await use(await other.damagedFile(path));
    },
  }));
  const digest = await openDigest(reading, digestin);
  if (digest === undefined) return undefined;
  let diagnosis: Diagnosis;
  try {
    diagnosis = await diagnose(reading.core, { archives: files, digest, others }, session.run);
  } catch (error) {
    // That they are wrong is known already, and a command that only reads may not be allowed to write.
    if (!(error instanceof ScratchError)) throw error;
    return {
      text: [`which blocks are wrong is not known: ${error.message}`],
      json: { reason: error.message },
    };
  }
  const { goodBlocks, wrongBlocks, intactElsewhere, runs, runCount, faults, faultCount } = diagnosis;
  const text = wrongBlocks === 0
    ? [`the digest has nothing against the ${blocksName(goodBlocks)} that are there`]
    : [`${blocksName(goodBlocks)} good, ${wrongBlocks} not; ${intactElsewhere} of these intact elsewhere`];
  for (const { start, end, state, path, offsetBytes, intactIn } of runs.slice(0, SHOWN)) {
    const blocks = end - start === 1 ? `block ${start}` : `blocks ${start} to ${end - 1}`;
    const place = offsetBytes === undefined ? "" : ` at byte ${offsetBytes}`;
    const copy = intactIn === undefined
      ? ""
      : intactIn === digestin
      ? "; zeros"
      : `; intact in "${intactIn}"`;
    text.push(`  ${state}: ${blocks}: "${path}"${place}${copy}`);
  }
  if (runCount > SHOWN) text.push(`  ${runCount - SHOWN} more runs of blocks (--json has more of them)`);
  for (const { path, offsetBytes, expected, found } of faults.slice(0, SHOWN)) {
    text.push(
      `  damage: "${path}" at byte ${offsetBytes}: ${expected} is expected, ${found} is found`,
    );
  }
  if (faultCount > SHOWN) text.push(`  damage: ${faultCount - SHOWN} more places`);
  if (wrongBlocks > 0) text.push("  salvage brings back what is intact anywhere");
  return { text, json: { ...diagnosis } };
}

async function open(reading: Reading, paths: readonly string[]): Promise<DamagedFile[]> {
  const files = [];
  for (const path of paths) files.push(await reading.damagedFile(path));
  return files;
}

async function openDigest(reading: Reading, path: string): Promise<DigestInFile | undefined> {
  const { surveyDigest } = await import("../pipeline/digest_survey.ts");
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

function blocksName(count: number): string {
  return count === 1 ? "1 block" : `${count} blocks`;
}
