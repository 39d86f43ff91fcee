/** Defects of the program that the cases find again and again: a test must not fail because of them every time. */

import type { Fault } from "./calls.ts";
import type { CaseResult } from "./cases.ts";
import type { BrokenPledge, Pledge } from "./pledges.ts";

/** A defect. It leaves the list when it is mended. */
export interface KnownDefect {
  /** What is wrong. */
  what: string;
  /** What it breaks. */
  pledges: readonly Pledge[];
  /** What a broken pledge and the context of its case say together. */
  says: RegExp;
  /** A case that shows it. */
  shownBy: { world: string } & ({ rules: string } | FaultOnFile);
}

/** A fault at the first or the last call of a kind on a file. */
export interface FaultOnFile {
  fault: Fault;
  kind: string;
  path: RegExp;
  which?: "last";
}

/** All of them. */
export const KNOWN: readonly KnownDefect[] = [
  {
    what: "a call that is interrupted (EINTR) is not made again, and ends the command",
    pledges: ["interruptions"],
    says: /EINTR at /,
    shownBy: { world: "digest", fault: "EINTR", kind: "read", path: /^q0\.dump\.gz$/ },
  },
  {
    what: "an error of flock counts as a file system without locks: the command goes on without the lock",
    pledges: ["locked", "no leftovers"],
    says: /(at|,) flock /,
    shownBy: { world: "digest", fault: "EIO", kind: "flock", path: /n\.digest/ },
  },
  {
    what: "a folder that could not be synced for want of quota (EDQUOT) counts as one that cannot be synced",
    pledges: ["synced"],
    says: /fsync of "(\.|one|two)" failed[^]*EDQUOT at /,
    shownBy: { world: "digest", fault: "EDQUOT", kind: "fsync", path: /^\.$/, which: "last" },
  },
  {
    what: "whatever happens when the folder of a descriptor that was replaced is synced is passed over",
    pledges: ["synced"],
    says: /fsync of "\." failed[^]*"restore in place flat/,
    shownBy: {
      world: "restore in place flat over files that exist",
      fault: "EIO",
      kind: "fsync",
      path: /^\.$/,
    },
  },
  {
    what: "a seal that the system does not let be read counts as one that is not there",
    pledges: ["proved", "right result", "nothing partial", "no leftovers"],
    says: /(EIO|EINTR) at ([^\n]*, )?(open|p?read|stat) \d+ of "[^"]*\.seal\.json"/,
    shownBy: { world: "restore raw", fault: "EIO", kind: "open", path: /^p1\.seal\.json$/ },
  },
  {
    what:
      "errors of the system on a seal, an archive of a folder, a parent or an extent have the exit code of damage",
    pledges: ["exit code"],
    says: /it is 3/,
    shownBy: { world: "changed", fault: "EIO", kind: "open", path: /^base-flat\.vmdk$/ },
  },
  {
    what: "errors in the commit, and some when a file is read, are told without the name of a file",
    pledges: ["message"],
    says:
      /vmdkbkp: [A-Z][a-z/ ]+ \(os error \d+\)(; not everything could be undone, the next run does it)?$/m,
    shownBy: { world: "digest", fault: "ENOSPC", kind: "fsync", path: /n\.digest/ },
  },
  {
    what:
      "a run that is killed while it looks whom a lock file belongs to leaves a file that nothing removes",
    pledges: ["no leftovers"],
    says: /^no leftovers: (\w+\/)?\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.vmdkbkp$/m,
    shownBy: { world: "digest over files that exist", rules: "kill-after@link:1;kill@unlink:1" },
  },
];

/** The defect because of which the pledge is broken, if it is a known one. */
export function knownDefect(
  broken: BrokenPledge,
  { context }: Pick<CaseResult, "context">,
): KnownDefect | undefined {
  const text = `${broken.message}\n${context}`;
  return KNOWN.find(({ pledges, says }) => pledges.includes(broken.pledge) && says.test(text));
}
