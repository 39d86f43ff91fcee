/** Finds what proves the blocks to which a list of archives leads. */

import { formatSeriesId } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { MismatchError } from "../errors.ts";
import type { Chain } from "../pipeline/chain.ts";
import { assertRoot, type KnownRoot, type Sealed } from "./seals.ts";
import type { Job } from "./job.ts";

/**
 * What proves that blocks are right:
 *
 * - `root`: a seal records the SHA-256 over the MD5s of all blocks of the generation, and they have it;
 * - `files`: seals record the SHA-256 of every file that was read and how the files belong together, and they
 *   are so;
 * - `digest`: the blocks have the MD5s of a digest that the request names;
 * - `nothing`: none of these. The blocks are what the archives hold, and whether that is right is not known.
 */
export type ProofKind = "root" | "files" | "digest" | "nothing";

/** What is known of the generation to which a list of archives leads. */
export interface Proof {
  /** Path of the last archive. */
  path: string;
  /** What proves the blocks, if the comparison with `roots` or with the seals of the files succeeds. */
  by: ProofKind;
  /**
   * The blocks must have one of these roots, if there are any: also a root that was unproved when it was
   * sealed.
   */
  roots: readonly KnownRoot[];
  /** The entry of the last archive in a seal. The header of the last archive is that of the result. */
  last?: Sealed;
}

/**
 * Looks for what can prove the blocks of an open list: a root in any seal beside the archives, or else an
 * entry for each file. A root is no proof for a caller that does not compute the root of the blocks it reads
 * (`computesRoot` is false).
 *
 * @throws {FormatError | Error} if nothing is found, and a seal beside the archives cannot be read
 * @throws {MismatchError} if nothing is found, and only seals count that a trusted key has signed
 */
export async function proofOf(
  job: Job,
  chain: Chain,
  { computesRoot = true }: { computesRoot?: boolean } = {},
): Promise<Proof> {
  const { readers, header } = chain;
  const sealed = await Promise.all(readers.map((reader) => job.seals.sealed(reader)));
  const last = sealed.at(-1);
  const { path } = readers.at(-1)!;
  const own = last?.generation.root;
  const generation = { series: formatSeriesId(header.seriesId), time: formatTimeStamp(header.time) };
  const told = await job.seals.rootsOf(readers.map((reader) => reader.path), generation);
  await job.seals.changesOf(path, generation);
  // If two generations were made in the same second, the entry of the file says which of them it is.
  const roots = !header.full ? [] : own ? told.filter(({ root }) => root === own) : told;
  const isProvedByRoot = computesRoot && roots.length > 0 && roots.every(({ isProved }) => isProved);
  const by = isProvedByRoot ? "root" : areProvedByFiles(sealed) ? "files" : "nothing";
  if (by === "nothing") {
    refuseUnreadable(job);
    refuseUnsigned(job, path);
  }
  return { path, by, roots, last };
}

/**
 * Returns whether the seals of files, newest first, prove the blocks: each file is sealed, its blocks were
 * proved then, and it begins at the generation to which the file before it leads.
 */
export function areProvedByFiles(sealed: readonly (Sealed | undefined)[]): boolean {
  return sealed.every((entry, i) =>
    entry !== undefined && entry.file.unproved === undefined && (i === 0 || isLinked(sealed[i - 1]!, entry))
  );
}

/** Returns whether seals say that an rdiff begins at exactly the blocks to which the file before it leads. */
function isLinked({ generation }: Sealed, { file: { from } }: Sealed): boolean {
  return from?.time === generation.time && from.root !== null && from.root === generation.root;
}

/** @throws {MismatchError} if only seals count that a trusted key has signed */
export function refuseUnsigned(job: Job, path: string): void {
  if (!job.seals.goesByKey) return;
  throw new MismatchError(
    `Cannot trust "${path}": no seal that the trusted key has signed tells what it must be (without --trusted-key ` +
      "it is used as it is)",
  );
}

/**
 * @throws {FormatError | Error} if a seal beside the inputs cannot be read: it may name the files that no
 *   other seal names
 */
export function refuseUnreadable(job: Job): void {
  const [unreadable] = job.seals.unreadableSeals;
  if (unreadable === undefined) return;
  throw withAdvice(
    unreadable,
    "what is read may be in it; in dump, restore, merge, digest and rdiff --without-seal goes by no seal",
  );
}

/** @throws {MismatchError} if the blocks that were read do not have a root that seals record */
export async function assertProved(
  { path, roots }: Proof,
  root: { hex(): Promise<string> } | undefined,
): Promise<void> {
  if (root !== undefined) assertRoot(path, roots, await root.hex());
}

/** Adds advice to the message of an error. */
function withAdvice(error: Error, advice: string): Error {
  error.message += `; ${advice}`;
  return error;
}
