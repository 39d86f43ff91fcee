/** SHA-256 of a file as it lies there. */

import { createSha256 } from "../archive/sha256.ts";

/** Bytes that are read at a time. */
const PART_BYTES = 1024 * 1024;

/** Length and hash of a file. */
export interface FileHash {
  bytes: number;
  /** 64 hexadecimal digits. */
  sha256: string;
}

/** Reads a whole file. @throws the system's error, with the path */
export async function hashFile(path: string, { signal }: { signal?: AbortSignal } = {}): Promise<FileHash> {
  using file = await Deno.open(path);
  const hash = await createSha256();
  const part = new Uint8Array(PART_BYTES);
  let bytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const got = await file.read(part);
    if (got === null) return { bytes, sha256: hash.hex() };
    hash.update(part.subarray(0, got));
    bytes += got;
  }
}
