/** Checks a list of archives that leads to one generation. */

import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import type { Seal } from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { UsageError } from "../errors.ts";
import { isMissing } from "../files/system_errors.ts";
import { DigestReader, type DumpReader } from "../pipeline/archive_reader.ts";
import { assertSameGeneration, type Chain } from "../pipeline/chain.ts";
import { check, type CheckCounts } from "../pipeline/check.ts";
import {
  containerFault,
  digestFault,
  faultIn,
  type FaultText,
  isPlain,
  isRefusal,
  recordsFault,
} from "./check_file.ts";
import { areProvedByFiles, refuseUnreadable } from "./proof.ts";
import type { Reading } from "./reading.ts";
import type { KnownRoot, Sealed, SignedBy } from "./seals.ts";
import type { Job } from "./job.ts";

/** A list of archives that is open. */
interface List {
  job: Job;
  chain: Chain<DumpReader>;
  digest?: DigestReader;
  /** The entries in seals of the archives and of the digest. */
  sealed: Sealed[];
  /** Paths of the archives and of the digest that no seal names. */
  unsealed: string[];
  /**
   * For each sealed file a function that reads the rest of it and throws if it is not the file that was
   * sealed.
   */
  proofs: (() => Promise<void>)[];
  /** The roots that seals record for the generation; none if the list does not begin with a dump. */
  roots: readonly KnownRoot[];
}

/** What the check of a list found. */
export interface ListFindings {
  /** Nothing is wrong. */
  isRight: boolean;
  /** Something proves the blocks: a digest, a root, or the seals of all files. */
  isProved: boolean;
  /** The header of the last archive, with `full` of the first one. */
  header: DumpHeader;
  /** The state of the blocks; absent if they were not read. */
  counts?: CheckCounts;
  /** False if nothing is wrong but that the system could not read files. */
  isRead: boolean;
  /** What is wrong besides bad blocks: one sentence for each fault. */
  faults: readonly string[];
  /** For each sealed file, the content of its seal. */
  seals: readonly Seal[];
  /** The seals that the trusted key has signed. */
  signed: readonly SignedBy[];
  /** Paths of the files that no seal names. */
  unsealed: readonly string[];
}

/**
 * Checks a list of archives, newest first, against the digest of their generation or against seals.
 *
 * @throws {UsageError} if there is neither a digest nor a seal to check with
 * @throws {FormatError | MismatchError} for the first archive that is damaged or does not belong to the
 *   others
 */
export async function checkList(
  job: Job,
  archives: readonly string[],
  { digestin, quick }: { digestin?: string; quick: boolean },
): Promise<ListFindings> {
  await using files = job.reading();
  const list = await open(job, archives, { files, digestin, quick });
  const { chain, digest, roots, sealed, unsealed } = list;
  if (unsealed.length > 0 && digestin === undefined && roots.length === 0) refuseUnreadable(job);
  const isProvable = digestin !== undefined || roots.length > 0;
  // If every file is, byte for byte, the file that was sealed, nothing else need say what the blocks must be.
  if (!quick && !isProvable && unsealed.length > 0) {
    throw new UsageError(
      `Cannot check "${
        archives.at(-1)
      }": --digestin is missing, and no seal tells the blocks of its generation`,
    );
  }
  const faults: string[] = [];
  // If a file has no entry, it may be in one of the seals that cannot be read.
  if (unsealed.length === 0) job.seals.warnOfSeals();
  else faults.push(...job.seals.unreadableSeals.map(({ message }) => message));
  const { result, root: found } = quick ? {} : await checkBlocks(list, faults);
  if (quick) await checkStructure(list, faults);
  else for (const prove of list.proofs) note(faults, await faultIn(async () => void await prove()));
  const isRight = faults.length === 0 && (result?.badBlocks ?? 0) === 0;
  const isDoubtful = ({ file }: Sealed) => file.unproved === true;
  const ofArchives = sealed.filter(({ path }) => path !== digest?.path);
  const digestSeal = digest && sealed.find(({ path }) => path === digest.path);
  // A quick check says nothing of the blocks. It passes on that a seal calls a file unproved.
  const isProved = (quick && !sealed.some(isDoubtful)) ||
    // Where only signed seals count, a digest without one may have been exchanged.
    (digest !== undefined && !(digestSeal ? isDoubtful(digestSeal) : job.seals.goesByKey)) ||
    (found?.isProved ?? false) || (unsealed.length === 0 && areProvedByFiles(ofArchives));
  const refused = unsealed.length === 0
    ? []
    : job.seals.unreadableSeals.filter((error) => isRefusal(error) && !isMissing(error));
  const isRead = refused.length === 0 || refused.length < faults.length || (result?.badBlocks ?? 0) > 0;
  return {
    isRight,
    isProved,
    isRead,
    header: chain.header,
    counts: result,
    faults,
    seals: sealed.map(({ seal }) => seal),
    signed: job.seals.signedSeals,
    unsealed,
  };
}

