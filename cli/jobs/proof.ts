/** What proves the blocks that a list of archives leads to. */

import { formatSeriesId } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import { MismatchError } from "../errors.ts";
import type { Chain } from "../pipeline/chain.ts";
import { assertRoot, type KnownRoot, type Sealed } from "./seals.ts";
import type { Job } from "./job.ts";

/**
 * `root`: the MD5s of all blocks; `files`: the SHA-256 of every file, and that the files belong together; `digest`: the MD5s
 * in a digest that the user names; or nothing.
 */
export type ProofKind = "root" | "files" | "digest" | "nothing";

/** What is known of the generation that a list of archives leads to. */
export interface Proof {
  /** Of the last archive. */
  path: string;
  by: ProofKind;
  /** The roots of which the blocks must have one. They are compared whether anything proved them or not. */
  roots: readonly KnownRoot[];
  /** The entry of the last archive, whose header the result has. */
  last?: Sealed;
}

/**
 * Looks for what proves the blocks of an open list: a root in any seal beside the archives, or else an entry for each file.
 *
 * @throws {FormatError | Error} if nothing does and a seal cannot be read that may do it
 */
export async function proofOf(job: Job, chain: Chain): Promise<Proof> {
  const { readers, header } = chain;
  const sealed = await Promise.all(readers.map((reader) => job.sealed(reader)));
  const last = sealed.at(-1);
  const { path } = readers.at(-1)!;
  const own = last?.generation.root;
  const generation = { series: formatSeriesId(header.seriesId), time: formatTimeStamp(header.time) };
  const told = await job.rootsOf(readers.map((reader) => reader.path), generation);
  await job.changesOf(path, generation);
  // Two generations of one second are told apart by the entry of the file.
  const roots = !header.full ? [] : own ? told.filter(({ root }) => root === own) : told;
  const isProvedByRoot = roots.length > 0 && roots.every(({ isProved }) => isProved);
  const by = isProvedByRoot ? "root" : areProvedByFiles(sealed) ? "files" : "nothing";
  if (by === "nothing") {
    refuseUnreadable(job);
    refuseUnsigned(job, path);
  }
  job.warnOfSeals();
  return { path, by, roots, last };
}

/** Whether files, newest first, prove the blocks: each is sealed, was proved then, and begins where the one before leads to. */
export function areProvedByFiles(sealed: readonly (Sealed | undefined)[]): boolean {
  return sealed.every((entry, i) =>
    entry !== undefined && entry.file.unproved === undefined && (i === 0 || isLinked(sealed[i - 1]!, entry))
  );
}

/** Whether seals tell that an rdiff begins at the very blocks that the file in front of it leads to. */
function isLinked({ generation }: Sealed, { file: { from } }: Sealed): boolean {
  return from?.time === generation.time && from.root !== null && from.root === generation.root;
}

/** @throws {MismatchError} if only what the trusted key has signed counts */
export function refuseUnsigned(job: Job, path: string): void {
  if (!job.goesByKey) return;
  throw new MismatchError(
    `Cannot trust "${path}": no seal that the trusted key has signed tells what it must be (without --trusted-key ` +
      "it is used as it is)",
  );
}

/** @throws {FormatError | Error} if a seal cannot be read that may tell of the files that no other seal tells of */
export function refuseUnreadable(job: Job): void {
  const [unreadable] = job.unreadableSeals;
  if (unreadable === undefined) return;
  throw withAdvice(unreadable, "what is read may be in it; --without-seal goes by no seal");
}

/** @throws {MismatchError} if the blocks that were read are other ones than seals tell */
export async function assertProved(
  { path, roots }: Proof,
  root: { hex(): Promise<string> } | undefined,
): Promise<void> {
  if (root !== undefined) assertRoot(path, roots, await root.hex());
}

/** The same error, of the same kind, with what can be done. */
function withAdvice(error: Error, advice: string): Error {
  error.message += `; ${advice}`;
  return error;
}
