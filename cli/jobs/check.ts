/** Proves archives: those of a list, or all that lie in folders. */

import { dirname } from "@std/path/posix/dirname";
import { SEAL_SUFFIX } from "../archive/seal.ts";
import { FormatError, MismatchError } from "../errors.ts";
import { isHidden } from "../files/hidden_names.ts";
import { Moment } from "../files/moment.ts";
import { checkFolders as checkFoldersIn, type FolderFindings } from "./check_folders.ts";
import { checkList, type ListFindings } from "./check_list.ts";
import { explain, type Explanation } from "./diagnosis.ts";
import { HOLDS_BLOCKS, HOLDS_DIGESTS, STREAM } from "./input_file.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** A list of archives, as `restore` would take it. */
export interface CheckRequest {
  /** A dump and rdiffs, the newest first; or rdiffs alone. */
  archives: readonly string[];
  /** Path of the digest of the generation that the list leads to. */
  digestin?: string;
  /** Do not read the blocks. */
  quick?: boolean;
}

/** What came of the check of a list. */
export interface CheckResult {
  /** Everything is right, and something proves it. */
  ok: boolean;
  /** What was found; absent if an archive could not be read to its end. */
  findings?: ListFindings;
  /** Why an archive could not be read to its end, or does not belong to the others. */
  failure?: FormatError | MismatchError;
  /** Which blocks are wrong, if something is and the digest can tell. */
  explanation?: Explanation;
}

/** Folders of archives. */
export interface CheckFoldersRequest {
  /** Their paths. Folders in them are not looked into. */
  folders: readonly string[];
  /** Do not read the blocks. */
  quick?: boolean;
}

/**
 * Checks a list of archives. Damage is no error but a result.
 *
 * @throws {UsageError} if nothing tells what the archives must be
 * @throws {Error} if a file cannot be opened, or is replaced meanwhile
 */
export async function check(request: CheckRequest, options: JobOptions = {}): Promise<CheckResult> {
  const { archives, digestin, quick = false } = request;
  const inputs = digestin === undefined ? archives : [...archives, digestin];
  await using job = await Job.start(options, { inputs });
  const moment = momentOf({
    paths: inputs,
    folders: [...new Set(inputs.filter((path) => path !== STREAM).map((path) => dirname(path)))],
    holdArchives: false,
  });
  const explained = async () => {
    await moment.assertUnchanged();
    return digestin === undefined || quick ? undefined : await explain(job, { archives, digestin });
  };
  try {
    const findings = await checkList(job, archives, { digestin, quick });
    const { isRight, isProved } = findings;
    return { ok: isRight && isProved, findings, explanation: isRight ? undefined : await explained() };
  } catch (failure) {
    if (failure instanceof FormatError) return { ok: false, failure, explanation: await explained() };
    if (!(failure instanceof MismatchError)) throw failure;
    await moment.assertUnchanged();
    return { ok: false, failure };
  }
}

/**
 * Checks all archives of folders, and which of their generations can be restored.
 *
 * @throws {Error} if a folder cannot be read, or a file is replaced meanwhile
 */
export async function checkFolders(
  { folders, quick = false }: CheckFoldersRequest,
  options: JobOptions = {},
): Promise<FolderFindings> {
  await using job = await Job.start(options, { inputs: [] });
  const moment = momentOf({ paths: [], folders, holdArchives: true });
  const findings = await checkFoldersIn(job, folders, { quick });
  const { folders: contents, unreadable: bad } = findings.inventory;
  const isRight = bad.length === 0 &&
    contents.every(({ archives, seals, unreadable }) => archives + seals + unreadable > 0) &&
    findings.series.every(({ items, generations }) =>
      items.every(({ fault }) => fault === undefined) && generations.every(({ chain }) => chain !== undefined)
    );
  if (!isRight) await moment.assertUnchanged();
  return findings;
}

/** Notices files that are replaced meanwhile: they look damaged, or as if they did not belong together. */
function momentOf(
  { paths, folders, holdArchives }: {
    paths: readonly string[];
    folders: readonly string[];
    holdArchives: boolean;
  },
): Moment {
  return new Moment({
    paths: paths.filter((path) => path !== STREAM),
    folders: folders.filter(isFolder),
    ofInterest: (name) =>
      !isHidden(name) && (name.endsWith(SEAL_SUFFIX) ||
        holdArchives && (HOLDS_BLOCKS.test(name) || HOLDS_DIGESTS.test(name))),
  });
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