/** Opens the archives and the digest, and collects what seals record about them. */
async function open(
  job: Job,
  archives: readonly string[],
  { files, digestin, quick }: { files: Reading; digestin?: string; quick: boolean },
): Promise<List> {
  const chain = await job.chain(archives, { files, skims: quick });
  const digest = digestin === undefined
    ? undefined
    : await DigestReader.open(files.core, await files.source(digestin));
  if (digest !== undefined) assertSameGeneration(chain.readers.at(-1)!, digest);
  const sealed: Sealed[] = [];
  const unsealed: string[] = [];
  const proofs: List["proofs"] = [];
  let own: string | null = null;
  for (const reader of [...chain.readers, ...digest === undefined ? [] : [digest]]) {
    const entry = await job.seals.sealed(reader);
    if (entry === undefined) unsealed.push(reader.path);
    else sealed.push(entry);
    if (entry !== undefined && !quick) proofs.push(job.proveWhileRead(reader, entry));
    if (reader === chain.readers.at(-1) || reader === digest) {
      own = entry?.generation.root || own;
    }
  }
  const { seriesId, time, full } = chain.header;
  const generation = { series: formatSeriesId(seriesId), time: formatTimeStamp(time) };
  const told = full
    ? await job.seals.rootsOf([...archives, ...digestin === undefined ? [] : [digestin]], generation)
    : [];
  await job.seals.changesOf(chain.readers.at(-1)!.path, generation);
  const roots = own === null ? told : told.filter(({ root }) => root === own);
  return { job, chain, digest, sealed, unsealed, proofs, roots };
}

/** Reads all blocks. Returns their state, and the known root that they have, if they have one. */
async function checkBlocks(
  { job, chain, digest, roots }: List,
  faults: string[],
): Promise<{ result: CheckCounts; root?: KnownRoot }> {
  const sha256 = roots.length > 0 ? job.root() : undefined;
  const result = await check(job.core, { chain, digest, root: sha256 }, job.run);
  const hex = await sha256?.hex();
  const root = roots.find((known) => known.root === hex);
  if (hex !== undefined && root === undefined && result.badBlocks === 0) {
    faults.push("the blocks are not those that the seal was made of (another root)");
  }
  return { result, root };
}

/** Checks the structure of all files without reading blocks. */
async function checkStructure({ job, chain, digest, sealed }: List, faults: string[]): Promise<void> {
  const sealedAs = (path: string) => sealed.find((entry) => entry.path === path);
  for (const reader of chain.readers) {
    const { path } = reader;
    if (isPlain(path)) note(faults, await recordsFault(job, reader, sealedAs(path)));
    else note(faults, await containerFault(job, path));
  }
  if (digest !== undefined) note(faults, await digestFault(job, digest, sealedAs(digest.path)));
}

function note(faults: string[], fault: FaultText): void {
  if (fault !== undefined) faults.push(fault);
}
