/** A regular file that may be damaged: any part can be read, again and again, and sectors that cannot are zeros. */

import { statOf } from "../files/positioned.ts";
import { Pace } from "../pace.ts";
import { PlainSource, SHORT_READ_AHEAD_BYTES } from "./plain.ts";

/** What is asked of the open file. */
export type SeekableFile = Pick<Deno.FsFile, "readSync" | "seekSync" | "statSync" | "close">;

/** A disk that fails does so by whole sectors; no file system has smaller ones than this today. */
const UNREADABLE_BYTES = 4096;

/** Where the system could not read, as far as somebody has tried: sectors of {@linkcode UNREADABLE_BYTES}. */
export interface UnreadableSector {
  offsetBytes: number;
  reason: string;
}

/** What is read at once for reads of up to half of it. */
const PAGE_BYTES = 16 * 1024;
/** What a part that turns out to be long is read by. */
const MOST_AHEAD_BYTES = 256 * 1024;

/** Sectors that are told apart; a disk that is gone altogether has very many. */
const MAX_UNREADABLE = 1000;

/** Reads a file in parts, each as a source of its own. */
export class DamagedFile implements Disposable {
  readonly path: string;
  /** As it was when it was opened. */
  readonly sizeBytes: number;
  /** By their offsets. */
  readonly unreadable: Map<number, UnreadableSector> = new Map();
  /** The pace of the loops over it. */
  readonly pace: Pace;
  readonly #file: SeekableFile;
  /** What was read last for a small read. */
  #page?: Uint8Array;
  #pageAt = 0;
  #pageLen = 0;

  /** Takes over the open `file`, a regular one, and closes it when disposed. `path` is its name. */
  constructor(path: string, file: SeekableFile, { pace = new Pace() }: { pace?: Pace } = {}) {
    this.path = path;
    this.pace = pace;
    this.#file = file;
    this.sizeBytes = statOf(file, path).size;
  }

  /**
   * What lies from `offsetBytes` on; offsets in the source count from there. It is read as a stream: rubbish is walked in
   * very small steps, each of which would be a call of the system otherwise. Most that begins here and there is soon over, so
   * little is read ahead at first.
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

  /** Fills `into` from `offsetBytes`; returns how many bytes came, fewer only at the end. What cannot be read is zeros. */
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

  /** Through the page: what is read next lies close by, mostly. */
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
    this.#file.seekSync(offsetBytes, Deno.SeekMode.Start);
    let done = 0;
    while (done < into.length) {
      const got = this.#file.readSync(into.subarray(done));
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
