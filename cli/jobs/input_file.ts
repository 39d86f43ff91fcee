/** Files that a command reads, as it was given them. */

import { containerOfName } from "../archive/container.ts";
import { statOf } from "../files/positioned.ts";
import { fileError } from "../files/system_errors.ts";
import { readablePath } from "../files/unfinished.ts";

/** Standard input or output instead of a file. */
export const STREAM = "-";

/** A regular file that is read, and what it was like when it was opened. */
export interface Input {
  source: Disposable & { readonly path: string };
  file: Deno.FsFile;
  before: Deno.FileInfo;
}

/** Standard input or a pipe, which can be read only once. */
export function isStream(path: string): boolean {
  try {
    const info = path === STREAM ? undefined : Deno.statSync(path);
    return info === undefined || info.isFifo === true || info.isCharDevice === true;
  } catch {
    return false;
  }
}

/** Names that archives have, if nothing else tells what they are: dumps and rdiffs, and digests. */
export const HOLDS_BLOCKS: RegExp = /\.(dump|rdiff)(\.(gz|zst))?$/;
export const HOLDS_DIGESTS: RegExp = /\.digest(\.(gz|zst))?$/;

/** Whether the name of a file says that it is compressed. */
export function isCompressed(path: string | undefined): boolean {
  return path !== undefined && containerOfName(path) !== "plain";
}

/**
 * Opens a file for reading: of one that a killed run was about to replace, the file that it was before. Waits
 * for the other end of a named pipe, while signals are heard (but not by Deno 2.4, which opens in one step).
 */
export async function openInput(path: string): Promise<Deno.FsFile> {
  const place = await readablePath(path);
  try {
    return await Deno.open(place);
  } catch (cause) {
    throw fileError("open", path, cause);
  }
}

/** What is copied out of an archive must be what was verified of it a moment before. */
export function assertUnchanged({ source, file, before }: Input): void {
  const after = statOf(file, source.path);
  const show = ({ size, mtime }: Deno.FileInfo) =>
    `${size} bytes of ${mtime?.toISOString() ?? "unknown time"}`;
  if (show(before) === show(after)) return;
  throw new Error(
    `Cannot use "${source.path}": it changed while it was read, from ${show(before)} to ${show(after)}`,
  );
}

/** The first bytes of a regular file, as text; nothing if there is none. */
export function beginningOf(path: string): string {
  try {
    if (!Deno.statSync(path).isFile) return "";
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(256);
    return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  } catch {
    return "";
  }
}

/** A file of this size takes as long to compress as a worker takes to start. */
const MUCH_BYTES = 32 * 1024 * 1024;

/**
 * Whether the names and sizes of files promise work for more than a thread, long enough to start another one.
 */
export function hasMuchToCompress(
  { inputs, outputs = [] }: { inputs: readonly string[]; outputs?: readonly (string | undefined)[] },
): boolean {
  if (![...inputs, ...outputs].some(isCompressed)) return false;
  return sizeOf(inputs) >= MUCH_BYTES;
}

/** Bytes of files, as far as that is known. */
export function sizeOf(paths: readonly string[]): number {
  let bytes = 0;
  for (const path of paths) {
    try {
      if (path !== STREAM) bytes += Deno.statSync(path).size;
    } catch {
      // Whoever opens the file tells what is wrong with it.
    }
  }
  return bytes;
}
