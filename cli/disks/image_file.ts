/**
 * A file or block device with the bytes of a disk: complete reads and writes at an offset, and the holes of
 * the file.
 */

import { type HoleMap, openHoleMap } from "../../ffi/hole_map.ts";
import { type HolePuncher, openHolePuncher } from "../../ffi/punch_hole.ts";
import { FileError, formatError } from "../errors.ts";
import { type OpenFile, PositionedFile, statOf } from "../files/positioned.ts";
import { onFile, retryInterrupted } from "../files/system_errors.ts";
import type { Extent } from "./disk.ts";
import { systemReason } from "./refusal.ts";

/** An empty run, which contains no offset. */
const NOTHING: Extent & { beginBytes: number } = { beginBytes: 0, endBytes: 0, zero: false };

/** The number of bytes in one write of zeros, where a hole is not possible. */
const ZEROS_BYTES = 1024 * 1024;

/** An open image. Nothing else may move the position of its `Deno.FsFile`. */
export class ImageFile implements Disposable {
  readonly path: string;
  /** The size of the file or device when it was opened. */
  readonly sizeBytes: number;
  readonly #file: Deno.FsFile;
  readonly #bytes: PositionedFile;
  /** Reads the same file. `#bytes` may have a descriptor that is open for writing only. */
  readonly #readable: PositionedFile;
  readonly #borrowed: boolean;
  /** The map of the holes: undefined before it is first needed, null if the file has none. */
  #holes: HoleMap | null | undefined;
  /** The run that was found last, because callers walk through it in small steps. */
  #known = NOTHING;
  /** Makes holes: undefined before it is first needed, null if the file cannot have any. */
  #puncher: HolePuncher | null | undefined;

  /**
   * Takes ownership of `file` unless it is `borrowed`. `path` is its name, for messages and for the hole map.
   * With `write` the file is written, otherwise only read.
   */
  constructor(
    file: Deno.FsFile & Pick<OpenFile, "systemPath">,
    path: string,
    { borrowed = false, write = false } = {},
  ) {
    this.path = path;
    this.#file = file;
    this.#bytes = new PositionedFile(file, { path, write });
    this.#readable = write ? new PositionedFile(file, { path }) : this.#bytes;
    this.#borrowed = borrowed;
    // A block device has a `stat().size` of 0, but its end can be sought.
    this.sizeBytes = file.seekSync(0, Deno.SeekMode.End);
  }

  /** Returns a text that is the same for all names of this file. */
  identity(): string {
    return fileIdentity(statOf(this.#file, this.path), this.path);
  }

  /**
   * Fills `into`, which may lie in shared memory, with the bytes from `offsetBytes` on.
   * @throws {FormatError} if the file ends before `into` is full
   */
  read(into: Uint8Array, offsetBytes: number): void {
    this.#requireAll(
      into,
      offsetBytes,
      this.#attempt("read", offsetBytes, () => this.#readable.readSync(into, offsetBytes)),
    );
  }

  /** The same as `read`, but a large read does not block this thread. */
  async readBulk(into: Uint8Array, offsetBytes: number): Promise<void> {
    const done = await this.#attemptBulk("read", offsetBytes, () => this.#readable.read(into, offsetBytes));
    this.#requireAll(into, offsetBytes, done);
  }

  /** Writes all of `from` at `offsetBytes`. A large write does not block this thread. */
  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    // The run may have been a hole, and one that another call finds during the write may be outdated as well.
    this.#known = NOTHING;
    try {
      await this.#attemptBulk("write", offsetBytes, () => this.#bytes.write([from], offsetBytes));
    } finally {
      this.#known = NOTHING;
    }
  }

  /** Makes `lenBytes` bytes from `offsetBytes` on zero: a hole if the file system can have one. */
  async writeZeros(offsetBytes: number, lenBytes: number): Promise<void> {
    this.#known = NOTHING;
    this.#puncher ??= onFile("look at", this.path, () => openHolePuncher(this.path, this.#file)) ?? null;
    const isHole = await this.#puncher?.punch(offsetBytes, lenBytes) ?? false;
    this.#known = NOTHING;
    if (isHole) return;
    const zeros = new Uint8Array(Math.min(lenBytes, ZEROS_BYTES));
    for (let done = 0; done < lenBytes;) {
      const part = zeros.subarray(0, lenBytes - done);
      await this.write(part, offsetBytes + done);
      done += part.length;
    }
  }

