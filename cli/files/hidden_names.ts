/**
 * The hidden files that lie beside an output while it is made. They begin with a dot and end in `.vmdkbkp`, so that they can
 * be told from all other files, also when a killed run left them behind. All names here are base names in one folder.
 *
 * ```
 * .NAME.XXXXXXXX.vmdkbkp          the output until it is complete; X: a hexadecimal digit, drawn at random
 * .NAME.XXXXXXXX.journal.vmdkbkp  what a later run must know to go on with the output
 * .NAME.XXXXXXXX.old.vmdkbkp      the file that the output replaces, until the replacement is complete
 * .NAME.lock.vmdkbkp              the lock of the output, with a note of an unfinished commit
 * ```
 */

import { fnv1a } from "../fnv1a.ts";

const SUFFIX = ".vmdkbkp";
/** File names have at most 255 bytes; the longest hidden name adds 27 to the name of the output. */
const MAX_BASE_BYTES = 200;

/**
 * Whether the file of this name is passed over wherever the files of a folder are looked at: the files above, and those of
 * other programs, such as `._NAME`, in which macOS keeps the attributes of `NAME` on a file system without such.
 */
export function isHidden(name: string): boolean {
  return name.startsWith(".");
}

/** A name for the output until it is complete, never the same twice. */
export function temporaryNameOf(name: string): string {
  return hidden(name, randomHex());
}

/** A name for the file that the output replaces, never the same twice. */
export function asideNameOf(name: string): string {
  return hidden(name, `${randomHex()}.old`);
}

/** The name of the journal of a temporary file. */
export function journalNameOf(temporaryName: string): string {
  return `${temporaryName.slice(0, -SUFFIX.length)}.journal${SUFFIX}`;
}

/** The name of the lock of an output. */
export function lockNameOf(name: string): string {
  return hidden(name, "lock");
}

/** The name of the output whose lock is named `lockName`, if it is the name of a lock and does not stand for a long name. */
export function outputOfLock(lockName: string): string | undefined {
  const name = /^\.(.+)\.lock\.vmdkbkp$/s.exec(lockName)?.[1];
  return name === undefined || name.includes("/") ? undefined : name;
}

/** Whether {@linkcode temporaryNameOf} can have made `hiddenName` for the output `name`. */
export function isTemporaryNameOf(hiddenName: string, name: string): boolean {
  return kindOf(hiddenName, name) === "temporary";
}

/** Whether {@linkcode asideNameOf} can have made `hiddenName` for the output `name`. */
export function isAsideNameOf(hiddenName: string, name: string): boolean {
  return kindOf(hiddenName, name) === "aside";
}

/** What a hidden file is for the output `name`; undefined for every other file, locks included. */
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

/** The name, or what stands for it where it is too long for something to be put around it. */
function baseOf(name: string): string {
  // Outputs with equal hashes exclude each other without need, which does no harm.
  return new TextEncoder().encode(name).length > MAX_BASE_BYTES ? `output-${fnv1a(name)}` : name;
}

function randomHex(): string {
  return crypto.randomUUID().slice(0, 8);
}
