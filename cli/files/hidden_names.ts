/**
 * The names of the hidden files beside an output while it is written. They begin with a dot and end with
 * `.vmdkbkp`, so that they can be distinguished from all other files, also after a run was killed. All names
 * here are base names in one folder.
 *
 * ```
 * .NAME.XXXXXXXX.vmdkbkp          the output until it is complete; X: a random hexadecimal digit
 * .NAME.XXXXXXXX.journal.vmdkbkp  what a later run needs to continue the output
 * .NAME.XXXXXXXX.old.vmdkbkp      the file that the output replaces, until the replacement is complete
 * .NAME.lock.vmdkbkp              the lock of the output, with a note of an unfinished commit
 * ```
 */

import { fnv1a } from "../fnv1a.ts";

const SUFFIX = ".vmdkbkp";
/**
 * The longest name of an output that is part of hidden names. File names have at most 255 bytes, and the
 * longest hidden name adds 27 bytes.
 */
const MAX_BASE_BYTES = 200;

/**
 * Returns whether a file with this name is ignored when the files of a folder are listed. These are the files
 * above, and files of other programs such as `._NAME`, in which macOS stores the attributes of `NAME` on file
 * systems without attributes.
 */
export function isHidden(name: string): boolean {
  return name.startsWith(".");
}

/** Returns a random name for the output until it is complete. */
export function temporaryNameOf(name: string): string {
  return hidden(name, randomHex());
}

/** Returns a random name for the file that the output replaces. */
export function asideNameOf(name: string): string {
  return hidden(name, `${randomHex()}.old`);
}

/** Returns the name of the journal of a temporary file. */
export function journalNameOf(temporaryName: string): string {
  return `${temporaryName.slice(0, -SUFFIX.length)}.journal${SUFFIX}`;
}

/** Returns the name of the lock file of an output. */
export function lockNameOf(name: string): string {
  return hidden(name, "lock");
}

/**
 * Returns the name of the output of a lock file; undefined if `lockName` is not the name of a lock file. For
 * an output with a long name the result is the hash in its place.
 */
export function outputOfLock(lockName: string): string | undefined {
  const name = /^\.(.+)\.lock\.vmdkbkp$/s.exec(lockName)?.[1];
  return name === undefined || name.includes("/") ? undefined : name;
}

/** Returns whether {@linkcode temporaryNameOf} can have made `hiddenName` for the output `name`. */
export function isTemporaryNameOf(hiddenName: string, name: string): boolean {
  return kindOf(hiddenName, name) === "temporary";
}

/** Returns whether {@linkcode asideNameOf} can have made `hiddenName` for the output `name`. */
export function isAsideNameOf(hiddenName: string, name: string): boolean {
  return kindOf(hiddenName, name) === "aside";
}

/**
 * Returns the kind of a hidden file of the output `name`; undefined for every other file and for lock files.
 */
export function kindOf(hiddenName: string, name: string): "temporary" | "aside" | "journal" | undefined {
  const start = `.${baseOf(name)}.`;
  if (!hiddenName.startsWith(start)) return undefined;
  const end = /^[0-9a-f]{8}(\.old|\.journal)?\.vmdkbkp$/.exec(hiddenName.slice(start.length));
  if (end === null) return undefined;
  return end[1] === undefined ? "temporary" : end[1] === ".old" ? "aside" : "journal";
}

function hidden(name: string, kind: string): string {
  return `.${baseOf(name)}.${kind}${SUFFIX}`;
}

/**
 * Returns the part of hidden names that identifies the output: its name, or a hash of it if the name is long.
 */
function baseOf(name: string): string {
  // Outputs with equal hashes exclude each other needlessly, which does no harm.
  return new TextEncoder().encode(name).length > MAX_BASE_BYTES ? `output-${fnv1a(name)}` : name;
}

function randomHex(): string {
  return crypto.randomUUID().slice(0, 8);
}
