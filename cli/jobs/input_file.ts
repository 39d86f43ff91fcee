/** Opens input files by their paths, and finds out what their names and sizes say. */

import { containerOfName } from "../archive/container.ts";
import { statOf } from "../files/positioned.ts";
import { statIfThere } from "../files/paths.ts";
import { readFullySync } from "../files/small_file.ts";
import { fileError, onFile } from "../files/system_errors.ts";
import { readablePath } from "../files/unfinished.ts";

/** The path that means standard input or output. */
export const STREAM = "-";

/** A regular file that is open for reading, with its state when it was opened. */
export interface Input {
  source: Disposable & { readonly path: string };
  file: Deno.FsFile;
  before: Deno.FileInfo;
}

/** Returns whether `path` is standard input, a pipe or a character device, which can be read only once. */
export function isStream(path: string): boolean {
  try {
    const info = path === STREAM ? undefined : Deno.statSync(path);
    return info === undefined || info.isFifo === true || info.isCharDevice === true;
  } catch {
    return false;
  }
}

/** The names of dumps and rdiffs, and of digests, for folders in which other files are as well. */
export const HOLDS_BLOCKS: RegExp = /\.(dump|rdiff)(\.(gz|zst))?$/;
export const HOLDS_DIGESTS: RegExp = /\.digest(\.(gz|zst))?$/;

/** Returns whether the name of a file says that it is compressed. */
export function isCompressed(path: string | undefined): boolean {
  return path !== undefined && containerOfName(path) !== "plain";
}

/**
 * Opens a file for reading. If a run was killed while it replaced the file, the earlier file is opened.
 * Opening a named pipe waits for the program at its other end; signals are handled meanwhile, except by Deno
 * 2.4.
 */
export async function openInput(path: string): Promise<Deno.FsFile> {
  const place = await readablePath(path);
  try {
    return await Deno.open(place);
  } catch (cause) {
    throw fileError("open", path, cause);
  }
}

/**
 * @throws {Error} if a file changed since it was opened: what was read may differ from what was verified
 *   before
 */
export function assertUnchanged({ source, file, before }: Input): void {
  const after = statOf(file, source.path);
  const show = ({ size, mtime }: Deno.FileInfo) =>
    `${size} bytes of ${mtime?.toISOString() ?? "unknown time"}`;
  if (show(before) === show(after)) return;
  throw new Error(
    `Cannot use "${source.path}": it changed while it was read, from ${show(before)} to ${show(after)}`,
  );
}

/**
 * Returns the first 256 bytes of a regular file as text; an empty text if there is no such file.
 *
 * @throws {FileError} if the file cannot be read
 */
export function beginningOf(path: string): string {
  if (statIfThere(path)?.isFile !== true) return "";
  return onFile("read", path, () => {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(256);
    return new TextDecoder().decode(bytes.subarray(0, readFullySync(file, bytes)));
  });
}

/** Compressing so many bytes takes as long as starting a worker. */
const MUCH_BYTES = 32 * 1024 * 1024;

/**
 * Returns whether files are compressed and so large that starting a worker saves time, by their names and
 * sizes.
 */
export function hasMuchToCompress(
  { inputs, outputs = [] }: { inputs: readonly string[]; outputs?: readonly (string | undefined)[] },
): boolean {
  if (![...inputs, ...outputs].some(isCompressed)) return false;
  return sizeOf(inputs) >= MUCH_BYTES;
}

/** Returns the sum of the lengths of files in bytes. Streams and files that cannot be found count as 0. */
export function sizeOf(paths: readonly string[]): number {
  let bytes = 0;
  for (const path of paths) {
    try {
      if (path !== STREAM) bytes += Deno.statSync(path).size;
    } catch {
      // The error is reported when the file is opened.
    }
  }
  return bytes;
}
