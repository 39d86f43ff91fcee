/** Checks a list of archives, as `restore` would take it. */

import { formatSeriesId } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { UsageError } from "../errors.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import { assertSameGeneration, type Chain } from "../pipeline/chain.ts";
import { check, type CheckResult } from "../pipeline/check.ts";
import type { Verdict } from "./check.ts";
import { containerFault, digestFault, type Fault, faultIn, isPlain, recordsFault } from "./check_file.ts";
import { labelOf, suiteNameOf } from "./disk_label.ts";
import { areProvedByFiles, refuseUnreadable } from "./proof.ts";
import type { Reading } from "./reading.ts";
import { type KnownRoot, type Sealed, signedText, unsealedText } from "./seals.ts";
import type { Session } from "./session.ts";
import { headerJson } from "./summary.ts";

const UNPROVED =
  "  not proved: no seal or digest tells what the blocks must be, or the seal was made of archives that nothing proved";

/** A list that is open. */
interface List {
  session: Session;
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

/**
 * @throws {UsageError} if there is neither a digest nor a seal to check with
 * @throws {FormatError | MismatchError} at the first archive that is damaged or does not belong to the others
 */
export async function checkList(
  session: Session,
  archives: readonly string[],
  { digestin, quick }: { digestin?: string; quick: boolean },
): Promise<Verdict> {
  await using files = session.reading();
  const list = await open(session, archives, { files, digestin, quick });
  const { chain, digest, roots, sealed, unsealed } = list;
  if (unsealed.length > 0 && digestin === undefined && roots.length === 0) refuseUnreadable(session);
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
  if (unsealed.length === 0) session.warnOfSeals();
  else faults.push(...session.unreadableSeals.map(({ message }) => message));
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
    (digest !== undefined && !(digestSeal ? isDoubtful(digestSeal) : session.goesByKey)) ||
    (found?.isProved ?? false) || (unsealed.length === 0 && areProvedByFiles(ofArchives));
  const ok = isRight && isProved;
  const text = [
    result === undefined ? `${archives.length} archives: the blocks were not read` : findings(result),
    ...faults.map((fault) => `  wrong: ${fault}`),
    ...(isRight && !isProved ? [UNPROVED] : []),
    ...signedText(session.signedSeals),
    ...unsealedText(unsealed),
  ];
  const series = formatSeriesId(chain.header.seriesId);
  const labelled = { series, seals: sealed.map(({ seal }) => seal), paths: archives };
  const name = `${labelOf(labelled)}, ${formatTimeStamp(chain.header.time)}`;
  const outcome = ok ? {} : isRight ? { skipped: UNPROVED.trim() } : { failure: text.join("\n") };
  return {
    ok,
    isRight,
    text,
    json: {
      archives,
      ...(digestin === undefined ? {} : { digest: digestin }),
      generation: headerJson(chain.header),
      ...result,
      proved: isProved,
      signed: session.signedSeals,
      faults,
      unsealed,
    },
    suites: [{ name: suiteNameOf(labelled), cases: [{ name, ...outcome }] }],
  };
}

async function open(
  session: Session,
  archives: readonly string[],
  { files, digestin, quick }: { files: Reading; digestin?: string; quick: boolean },
): Promise<List> {
  const chain = await session.chain(archives, { files, skims: quick });
  const digest = digestin === undefined
    ? undefined
    : await DigestReader.open(files.core, await files.source(digestin));
  if (digest !== undefined) assertSameGeneration(chain.readers.at(-1)!, digest);
  const sealed: Sealed[] = [];
  const unsealed: string[] = [];
  const proofs: List["proofs"] = [];
  let own: string | null = null;
  for (const reader of [...chain.readers, ...digest === undefined ? [] : [digest]]) {
    const entry = await session.sealed(reader);
    if (entry === undefined) unsealed.push(reader.path);
    else sealed.push(entry);
    if (entry !== undefined && !quick) proofs.push(session.proveWhileRead(reader, entry));
    if (reader === chain.readers.at(-1) || reader === digest) {
      own = entry?.generation.root || own;
    }
  }
  const { seriesId, time, full } = chain.header;
  const generation = { series: formatSeriesId(seriesId), time: formatTimeStamp(time) };
  const told = full
    ? await session.rootsOf([...archives, ...digestin === undefined ? [] : [digestin]], generation)
    : [];
  await session.changesOf(chain.readers.at(-1)!.path, generation);
  const roots = own === null ? told : told.filter(({ root }) => root === own);
  return { session, chain, digest, sealed, unsealed, proofs, roots };
}

/** Reads all blocks. Returns also which of the roots they have. */
async function checkBlocks(
  { session, chain, digest, roots }: List,
  faults: string[],
): Promise<{ result: CheckResult; root?: KnownRoot }> {
  const sha256 = roots.length > 0 ? session.root() : undefined;
  const result = await check(session.core, { chain, digest, root: sha256 }, session.run);
  const hex = await sha256?.hex();
  const root = roots.find((known) => known.root === hex);
  if (hex !== undefined && root === undefined && result.badBlocks === 0) {
    faults.push("the blocks are not those that the seal was made of (another root)");
  }
  return { result, root };
}

/** Reads everything but blocks. */
async function checkStructure({ session, chain, digest, sealed }: List, faults: string[]): Promise<void> {
  const sealedAs = (path: string) => sealed.find((entry) => entry.path === path);
  for (const reader of chain.readers) {
    const { path } = reader;
    if (isPlain(path)) note(faults, await recordsFault(session, reader, sealedAs(path)));
    else note(faults, await containerFault(session, path));
  }
  if (digest !== undefined) note(faults, await digestFault(session, digest, sealedAs(digest.path)));
}

function note(faults: string[], fault: Fault): void {
  if (fault !== undefined) faults.push(fault);
}

function findings(
  { blocks, goodBlocks, zeroBlocks, absentBlocks, badBlocks }: CheckResult,
): string {
  const absent = absentBlocks > 0 ? `, ${absentBlocks} not in these archives` : "";
  return `${blocks} blocks: ${goodBlocks} good (${zeroBlocks} zero), ${badBlocks} bad${absent}`;
}
