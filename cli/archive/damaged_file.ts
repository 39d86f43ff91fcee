/** A regular file that may be damaged: any part can be read, again and again, and sectors that cannot are zeros. */

import { PlainSource } from "./plain.ts";

/** What is asked of the open file. */
export type SeekableFile = Pick<Deno.FsFile, "readSync" | "seekSync" | "statSync" | "close">;

/** A disk that fails does so by whole sectors; no file system has smaller ones than this today. */
const UNREADABLE_BYTES = 4096;

/** Where the system could not read, as far as somebody has tried: sectors of {@linkcode UNREADABLE_BYTES}. */
export interface UnreadableSector {
  offsetBytes: number;
  reason: string;
}

/** Sectors that are told apart; a disk that is gone altogether has very many. */
const MAX_UNREADABLE = 1000;

/** Reads a file in parts, each as a source of its own. */
export class DamagedFile implements Disposable {
  readonly path: string;
  /** As it was when it was opened. */
  readonly sizeBytes: number;
  /** By their offsets. */
  readonly unreadable: Map<number, UnreadableSector> = new Map();
  readonly #file: SeekableFile;

  /** Takes over the open `file`, a regular one, and closes it when disposed. `path` is its name. */
  constructor(path: string, file: SeekableFile) {
    this.path = path;
    this.#file = file;
    this.sizeBytes = file.statSync().size;
  }

  /**
   * What lies from `offsetBytes` on; offsets in the source count from there. It is read as a stream: rubbish is walked in
   * very small steps, each of which would be a call of the system otherwise.
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
    });
  }

  /** Fills `into` from `offsetBytes`; returns how many bytes came, fewer only at the end. What cannot be read is zeros. */
  readSync(into: Uint8Array, offsetBytes: number): number {
    try {
      return this.#read(into, offsetBytes);
    } catch {
      return this.#readBySectors(into, offsetBytes);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
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
