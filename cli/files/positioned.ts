/**
 * Reads and writes at offsets of a regular file or block device. Large reads and writes run on another
 * thread.
 */

import { type BulkFile, openBulkFile } from "../../ffi/bulk_file.ts";
import { onFile, retryInterrupted } from "./system_errors.ts";

/**
 * The methods of an open file that are used. `systemPath` is the current path of the file, if it differs from
 * the one by which it was opened.
 */
export type OpenFile =
  & Partial<Pick<Deno.FsFile, "readSync" | "writeSync">>
  & Pick<Deno.FsFile, "statSync" | "seekSync">
  & { readonly systemPath?: string };

/**
 * Returns the state of an open file.
 *
 * @param path the name of the file for messages
 * @throws {FileError} if the system refuses
 */
export function statOf(file: Pick<Deno.FsFile, "statSync">, path: string): Deno.FileInfo {
  return onFile("look at", path, () => file.statSync());
}

/**
 * The shortest read or write that runs on another thread. For a shorter one the switch to the thread and back
 * takes longer than the work: about 25 µs, in which 256 KiB can be read.
 */
const BULK_BYTES = 128 * 1024;

/**
 * A file with reads and writes at offsets. No other code may move the position of its `Deno.FsFile`, and the
 * caller closes it.
 */
export class PositionedFile implements Disposable {
  readonly #file: OpenFile;
  readonly #path: string;
  readonly #write: boolean;
  /** The file for large reads and writes: undefined until it is needed, null if there is none. */
  #bulk: BulkFile | null | undefined;

  /**
   * Uses an open file.
   *
   * @param options.path the path by which `file` was opened
   * @param options.write whether the file is written; otherwise it is read
   * @param options.bulk whether large reads and writes may run on another thread, by default true
   */
  constructor(
    file: OpenFile,
    { path, write = false, bulk = true }: { path: string; write?: boolean; bulk?: boolean },
  ) {
    this.#file = file;
    this.#path = file.systemPath ?? path;
    this.#write = write;
    if (!bulk) this.#bulk = null;
  }

  /**
   * Fills `into`, which may be shared memory, from `offsetBytes`. Returns the number of bytes, which is
   * smaller only at the end of the file.
   *
   * @throws the system's error
   */
  read(into: Uint8Array, offsetBytes: number): number | Promise<number> {
    if (into.length < BULK_BYTES) return this.readSync(into, offsetBytes);
    const bulk = this.#bulkFile();
    if (bulk === undefined) return this.readSync(into, offsetBytes);
    return bulk.read(into, offsetBytes).then((done) =>
      // The read ended at the end of the file or with an error, which the synchronous call finds out.
      done === into.length ? done : done + this.readSync(into.subarray(done), offsetBytes + done)
    );
  }

  /** Does the same as `read` synchronously. */
  readSync(into: Uint8Array, offsetBytes: number): number {
    let done = 0;
    this.#file.seekSync(offsetBytes, Deno.SeekMode.Start);
    while (done < into.length) {
      const count = retryInterrupted(() => this.#file.readSync!(into.subarray(done)));
      if (count === null || count === 0) break;
      done += count;
    }
    return done;
  }

  /**
   * Writes all of `parts`, one after the other, from `offsetBytes` on. They may be shared memory, and must
   * not change until the promise resolves.
   *
   * @throws the system's error
   */
  write(parts: readonly Uint8Array[], offsetBytes: number): void | Promise<void> {
    const lenBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const bulk = lenBytes < BULK_BYTES ? undefined : this.#bulkFile();
    if (bulk === undefined) return this.#writeSync(parts, offsetBytes);
    // If not all bytes were written, there was nearly always an error, which the synchronous call finds out.
    return bulk.write(parts, offsetBytes).then((done) =>
      this.#writeSync(behind(done, parts), offsetBytes + done)
    );
  }

  #writeSync(parts: readonly Uint8Array[], offsetBytes: number): void {
    this.#file.seekSync(offsetBytes, Deno.SeekMode.Start);
    for (const part of parts) {
      for (let done = 0; done < part.length;) {
        const count = retryInterrupted(() => this.#file.writeSync!(part.subarray(done)));
        // No system call should return 0 here. Without this check the loop would not end.
        if (count === 0) throw new Error("the system takes no bytes");
        done += count;
      }
    }
  }

  /**
   * Copies bytes from another file with a system call. Returns the number of bytes, which is 0 where the
   * system cannot do this.
   */
  async copyFrom(
    source: PositionedFile,
    range: { fromBytes: number; toBytes: number; lenBytes: number },
  ): Promise<number> {
    const [from, to] = [source.#bulkFile(), this.#bulkFile()];
    return from === undefined || to === undefined ? 0 : await to.copyFrom(from, range);
  }

  /**
   * Closes the second descriptor, which other threads use, after the calls in progress on it. The file itself
   * stays open.
   */
  [Symbol.dispose](): void {
    this.#bulk?.[Symbol.dispose]();
    this.#bulk = null;
  }

  #bulkFile(): BulkFile | undefined {
    if (this.#bulk === undefined) {
      this.#bulk = openBulkFile(this.#path, this.#file, { write: this.#write }) ?? null;
    }
    return this.#bulk ?? undefined;
  }
}

/** Returns what remains of `parts` after their first `lenBytes` bytes. */
export function behind(lenBytes: number, parts: readonly Uint8Array[]): readonly Uint8Array[] {
  if (lenBytes === 0) return parts;
  return parts.flatMap((part) => {
    const rest = part.subarray(lenBytes);
    lenBytes = Math.max(0, lenBytes - part.length);
    return rest.length > 0 ? [rest] : [];
  });
}
