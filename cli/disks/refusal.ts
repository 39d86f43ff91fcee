/** How the disks room words its errors: the action, the path, then what is wrong. */

import { FormatError, type FormatFault } from "../errors.ts";

/** Where the fault lies, for programs; the sentence is for people. */
export type Fault = Omit<FormatFault, "path"> & { cause?: unknown };

/** `Cannot open disk "x.vmdk": the header has version 4, at most 3 is known`. */
export function cannotOpen(path: string, reason: string, { cause, ...fault }: Fault = {}): FormatError {
  return new FormatError(`Cannot open disk "${path}": ${reason}`, { path, ...fault }, { cause });
}

/** `Cannot read disk "x.vmdk": grain 9 lies at sector 1073741824, the file has 896`. */
export function cannotRead(path: string, reason: string, { cause, ...fault }: Fault = {}): FormatError {
  return new FormatError(`Cannot read disk "${path}": ${reason}`, { path, ...fault }, { cause });
}

/** Why the operating system, or Deno, refused: `no such file`. */
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

/** Text from inside a file, quoted for a message: cut to 120 characters, and nothing a terminal would obey. */
export function quoted(text: string): string {
  const shown = text.length > QUOTED_LENGTH ? `${text.slice(0, QUOTED_LENGTH)}...` : text;
  return `"${shown.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`)}"`;
}

/**
 * Bounds of a read or write.
 * @throws {RangeError} if `lengthBytes` from `offsetBytes` on do not lie inside `capacityBytes`
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
