/** The wording of the errors of disks: the action, the path, then the reason. */

import { FileError, FormatError, type FormatFault } from "../errors.ts";
import { isMissing, reasonOf } from "../files/system_errors.ts";

/** Where the fault lies, for programs; the message is for people. */
export type RefusalFault = Omit<FormatFault, "path"> & { cause?: unknown };

/** Makes an error such as `Cannot open disk "x.vmdk": the header has version 4, at most 3 is known`. */
export function cannotOpen(
  path: string,
  reason: string,
  { cause, ...fault }: RefusalFault = {},
): FormatError {
  return new FormatError(`Cannot open disk "${path}": ${reason}`, { path, ...fault }, { cause });
}

/**
 * Makes an error such as `Cannot read disk "x.vmdk": grain 9 lies at sector 1073741824, the file has 896`.
 */
export function cannotRead(
  path: string,
  reason: string,
  { cause, ...fault }: RefusalFault = {},
): FormatError {
  return new FormatError(`Cannot read disk "${path}": ${reason}`, { path, ...fault }, { cause });
}

/** A file that a disk consists of and that could not be opened. */
export interface UnopenedPart {
  /** The file as the disk names it: `the extent "a-flat.vmdk"`. */
  name: string;
  path: string;
  cause: unknown;
}

/**
 * Makes the error of a part of the disk `path` that could not be opened. A part that is missing is a fault of the disk. All
 * else that the system reports, such as EIO or EACCES, is an error of the system.
 */
export function partNotOpened(path: string, part: UnopenedPart): FormatError | FileError {
  const { name, cause } = part;
  const reason = systemReason(cause);
  const text = `${name} cannot be opened: ${reason}`;
  if (isMissing(cause)) return cannotOpen(path, text, { cause });
  const message = `Cannot open disk "${path}": ${text}`;
  return new FileError({ action: "open", path: part.path, reason }, { message, cause });
}

/** Returns the reason for which the operating system, or Deno, refused an action: `no such file`. */
export function systemReason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.NotCapable) return "Deno was started without the permission for it";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotADirectory) return "a part of its path is not a directory";
  if (error instanceof Deno.errors.FilesystemLoop) return "its symbolic links form a loop";
  if (error instanceof Deno.errors.Busy) return "it is in use";
  return reasonOf(error);
}

const QUOTED_LENGTH = 120;

/**
 * Quotes text from inside a file for a message. It is cut to 120 characters, and control characters are
 * escaped, since a terminal would obey them.
 */
export function quoted(text: string): string {
  const shown = text.length > QUOTED_LENGTH ? `${text.slice(0, QUOTED_LENGTH)}...` : text;
  return `"${shown.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`)}"`;
}

/**
 * Checks the bounds of a read or write.
 * @throws {RangeError} if the `lengthBytes` from `offsetBytes` on do not lie inside `capacityBytes`
 */
export function checkRange(
  offsetBytes: number,
  lengthBytes: number,
  { path, capacityBytes }: { path: string; capacityBytes: number },
): void {
  if (Number.isSafeInteger(offsetBytes) && offsetBytes >= 0 && offsetBytes + lengthBytes <= capacityBytes) {
    return;
  }
  throw new RangeError(
    `Cannot access disk "${path}": ${lengthBytes} bytes at byte ${offsetBytes} are wanted, the disk has ${capacityBytes}`,
  );
}
