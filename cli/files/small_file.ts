/** Reads small regular files that somebody else may have put in place of what is looked for. */

import { isInterrupted } from "./system_errors.ts";

/**
 * The bytes of a regular file. A pipe or a device in its place is not opened, since that could wait for ever.
 *
 * @param maxBytes of a longer file one byte more than this comes, so that the caller can tell
 * @throws {Deno.errors.NotFound} if there is none
 * @throws {Error} if it is no regular file
 * @throws the system's error if it cannot be read
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  assertRegular(await Deno.stat(path));
  using file = await Deno.open(path);
  // What was exchanged at this moment.
  const opened = await file.stat();
  assertRegular(opened);
  // Of most files far less than is accepted is needed, and a folder may have thousands of them.
  const bytes = new Uint8Array(Math.min(opened.size, maxBytes) + 1);
  let length = 0;
  while (length < bytes.length) {
    const got = await readOnce(file, bytes.subarray(length));
    if (got === 0) break;
    length += got;
  }
  return bytes.subarray(0, length);
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
