/** A file or block device with the bytes of a disk: whole reads and writes at an offset, and its holes. */

import { type HoleMap, openHoleMap } from "../../ffi/hole_map.ts";
import { formatError } from "../errors.ts";
import { type OpenFile, PositionedFile } from "../files/positioned.ts";
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
  readonly #bytes: PositionedFile;
  readonly #borrowed: boolean;
  /** Undefined until it is first asked for, null if there is none. */
  #holes: HoleMap | null | undefined;
  /** The stretch that was found last: callers walk through it in small steps. */
  #known = NOTHING;

  /**
   * Takes over `file` unless it is `borrowed`; `path` is its name, for messages and for the hole map. It is read, or
   * with `write` only written.
   */
  constructor(
    file: Deno.FsFile & Pick<OpenFile, "systemPath">,
    path: string,
    { borrowed = false, write = false } = {},
  ) {
    this.path = path;
    this.#file = file;
    this.#bytes = new PositionedFile(file, { path, write });
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
    this.#requireAll(
      into,
      offsetBytes,
      this.#attempt("read", offsetBytes, () => this.#bytes.readSync(into, offsetBytes)),
    );
  }

  /** As `read`, a large one without stopping this thread. */
  async readBulk(into: Uint8Array, offsetBytes: number): Promise<void> {
    const done = await this.#attemptBulk("read", offsetBytes, () => this.#bytes.read(into, offsetBytes));
    this.#requireAll(into, offsetBytes, done);
  }

  /** Writes all of `from` at `offsetBytes`, much of it without stopping this thread. */
  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    // What was a hole may be none any more, nor what is found to be one while another thread writes.
    this.#known = NOTHING;
    try {
      await this.#attemptBulk("write", offsetBytes, () => this.#bytes.write([from], offsetBytes));
    } finally {
      this.#known = NOTHING;
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

  #failure(action: "read" | "write", cause: unknown, offsetBytes?: number): Error {
    const at = offsetBytes === undefined ? "" : ` from byte ${offsetBytes} on`;
    return new Error(`Cannot ${action} disk "${this.path}"${at}: ${systemReason(cause)}`, { cause });
  }

  [Symbol.dispose](): void {
    this.#holes?.[Symbol.dispose]();
    this.#bytes[Symbol.dispose]();
    if (!this.#borrowed) this.#file.close();
  }
}

/** Gets a final name and returns an empty file, open for reading and writing, that will have it. */
export type OpenOutput = (path: string) => Deno.FsFile | Promise<Deno.FsFile>;

/** A new image of `sizeBytes`, all of it a hole, in the empty file `file`, which stays the caller's. */
export function createImage(
  file: Deno.FsFile & Pick<OpenFile, "systemPath">,
  { path, sizeBytes }: { path: string; sizeBytes: number },
): ImageFile {
  try {
    file.truncateSync(sizeBytes);
    return new ImageFile(file, path, { borrowed: true, write: true });
  } catch (cause) {
    throw new Error(`Cannot create disk "${path}" of ${sizeBytes} bytes: ${systemReason(cause)}`, { cause });
  }
}

/** What two names of one file have in common: device and inode, or else the real path `path`. */
export function fileIdentity({ dev, ino }: Deno.FileInfo, path: string): string {
  return `${dev}:${ino ?? path}`;
}