  /**
   * Returns the run that begins at `offsetBytes` (0 <= `offsetBytes` < `sizeBytes`): a hole, or bytes that
   * count as data.
   */
  extentAt(offsetBytes: number): Extent {
    const { beginBytes, endBytes } = this.#known;
    if (offsetBytes < beginBytes || offsetBytes >= endBytes) this.#known = this.#runAt(offsetBytes);
    return { endBytes: this.#known.endBytes, zero: this.#known.zero };
  }

  #runAt(beginBytes: number): Extent & { beginBytes: number } {
    this.#holes ??= this.#openHoles() ?? null;
    const run = this.#holes?.runAt(beginBytes) ?? { endBytes: this.sizeBytes, hole: false };
    return { beginBytes, endBytes: run.endBytes, zero: run.hole };
  }

  #openHoles(): HoleMap | undefined {
    // Only regular files have holes; a block device answers EINVAL.
    if (!statOf(this.#file, this.path).isFile) return undefined;
    const map = onFile("look at", this.path, () => openHoleMap(this.path, this.#file));
    if (map === undefined || map.sizeBytes === this.sizeBytes) return map;
    map[Symbol.dispose]();
    return undefined;
  }

  /** Returns when everything that was written is on stable storage. */
  sync(): void {
    try {
      retryInterrupted(() => this.#file.syncSync());
    } catch (error) {
      throw this.#failure("sync", error);
    }
  }

  #requireAll(into: Uint8Array, offsetBytes: number, done: number): void {
    if (done === into.length) return;
    throw formatError("disk", {
      path: this.path,
      offsetBytes: offsetBytes + done,
      expected: `a file of at least ${offsetBytes + into.length} bytes`,
      found: "its end",
    });
  }

  #attempt<T>(action: "read" | "write", offsetBytes: number, call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw this.#failure(action, error, offsetBytes);
    }
  }

  async #attemptBulk<T>(
    action: "read" | "write",
    offsetBytes: number,
    call: () => T | Promise<T>,
  ): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.#failure(action, error, offsetBytes);
    }
  }

  #failure(action: "read" | "write" | "sync", cause: unknown, offsetBytes?: number): FileError {
    const fault = { action: `${action} disk`, path: this.path, reason: systemReason(cause) };
    const at = offsetBytes === undefined ? "" : ` from byte ${offsetBytes} on`;
    const message = `Cannot ${fault.action} "${fault.path}"${at}: ${fault.reason}`;
    return new FileError(fault, { message, cause });
  }

  [Symbol.dispose](): void {
    this.#holes?.[Symbol.dispose]();
    this.#puncher?.[Symbol.dispose]();
    this.#readable[Symbol.dispose]();
    this.#bytes[Symbol.dispose]();
    if (!this.#borrowed) this.#file.close();
  }
}

/**
 * A function that returns an empty file, open for reading and writing, which will get the final name `path`.
 */
export type OpenOutput = (path: string) => Deno.FsFile | Promise<Deno.FsFile>;

/**
 * Makes an image of `sizeBytes`, which is one hole, in the empty file `file`. The file remains the caller's
 * to close.
 */
export function createImage(
  file: Deno.FsFile & Pick<OpenFile, "systemPath">,
  { path, sizeBytes }: { path: string; sizeBytes: number },
): ImageFile {
  try {
    file.truncateSync(sizeBytes);
    return new ImageFile(file, path, { borrowed: true, write: true });
  } catch (cause) {
    const fault = { action: "create disk", path, reason: systemReason(cause) };
    const message = `Cannot create disk "${path}" of ${sizeBytes} bytes: ${fault.reason}`;
    throw new FileError(fault, { message, cause });
  }
}

/**
 * Returns what all names of one file have in common: its device and inode, or the real path `path` where the
 * system has no inodes.
 */
export function fileIdentity({ dev, ino }: Deno.FileInfo, path: string): string {
  return `${dev}:${ino ?? path}`;
}
