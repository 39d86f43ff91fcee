/** What reports say of seals and proofs. */

import type { ProofKind } from "../jobs/proof.ts";
import type { SignedBy } from "../jobs/seals.ts";

/** What is said of seals that the trusted key has signed: when the last one was, since an older state is signed as well. */
export function signedText(signed: readonly SignedBy[]): string[] {
  if (signed.length === 0) return [];
  const last = signed.reduce((a, b) => a.signedAt > b.signedAt ? a : b);
  return [
    `  ${
      signed.length === 1 ? "1 seal is" : `${signed.length} seals are`
    } signed by key ${last.keyId}, the last one at ` +
    last.signedAt.toISOString(),
  ];
}

/** What is said of archives without a seal: the line of a report, if there are such. */
export function unsealedText(paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  return [
    `  no seal: ${
      paths.join(", ")
    }: that their metadata changed, or that an rdiff was cut between two records, ` +
    "cannot be seen",
  ];
}

/** The line of a report where nothing proves the blocks. */
export function unprovedText(
  by: ProofKind,
  why = "neither a seal nor a digest tells what the blocks must be",
): string[] {
  return by === "nothing" ? [`  NOT PROVED: ${why}`] : [];
}
