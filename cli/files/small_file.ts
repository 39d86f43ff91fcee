/** Reads small regular files, in whose place another user may have put something else. */

import { isInterrupted, retryInterrupted } from "./system_errors.ts";

/**
 * Returns the bytes of a regular file. A pipe or a device in its place is not opened, because that could wait
 * for ever.
 *
 * @param maxBytes the largest expected length. Of a longer file `maxBytes + 1` bytes are returned, so that
 * the caller can detect it.
 * @throws {Deno.errors.NotFound} if there is no file
 * @throws {Error} if it is not a regular file
 * @throws the system's error if it cannot be read
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  assertRegular(await Deno.stat(path));
  using file = await Deno.open(path);
  // The file may have been replaced between the two calls.
  const opened = await file.stat();
  assertRegular(opened);
  // Most files are far shorter than `maxBytes`, and a folder may have thousands of them.
  const bytes = new Uint8Array(Math.min(opened.size, maxBytes) + 1);
  let length = 0;
  while (length < bytes.length) {
    const got = await readOnce(file, bytes.subarray(length));
    if (got === 0) break;
    length += got;
  }
  return bytes.subarray(0, length);
}

/**
 * Reads from the current position until `into` is full or the file ends, because one call of the system may
 * return less. Returns the number of bytes.
 */
export function readFullySync(file: Pick<Deno.FsFile, "readSync">, into: Uint8Array): number {
  let length = 0;
  while (length < into.length) {
    const got = retryInterrupted(() => file.readSync(into.subarray(length))) ?? 0;
    if (got === 0) break;
    length += got;
  }
  return length;
}

async function readOnce(file: Deno.FsFile, into: Uint8Array): Promise<number> {
  for (;;) {
    try {
      return await file.read(into) ?? 0;
    } catch (error) {
      if (!isInterrupted(error)) throw error;
    }
  }
}

function assertRegular({ isFile }: Deno.FileInfo): void {
  if (!isFile) throw new Error("it is not a regular file");
}
