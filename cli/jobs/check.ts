/** Checks archives: those of a list, or all that lie in folders. */

import { leadsToFolder } from "../files/paths.ts";
import { dirname } from "@std/path/posix/dirname";
import { SEAL_SUFFIX } from "../archive/seal.ts";
import { FormatError, MismatchError } from "../errors.ts";
import { isHidden } from "../files/hidden_names.ts";
import { Moment } from "../files/moment.ts";
import { type ArchiveInput, filesAmong, pathOf } from "./archive_input.ts";
import { checkFolders as checkFoldersIn, type FolderFindings } from "./check_folders.ts";
import { checkList, type ListFindings } from "./check_list.ts";
import { explain, type Explanation } from "./diagnosis.ts";
import { HOLDS_BLOCKS, HOLDS_DIGESTS, STREAM } from "./input_file.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** A list of archives, as a restore uses it. */
export interface CheckRequest {
  /** A dump and rdiffs, the newest first; or rdiffs alone. */
  archives: readonly ArchiveInput[];
  /**
   * The digest of the generation to which the list leads. Without it, a seal beside the archives must say
   * what they are.
   */
  digestin?: ArchiveInput;
  /** Do not read the blocks: only the structure of the files is checked. */
  quick?: boolean;
}

/** The result of the check of a list. */
export interface CheckResult {
  /** Nothing is wrong, and something proves the blocks. */
  ok: boolean;
  /** What was found; absent if `failure` is there. */
  findings?: ListFindings;
  /** Why an archive could not be read to its end, or does not belong to the others. */
  failure?: FormatError | MismatchError;
  /**
   * Which blocks are wrong. Absent if none is, without a digest, and for archives that are not regular files.
   */
  explanation?: Explanation;
}

/** Folders of archives. */
export interface CheckFoldersRequest {
  /** Paths of the folders. Folders inside of them are not checked. */
  folders: readonly string[];
  /** Do not read the blocks: only the structure of the files is checked. */
  quick?: boolean;
}

/**
 * Checks a list of archives: every record is read, and every block is compared with what proves it. Damage is
 * not an error: the result describes it.
 *
 * @throws {UsageError} if there is neither a digest nor a seal that says what the archives must be
 * @throws {Error} if a file cannot be opened, or is replaced while it is read
 *
 * @example
 * ```ts
 * import { check } from "./check.ts";
 * import { dump } from "./dump.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * Deno.writeFileSync(at("disk.raw"), new Uint8Array(4 * 512).fill(1));
 * const files = { dumpout: at("0.dump"), digestout: at("0.digest") };
 * await dump({ mode: "full", disk: at("disk.raw"), blocksize: 512, ...files });
 * const request = { archives: [at("0.dump")], digestin: at("0.digest") };
 * assertEquals((await check(request)).ok, true);
 *
 * const bytes = Deno.readFileSync(at("0.dump"));
 * bytes[bytes.length - 1] ^= 1; // damages the last block
 * Deno.writeFileSync(at("0.dump"), bytes);
 * const { ok, findings } = await check(request);
 * assertEquals([ok, findings?.counts?.badBlocks], [false, 1]);
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function check(request: CheckRequest, options: JobOptions = {}): Promise<CheckResult> {
  const { quick = false } = request;
  const archives = request.archives.map(pathOf);
  const digestin = request.digestin === undefined ? undefined : pathOf(request.digestin);
  const inputs = request.digestin === undefined ? request.archives : [...request.archives, request.digestin];
  const files = filesAmong(inputs);
  return await Job.run(options, { inputs }, async (job) => {
    const moment = momentOf({
      paths: files,
      folders: [...new Set(files.filter((path) => path !== STREAM).map((path) => dirname(path)))],
      holdArchives: false,
    });
    const explained = async () => {
      await moment.assertUnchanged();
      if (digestin === undefined || quick || files.length < inputs.length) return undefined;
      return await explain(job, { archives, digestin });
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
  });
}

/**
 * Checks all archives of folders, and determines which generations can be restored from them. Damage is not
 * an error: the result describes it.
 *
 * @throws {Error} if a folder cannot be read, or a file is replaced while it is read
 *
 * @example
 * ```ts
 * import { checkFolders } from "./check.ts";
 * import { dump } from "./dump.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * Deno.writeFileSync(at("disk.raw"), new Uint8Array(1024).fill(1));
 * await dump({ mode: "full", disk: at("disk.raw"), dumpout: at("0.dump"), digestout: at("0.digest") });
 * const { series } = await checkFolders({ folders: [folder] });
 * const [{ chain, proved }] = series[0].generations;
 * assertEquals({ chain, proved }, { chain: [at("0.dump")], proved: true });
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function checkFolders(
  { folders, quick = false }: CheckFoldersRequest,
  options: JobOptions = {},
): Promise<FolderFindings> {
  return await Job.run(options, { inputs: [] }, async (job) => {
    const moment = momentOf({ paths: [], folders, holdArchives: true });
    const findings = await checkFoldersIn(job, folders, { quick });
    const { folders: contents, unreadable: bad } = findings.inventory;
    const isRight = bad.length === 0 &&
      contents.every(({ archives, seals, unreadable }) => archives + seals + unreadable > 0) &&
      findings.series.every(({ items, generations }) =>
        items.every(({ fault }) => fault === undefined) &&
        generations.every(({ chain }) => chain !== undefined)
      );
    if (!isRight) await moment.assertUnchanged();
    return findings;
  });
}

/**
 * Records the present state of files. A file that is replaced while it is read looks damaged, or as if it did
 * not belong to the others; the later state shows that this is the reason.
 */
function momentOf(
  { paths, folders, holdArchives }: {
    paths: readonly string[];
    folders: readonly string[];
    holdArchives: boolean;
  },
): Moment {
  return new Moment({
    paths: paths.filter((path) => path !== STREAM),
    folders: folders.filter(leadsToFolder),
    ofInterest: (name) =>
      !isHidden(name) && (name.endsWith(SEAL_SUFFIX) ||
        holdArchives && (HOLDS_BLOCKS.test(name) || HOLDS_DIGESTS.test(name))),
  });
}
