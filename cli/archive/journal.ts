/**
 * The journal of a full dump: the MD5 of every block that was written, beside the unfinished file, so that a later run can
 * tell what of it is intact and go on.
 *
 * ```
 *   0  "vmdkbkp journal\n"
 *  16  32 bytes         SHA-256 of the dump's header and of what is known of the disk
 *  48  16 bytes a block the MD5, or zeros for a zero block; of the last one some may be missing
 * ```
 *
 * The digest itself would not do: it is compressed in pieces of 32768 blocks, which are written long after the blocks. Neither
 * file is synced meanwhile: what a power failure takes from one of them or both, the comparison of the two shows.
 */

import { FileError } from "../errors.ts";
import { PositionedFile, statOf } from "../files/positioned.ts";

const MAGIC = new TextEncoder().encode("vmdkbkp journal\n");
const KEY_BYTES = 32;
const HEADER_BYTES = MAGIC.length + KEY_BYTES;
const MD5_BYTES = 16;

/** An open file, which stays the caller's. */
export type JournalFile = Pick<
  Deno.FsFile,
  "readSync" | "writeSync" | "statSync" | "seekSync" | "truncateSync"
>;

/** The key of a journal. `disk`: any text that is another one for another disk */
export async function journalKey(headerBytes: Uint8Array, disk: string): Promise<Uint8Array> {
  const text = new TextEncoder().encode(disk);
  const bytes = new Uint8Array(headerBytes.length + text.length);
  bytes.set(headerBytes);
  bytes.set(text, headerBytes.length);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** One journal, in a regular file. */
export class Journal {
  readonly #path: string;
  readonly #file: JournalFile;
  readonly #positioned: PositionedFile;
  #blocks: number;

  /** Whatever `file` holds so far. `path`: of the dump, for messages */
  constructor(path: string, file: JournalFile) {
    this.#path = path;
    this.#file = file;
    // What goes through at a time is small.
    this.#positioned = new PositionedFile(file, { path, write: true, bulk: false });
    this.#blocks = Math.max(0, Math.floor((statOf(file, path).size - HEADER_BYTES) / MD5_BYTES));
  }

  /** Blocks that are recorded. */
  get blocks(): number {
    return this.#blocks;
  }

  /** The key it was begun with; undefined if it has no whole header. */
  get key(): Uint8Array | undefined {
    const header = new Uint8Array(HEADER_BYTES);
    if (this.#read(header, 0) < HEADER_BYTES) return undefined;
    if (MAGIC.some((byte, i) => byte !== header[i])) return undefined;
    return header.subarray(MAGIC.length);
  }

  /** Begins anew. */
  async begin(key: Uint8Array): Promise<void> {
    this.#cut(0);
    this.#blocks = 0;
    await this.#write([MAGIC, key], 0);
  }

  /** Forgets all blocks behind the first `blocks`. */
  cut(blocks: number): void {
    this.#cut(HEADER_BYTES + blocks * MD5_BYTES);
    this.#blocks = blocks;
  }

  /** Records the next blocks, 16 bytes each. */
  async append(md5s: Uint8Array): Promise<void> {
    await this.#write([md5s], HEADER_BYTES + this.#blocks * MD5_BYTES);
    this.#blocks += md5s.length / MD5_BYTES;
  }

  /** Reads what is recorded from `block` on; `into` ends before `blocks` does. */
  read(into: Uint8Array, block: number): void {
    const got = this.#read(into, HEADER_BYTES + block * MD5_BYTES);
    if (got < into.length) {
      throw new Error(`Cannot read the journal of "${this.#path}": it was cut meanwhile`);
    }
  }

  async #write(parts: readonly Uint8Array[], offsetBytes: number): Promise<void> {
    try {
      await this.#positioned.write(parts, offsetBytes);
    } catch (cause) {
      throw this.#failure("write", cause);
    }
  }

  #read(into: Uint8Array, offsetBytes: number): number {
    try {
      return this.#positioned.readSync(into, offsetBytes);
    } catch (cause) {
      throw this.#failure("read", cause);
    }
  }

  #cut(lenBytes: number): void {
    try {
      this.#file.truncateSync(lenBytes);
    } catch (cause) {
      throw this.#failure("cut", cause);
    }
  }

  #failure(action: string, cause: unknown): FileError {
    const fault = { action: `${action} the journal of`, path: this.#path, reason: (cause as Error).message };
    return new FileError(fault, { cause });
  }
}
