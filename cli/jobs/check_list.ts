/** Checks a list of archives, as `restore` would take it. */

import { type DumpHeader, formatSeriesId } from "../archive/header.ts";
import type { Seal } from "../archive/seal.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { UsageError } from "../errors.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import { assertSameGeneration, type Chain } from "../pipeline/chain.ts";
import { check, type CheckCounts } from "../pipeline/check.ts";
import { containerFault, digestFault, type Fault, faultIn, isPlain, recordsFault } from "./check_file.ts";
import { areProvedByFiles, refuseUnreadable } from "./proof.ts";
import type { Reading } from "./reading.ts";
import type { KnownRoot, Sealed, SignedBy } from "./seals.ts";
import type { Job } from "./job.ts";

/** A list that is open. */
interface List {
  job: Job;
  chain: Chain;
  digest?: DigestReader;
  /** Of the archives, and of the digest. */
  sealed: Sealed[];
  unsealed: string[];
  /** Whether files that were read are what was sealed. */
  proofs: (() => Promise<void>)[];
  /** The roots that seals tell for the generation, if the list leads to a whole one. */
  roots: readonly KnownRoot[];
}

/** What came of the check of a list. */
export interface ListFindings {
  /** Nothing is known to be wrong. */
  isRight: boolean;
  /** Something tells what the blocks must be. */
  isProved: boolean;
  /** The header of the last archive. */
  header: DumpHeader;
  /** What the blocks are; absent if they were not read. */
  counts?: CheckCounts;
  /** What is wrong, one line for each. */
  faults: readonly string[];
  /** The seals that tell of the files. */
  seals: readonly Seal[];
  /** Seals that are signed with the trusted key. */
  signed: readonly SignedBy[];
  /** Files that no seal tells of. */
  unsealed: readonly string[];
}

/**
 * @throws {UsageError} if there is neither a digest nor a seal to check with
 * @throws {FormatError | MismatchError} at the first archive that is damaged or does not belong to the others
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
  // Files that are what was sealed are good without a look at what their blocks must be.
  if (!quick && !isProvable && unsealed.length > 0) {
    throw new UsageError(
      `Cannot check "${
        archives.at(-1)
      }": --digestin is missing, and no seal tells the blocks of its generation`,
    );
  }
  const faults: string[] = [];
  // Any of them may be the one that is missing.
  if (unsealed.length === 0) job.warnOfSeals();
  else faults.push(...job.unreadableSeals.map(({ message }) => message));
  const { result, root: found } = quick ? {} : await checkBlocks(list, faults);
  if (quick) await checkStructure(list, faults);
  else for (const prove of list.proofs) note(faults, await faultIn(async () => void await prove()));
  const isRight = faults.length === 0 && (result?.badBlocks ?? 0) === 0;
  const isDoubtful = ({ file }: Sealed) => file.unproved === true;
  const ofArchives = sealed.filter(({ path }) => path !== digest?.path);
  const digestSeal = digest && sealed.find(({ path }) => path === digest.path);
  // Without a look at the blocks nothing is said of them, but for what the seals themselves say.
  const isProved = (quick && !sealed.some(isDoubtful)) ||
    // Where only signed seals count, a digest that none tells of may be a stranger's.
    (digest !== undefined && !(digestSeal ? isDoubtful(digestSeal) : job.goesByKey)) ||
    (found?.isProved ?? false) || (unsealed.length === 0 && areProvedByFiles(ofArchives));
  return {
    isRight,
    isProved,
    header: chain.header,
    counts: result,
    faults,
    seals: sealed.map(({ seal }) => seal),
    signed: job.signedSeals,
    unsealed,
  };
}

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
    const entry = await job.sealed(reader);
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
    ? await job.rootsOf([...archives, ...digestin === undefined ? [] : [digestin]], generation)
    : [];
  await job.changesOf(chain.readers.at(-1)!.path, generation);
  const roots = own === null ? told : told.filter(({ root }) => root === own);
  return { job, chain, digest, sealed, unsealed, proofs, roots };
}

/** Reads all blocks. Returns also which of the roots they have. */
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

/** Reads everything but blocks. */
async function checkStructure({ job, chain, digest, sealed }: List, faults: string[]): Promise<void> {
  const sealedAs = (path: string) => sealed.find((entry) => entry.path === path);
  for (const reader of chain.readers) {
    const { path } = reader;
    if (isPlain(path)) note(faults, await recordsFault(job, reader, sealedAs(path)));
    else note(faults, await containerFault(job, path));
  }
  if (digest !== undefined) note(faults, await digestFault(job, digest, sealedAs(digest.path)));
}

function note(faults: string[], fault: Fault): void {
  if (fault !== undefined) faults.push(fault);
}
