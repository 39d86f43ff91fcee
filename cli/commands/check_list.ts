/** Checks a list of archives, as `restore` would take it. */

import { formatTimeStamp } from "../archive/time_stamp.ts";
import { UsageError } from "../errors.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import { assertSameGeneration, type Chain } from "../pipeline/chain.ts";
import { check, type CheckResult } from "../pipeline/check.ts";
import type { Verdict } from "./check.ts";
import { containerFault, digestFault, type Fault, faultIn, isPlain, recordsFault } from "./check_file.ts";
import { type Sealed, unsealedText } from "./seals.ts";
import type { Session } from "./session.ts";
import { headerJson } from "./summary.ts";

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
  /** The root that a seal promises for the generation. */
  root: string | null;
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
  const list = await open(session, archives, { digestin, quick });
  const { chain, root, unsealed } = list;
  const isProvable = digestin !== undefined || (root !== null && chain.header.full);
  // Files that are what was sealed are good without a word of their blocks.
  if (!quick && !isProvable && unsealed.length > 0) {
    throw new UsageError(
      `Cannot check "${
        archives.at(-1)
      }": --digestin is missing, and no seal tells the blocks of its generation`,
    );
  }
  const faults: string[] = [];
  // Any of them may be the one that is missing.
  if (unsealed.length > 0) faults.push(...session.damagedSeals.map(({ message }) => message));
  const result = quick ? undefined : await checkBlocks(list, faults);
  if (quick) await checkStructure(list, faults);
  else for (const prove of list.proofs) note(faults, await faultIn(async () => void await prove()));
  const ok = faults.length === 0 && (result?.badBlocks ?? 0) === 0;
  const text = [
    result === undefined ? `${archives.length} archives: the blocks were not read` : findings(result),
    ...faults.map((fault) => `  wrong: ${fault}`),
    ...unsealedText(unsealed),
  ];
  const name = formatTimeStamp(chain.header.time);
  const failure = ok ? {} : { failure: text.join("\n") };
  return {
    ok,
    text,
    json: {
      archives,
      ...(digestin === undefined ? {} : { digest: digestin }),
      generation: headerJson(chain.header),
      ...result,
      faults,
      unsealed,
    },
    suites: [{ name: "archives", cases: [{ name, ...failure }] }],
  };
}

async function open(
  session: Session,
  archives: readonly string[],
  { digestin, quick }: { digestin?: string; quick: boolean },
): Promise<List> {
  const chain = await session.chain(archives);
  const digest = digestin === undefined
    ? undefined
    : await DigestReader.open(session.core, await session.source(digestin));
  if (digest !== undefined) assertSameGeneration(chain.readers.at(-1)!, digest);
  const sealed: Sealed[] = [];
  const unsealed: string[] = [];
  const proofs: List["proofs"] = [];
  let root: string | null = null;
  for (const reader of [...chain.readers, ...digest === undefined ? [] : [digest]]) {
    const entry = await session.sealed(reader);
    if (entry === undefined) unsealed.push(reader.path);
    else sealed.push(entry);
    if (entry !== undefined && !quick) proofs.push(session.proveWhileRead(reader, entry));
    if (reader === chain.readers.at(-1) || reader === digest) {
      root = entry?.generation.root || root;
    }
  }
  return { session, chain, digest, sealed, unsealed, proofs, root };
}

async function checkBlocks({ session, chain, digest, root }: List, faults: string[]): Promise<CheckResult> {
  const sha256 = root !== null && chain.header.full ? session.root() : undefined;
  const result = await check(session.core, { chain, digest, root: sha256 }, session.run);
  if (sha256 !== undefined && await sha256.hex() !== root && result.badBlocks === 0) {
    faults.push("the blocks are not those that the seal was made of (another root)");
  }
  return result;
}

/** Reads everything but blocks. */
async function checkStructure({ session, chain, digest, sealed }: List, faults: string[]): Promise<void> {
  const sealedAs = (path: string) => sealed.find((entry) => entry.path === path);
  for (const reader of chain.readers) {
    const { path } = reader;
    if (isPlain(path)) note(faults, await recordsFault(session, reader, sealedAs(path)));
    else note(faults, await containerFault(path));
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
