/**
 * A regular file that may be damaged. Any part of it can be read, any number of times. Sectors that the
 * system cannot read are replaced with zeros.
 */

import { statOf } from "../files/positioned.ts";
import { retryInterrupted } from "../files/system_errors.ts";
import { Pace } from "../pace.ts";
import { SEEK } from "./bytes.ts";
import { PlainSource, SHORT_READ_AHEAD_BYTES } from "./plain_source.ts";

/** The methods of the open file that are used. */
export type SeekableFile = Pick<Deno.FsFile, "readSync" | "seekSync" | "statSync" | "close">;

/**
 * The unit in which unreadable parts are replaced. A disk fails in whole sectors, and no file system of today
 * has a smaller block than this.
 */
const UNREADABLE_BYTES = 4096;

/** A sector of {@linkcode UNREADABLE_BYTES} that the system could not read when it was tried. */
export interface UnreadableSector {
  offsetBytes: number;
  reason: string;
}

/** The length of the page buffer, which serves reads of up to half of its length. */
const PAGE_BYTES = 16 * 1024;
/** The largest read-ahead of a source. The read-ahead grows to it when a long part is read. */
const MOST_AHEAD_BYTES = 256 * 1024;

/** The largest number of unreadable sectors that are recorded. A disk that fails altogether has very many. */
const MAX_UNREADABLE = 1000;

/** A file that is read from any offset, by a separate source for each part. */
export class DamagedFile implements Disposable {
  readonly path: string;
  /** The length of the file when it was opened. */
  readonly sizeBytes: number;
  /** The unreadable sectors by their offsets. */
  readonly unreadable: Map<number, UnreadableSector> = new Map();
  /** Decides when loops over this file pause, so that signal handlers and timers run. */
  readonly pace: Pace;
  readonly #file: SeekableFile;
  /** The page buffer: the bytes that were read last for a small read. */
  #page?: Uint8Array;
  #pageAt = 0;
  #pageLen = 0;

  /**
   * Takes ownership of the open `file`, which must be a regular one, and closes it when disposed. `path` is
   * its name.
   */
  constructor(path: string, file: SeekableFile, { pace = new Pace() }: { pace?: Pace } = {}) {
    this.path = path;
    this.pace = pace;
    this.#file = file;
    this.sizeBytes = statOf(file, path).size;
  }

  /**
   * Returns a source of the bytes from `offsetBytes` on. Offsets in the source are relative to `offsetBytes`.
   * A source with a read-ahead is used because damaged data is scanned in very small steps, each of which
   * would be a system call otherwise. The read-ahead is small at first, because most parts that are begun are
   * short.
   */
  from(offsetBytes: number): PlainSource {
    let position = offsetBytes;
    const readSync = (into: Uint8Array) => {
      const got = this.readSync(into, position);
      position += got;
      return got > 0 ? got : null;
    };
    return new PlainSource(this.path, {
      readSync,
      read: (into) => Promise.resolve(readSync(into)),
      close() {},
    }, { aheadBytes: SHORT_READ_AHEAD_BYTES, mostAheadBytes: MOST_AHEAD_BYTES, pace: this.pace });
  }

  /**
   * Fills `into` from `offsetBytes` and returns the number of bytes, which is smaller only at the end of the
   * file. Bytes that cannot be read are zeros.
   */
  readSync(into: Uint8Array, offsetBytes: number): number {
    try {
      if (into.length <= PAGE_BYTES / 2) return this.#readFromPage(into, offsetBytes);
      return this.#read(into, offsetBytes);
    } catch {
      return this.#readBySectors(into, offsetBytes);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  /** Reads through the page buffer, because the next read is usually close to the last one. */
  #readFromPage(into: Uint8Array, offsetBytes: number): number {
    let at = offsetBytes - this.#pageAt;
    const hasAll = at >= 0 && at + into.length <= this.#pageLen;
    if (!hasAll) {
      const page = this.#page ??= new Uint8Array(PAGE_BYTES);
      this.#pageLen = 0;
      this.#pageLen = this.#read(page, offsetBytes);
      this.#pageAt = offsetBytes;
      at = 0;
    }
    const part = this.#page!.subarray(at, Math.min(at + into.length, this.#pageLen));
    into.set(part);
    return part.length;
  }

  #read(into: Uint8Array, offsetBytes: number): number {
    retryInterrupted(() => this.#file.seekSync(offsetBytes, SEEK.start));
    let done = 0;
    while (done < into.length) {
      const got = retryInterrupted(() => this.#file.readSync(into.subarray(done)));
      if (got === null || got === 0) break;
      done += got;
    }
    return done;
  }

  #readBySectors(into: Uint8Array, offsetBytes: number): number {
    const wanted = Math.max(0, Math.min(into.length, this.sizeBytes - offsetBytes));
    for (let done = 0, lenBytes: number; done < wanted; done += lenBytes) {
      const at = offsetBytes + done;
      lenBytes = Math.min(UNREADABLE_BYTES - at % UNREADABLE_BYTES, wanted - done);
      const part = into.subarray(done, done + lenBytes);
      try {
        const got = this.#read(part, at);
        part.fill(0, got);
      } catch (error) {
        part.fill(0);
        const sector = at - at % UNREADABLE_BYTES;
        if (this.unreadable.size < MAX_UNREADABLE) {
          this.unreadable.set(sector, { offsetBytes: sector, reason: (error as Error).message });
        }
      }
    }
    return wanted;
  }
}
