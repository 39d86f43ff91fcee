/**
 * The journal of a full dump: a file beside the unfinished dump with the MD5 of every block that was written.
 * With it a later run can determine which part of the unfinished file is intact, and continue from there.
 *
 * ```
 *   0  "vmdkbkp journal\n"
 *  16  32 bytes         the key: SHA-256 of the dump's header and of a text that identifies the disk
 *  48  16 bytes a block the MD5, or zeros for a zero block; the last record may be incomplete
 * ```
 *
 * The digest cannot serve as the journal: it is compressed in pieces of 32768 blocks, which are written long
 * after the blocks. Neither file is synced while the dump is written. A comparison of the two shows what a
 * power failure has removed from one or both of them.
 */

import { FileError } from "../errors.ts";
import { PositionedFile, statOf } from "../files/positioned.ts";

const MAGIC = new TextEncoder().encode("vmdkbkp journal\n");
const KEY_BYTES = 32;
const HEADER_BYTES = MAGIC.length + KEY_BYTES;
const MD5_BYTES = 16;

/** The methods of an open file that are used. The caller closes the file. */
export type JournalFile = Pick<
  Deno.FsFile,
  "readSync" | "writeSync" | "statSync" | "seekSync" | "truncateSync"
>;

/**
 * Returns the key of a journal, which identifies the dump and its disk.
 *
 * @param headerBytes the header of the dump
 * @param disk any text that differs between disks
 */
export async function journalKey(headerBytes: Uint8Array, disk: string): Promise<Uint8Array> {
  const text = new TextEncoder().encode(disk);
  const bytes = new Uint8Array(headerBytes.length + text.length);
  bytes.set(headerBytes);
  bytes.set(text, headerBytes.length);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** A journal in a regular file. */
export class Journal {
  readonly #path: string;
  readonly #file: JournalFile;
  readonly #positioned: PositionedFile;
  #blocks: number;

  /**
   * Opens the journal in `file`, which may be empty or contain anything.
   *
   * @param path the path of the dump, for messages
   */
  constructor(path: string, file: JournalFile) {
    this.#path = path;
    this.#file = file;
    // All reads and writes are small.
    this.#positioned = new PositionedFile(file, { path, write: true, bulk: false });
    this.#blocks = Math.max(0, Math.floor((statOf(file, path).size - HEADER_BYTES) / MD5_BYTES));
  }

  /** The number of recorded blocks. */
  get blocks(): number {
    return this.#blocks;
  }

  /** The key with which the journal was begun, or undefined if the file has no complete header. */
  get key(): Uint8Array | undefined {
    const header = new Uint8Array(HEADER_BYTES);
    if (this.#read(header, 0) < HEADER_BYTES) return undefined;
    if (MAGIC.some((byte, i) => byte !== header[i])) return undefined;
    return header.subarray(MAGIC.length);
  }

  /** Removes all content and begins a new journal. */
  async begin(key: Uint8Array): Promise<void> {
    this.#cut(0);
    this.#blocks = 0;
    await this.#write([MAGIC, key], 0);
  }

  /** Removes all records but those of the first `blocks` blocks. */
  cut(blocks: number): void {
    this.#cut(HEADER_BYTES + blocks * MD5_BYTES);
    this.#blocks = blocks;
  }

  /** Appends the MD5s of the next blocks, 16 bytes each. */
  async append(md5s: Uint8Array): Promise<void> {
    await this.#write([md5s], HEADER_BYTES + this.#blocks * MD5_BYTES);
    this.#blocks += md5s.length / MD5_BYTES;
  }

  /** Fills `into` with the records from `block` on. All of them must be among the recorded blocks. */
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
