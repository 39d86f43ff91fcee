/** SHA-256 of a file as it lies there. */

import type { PassingHash } from "../archive/bytes.ts";
import { createSha256 } from "../archive/sha256.ts";
import { openInput } from "./input_file.ts";

/** Bytes that are read at a time. */
const PART_BYTES = 1024 * 1024;

/**
 * Memory that no hash is read to. Of hundreds of files in a row each would leave its own to the collector,
 * which comes late.
 */
const FREE_PARTS: Uint8Array<ArrayBuffer>[] = [];

/** Length and hash of a file. */
export interface FileHash {
  bytes: number;
  /** 64 hexadecimal digits. */
  sha256: string;
}

/** Reads a whole file. @throws the system's error, with the path */
export async function hashFile(path: string, { signal }: { signal?: AbortSignal } = {}): Promise<FileHash> {
  using file = await openInput(path);
  const hash = await createSha256();
  const part = FREE_PARTS.pop() ?? new Uint8Array(PART_BYTES);
  let bytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const got = await file.read(part);
    if (got === null) break;
    hash.update(part.subarray(0, got));
    bytes += got;
  }
  FREE_PARTS.push(part);
  return { bytes, sha256: hash.hex() };
}

/** Tells `hash` the first `lenBytes` bytes of an open file, which it leaves behind them. */
export async function hashStart(
  file: Pick<Deno.FsFile, "read" | "seekSync">,
  { lenBytes, hash, signal }: { lenBytes: number; hash: PassingHash; signal?: AbortSignal },
): Promise<void> {
  file.seekSync(0, Deno.SeekMode.Start);
  const part = new Uint8Array(PART_BYTES);
  for (let done = 0; done < lenBytes;) {
    signal?.throwIfAborted();
    const got = await file.read(part.subarray(0, lenBytes - done));
    if (got === null) throw new Error("Cannot go on with the dump: its file was cut meanwhile");
    await hash.update([part.subarray(0, got)]);
    done += got;
  }
}
