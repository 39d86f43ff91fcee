/** A file or block device with the bytes of a disk: whole reads and writes at an offset, and its holes. */

import { type HoleMap, openHoleMap } from "../../ffi/libc.ts";
import { formatError } from "../errors.ts";
import type { Extent } from "./disk.ts";
import { systemReason } from "./refusal.ts";

/** A stretch without bytes. */
const NOTHING: Extent & { beginBytes: number } = { beginBytes: 0, endBytes: 0, zero: false };

/** An open image; it alone moves the position of the `Deno.FsFile`. */
export class ImageFile implements Disposable {
  readonly path: string;
  /** Bytes of the file or device at the time it was opened. */
  readonly sizeBytes: number;
  readonly #file: Deno.FsFile;
  readonly #borrowed: boolean;
  /** Undefined until it is first asked for, null if there is none. */
  #holes: HoleMap | null | undefined;
  /** The stretch that was found last: callers walk through it in small steps. */
  #known = NOTHING;

  /** Takes over `file` unless it is `borrowed`; `path` is its name, for messages and for the hole map. */
  constructor(file: Deno.FsFile, path: string, { borrowed = false } = {}) {
    this.path = path;
    this.#file = file;
    this.#borrowed = borrowed;
    // A block device has a stat().size of 0; its end can be sought.
    this.sizeBytes = file.seekSync(0, Deno.SeekMode.End);
  }

  /** Tells whether two names are one file. */
  identity(): string {
    return fileIdentity(this.#file.statSync(), this.path);
  }

  /**
   * Fills `into`, which may lie in shared memory, from `offsetBytes` on.
   * @throws {FormatError} if the file ends before `into` is full
   */
  read(into: Uint8Array, offsetBytes: number): void {
    let done = 0;
    try {
      this.#file.seekSync(offsetBytes, Deno.SeekMode.Start);
      while (done < into.length) {
        const count = this.#file.readSync(into.subarray(done));
        if (count === null || count === 0) break;
        done += count;
      }
    } catch (error) {
      throw this.#failure("read", error, offsetBytes + done);
    }
    if (done === into.length) return;
    throw formatError("disk", {
      path: this.path,
      offsetBytes: offsetBytes + done,
      expected: `a file of at least ${offsetBytes + into.length} bytes`,
      found: "its end",
    });
  }

  /** Writes all of `from` at `offsetBytes`. */
  write(from: Uint8Array, offsetBytes: number): void {
    let done = 0;
    // What was a hole may be none any more.
    this.#known = NOTHING;
    try {
      this.#file.seekSync(offsetBytes, Deno.SeekMode.Start);
      while (done < from.length) done += this.#file.writeSync(from.subarray(done));
    } catch (error) {
      throw this.#failure("write", error, offsetBytes + done);
    }
  }

  /** The stretch that begins at `offsetBytes` (0 <= `offsetBytes` < `sizeBytes`): a hole, or what counts as data. */
  extentAt(offsetBytes: number): Extent {
    const { beginBytes, endBytes } = this.#known;
    if (offsetBytes < beginBytes || offsetBytes >= endBytes) this.#known = this.#stretchAt(offsetBytes);
    return { endBytes: this.#known.endBytes, zero: this.#known.zero };
  }

  #stretchAt(beginBytes: number): Extent & { beginBytes: number } {
    this.#holes ??= this.#openHoles() ?? null;
    const stretch = this.#holes?.stretchAt(beginBytes) ?? { endBytes: this.sizeBytes, hole: false };
    return { beginBytes, endBytes: stretch.endBytes, zero: stretch.hole };
  }

  #openHoles(): HoleMap | undefined {
    // Only regular files have holes to speak of; a block device answers EINVAL.
    if (!this.#file.statSync().isFile) return undefined;
    const map = openHoleMap(this.path, this.#file);
    if (map === undefined || map.sizeBytes === this.sizeBytes) return map;
    map[Symbol.dispose]();
    return undefined;
  }

  /** Returns when everything written is on stable storage. */
  sync(): void {
    try {
      this.#file.syncSync();
    } catch (error) {
      throw this.#failure("write", error);
    }
  }

  #failure(action: "read" | "write", cause: unknown, offsetBytes?: number): Error {
    const at = offsetBytes === undefined ? "" : ` at byte ${offsetBytes}`;
    return new Error(`Cannot ${action} disk "${this.path}"${at}: ${systemReason(cause)}`, { cause });
  }

  [Symbol.dispose](): void {
    this.#holes?.[Symbol.dispose]();
    if (!this.#borrowed) this.#file.close();
  }
}

/** A new image of `sizeBytes`, all of it a hole, in the empty file `file`, which stays the caller's. */
export function createImage(
  file: Deno.FsFile,
  { path, sizeBytes }: { path: string; sizeBytes: number },
): ImageFile {
  try {
    file.truncateSync(sizeBytes);
    return new ImageFile(file, path, { borrowed: true });
  } catch (cause) {
    throw new Error(`Cannot create disk "${path}" of ${sizeBytes} bytes: ${systemReason(cause)}`, { cause });
  }
}

/** What two names of one file have in common: device and inode, or else the real path `path`. */
export function fileIdentity({ dev, ino }: Deno.FileInfo, path: string): string {
  return `${dev}:${ino ?? path}`;
}
