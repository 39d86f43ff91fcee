/** SHA-256 of files as they are stored, compressed or not. */

import type { PassingHash } from "../archive/bytes.ts";
import { createSha256 } from "../archive/sha256.ts";
import { fileError, isInterrupted, onFile } from "../files/system_errors.ts";
import { openInput } from "./input_file.ts";

/** Bytes that are read at a time. */
const PART_BYTES = 1024 * 1024;

/**
 * Buffers that are not in use. If each of hundreds of files had a buffer of its own, the garbage collector
 * would free them too late.
 */
const FREE_PARTS: Uint8Array<ArrayBuffer>[] = [];

/** Length and hash of a file. */
export interface FileHash {
  bytes: number;
  /** SHA-256 as 64 hexadecimal digits. */
  sha256: string;
}

/** Reads a whole file and returns its length and hash. @throws {FileError} if the system refuses */
export async function hashFile(path: string, { signal }: { signal?: AbortSignal } = {}): Promise<FileHash> {
  using file = await openInput(path);
  const hash = await createSha256();
  const part = FREE_PARTS.pop() ?? new Uint8Array(PART_BYTES);
  let bytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const got = await readNext(file, part, path);
    if (got === null) break;
    hash.update(part.subarray(0, got));
    bytes += got;
  }
  FREE_PARTS.push(part);
  return { bytes, sha256: hash.hex() };
}

/**
 * Adds the first `lenBytes` bytes of an open file to `hash`, and leaves the position of the file after them.
 */
export async function hashStart(
  file: Pick<Deno.FsFile, "read" | "seekSync">,
  { path, lenBytes, hash, signal }: {
    path: string;
    lenBytes: number;
    hash: PassingHash;
    signal?: AbortSignal;
  },
): Promise<void> {
  onFile("seek in", path, () => file.seekSync(0, Deno.SeekMode.Start));
  const part = new Uint8Array(PART_BYTES);
  for (let done = 0; done < lenBytes;) {
    signal?.throwIfAborted();
    const got = await readNext(file, part.subarray(0, lenBytes - done), path);
    if (got === null) throw new Error(`Cannot continue the dump "${path}": its file was cut meanwhile`);
    await hash.update([part.subarray(0, got)]);
    done += got;
  }
}

/** Reads the next bytes of a file, and again if a signal interrupts that. @throws {FileError} */
async function readNext(
  file: Pick<Deno.FsFile, "read">,
  into: Uint8Array,
  path: string,
): Promise<number | null> {
  for (;;) {
    try {
      return await file.read(into);
    } catch (cause) {
      if (!isInterrupted(cause)) throw fileError("read", path, cause);
    }
  }
}
