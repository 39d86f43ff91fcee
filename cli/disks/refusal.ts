/** The wording of the errors of disks: the action, the path, then the reason. */

import { FormatError, type FormatFault } from "../errors.ts";

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

/** Returns the reason for which the operating system, or Deno, refused an action: `no such file`. */
export function systemReason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.NotCapable) return "Deno was started without the permission for it";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotADirectory) return "a part of its path is not a directory";
  if (error instanceof Deno.errors.FilesystemLoop) return "its symbolic links form a loop";
  if (error instanceof Deno.errors.Busy) return "it is in use";
  return error instanceof Error ? error.message : String(error);
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
