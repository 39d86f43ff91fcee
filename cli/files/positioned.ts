/** Reads and writes at offsets of a regular file or block device, large ones without stopping this thread. */

import { type BulkFile, openBulkFile } from "../../ffi/bulk_file.ts";
import { onFile, retryInterrupted } from "./system_errors.ts";

/** What is asked of the file; `systemPath` is a path that names it now, where it is not the one it was opened by. */
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

/** Below, the way to another thread and back takes longer than the work: some 25 µs, in which 256 KiB are read. */
const BULK_BYTES = 128 * 1024;

/** A file that alone moves the position of its `Deno.FsFile`, which stays the caller's to close. */
export class PositionedFile implements Disposable {
  readonly #file: OpenFile;
  readonly #path: string;
  readonly #write: boolean;
  /** Undefined until it is first of use, null if there is none. */
  #bulk: BulkFile | null | undefined;

  /** `path` is what `file` was opened by; it is written, or else read. Without `bulk` all is done at once. */
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
   * Fills `into`, which may lie in shared memory, from `offsetBytes`; returns how many bytes came, fewer at the end.
   * @throws the system's error
   */
  read(into: Uint8Array, offsetBytes: number): number | Promise<number> {
    if (into.length < BULK_BYTES) return this.readSync(into, offsetBytes);
    const bulk = this.#bulkFile();
    if (bulk === undefined) return this.readSync(into, offsetBytes);
    return bulk.read(into, offsetBytes).then((done) =>
      // An end or an error: the second call tells which.
      done === into.length ? done : done + this.readSync(into.subarray(done), offsetBytes + done)
    );
  }

  /** As `read`, at once. */
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
   * Writes all of `parts`, which may lie in shared memory and stay as they are meanwhile, one behind the other from
   * `offsetBytes` on.
   * @throws the system's error
   */
  write(parts: readonly Uint8Array[], offsetBytes: number): void | Promise<void> {
    const lenBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const bulk = lenBytes < BULK_BYTES ? undefined : this.#bulkFile();
    if (bulk === undefined) return this.#writeSync(parts, offsetBytes);
    // An error, nearly always: the second call tells which.
    return bulk.write(parts, offsetBytes).then((done) =>
      this.#writeSync(behind(done, parts), offsetBytes + done)
    );
  }

  #writeSync(parts: readonly Uint8Array[], offsetBytes: number): void {
    this.#file.seekSync(offsetBytes, Deno.SeekMode.Start);
    for (const part of parts) {
      for (let done = 0; done < part.length;) {
        const count = retryInterrupted(() => this.#file.writeSync!(part.subarray(done)));
        // No system call should do this; a loop that cannot end would hide it.
        if (count === 0) throw new Error("the system takes no bytes");
        done += count;
      }
    }
  }

  /** Has the system copy from another file; returns how many bytes went, 0 where it cannot. */
  async copyFrom(
    source: PositionedFile,
    range: { fromBytes: number; toBytes: number; lenBytes: number },
  ): Promise<number> {
    const [from, to] = [source.#bulkFile(), this.#bulkFile()];
    return from === undefined || to === undefined ? 0 : await to.copyFrom(from, range);
  }

  /** Ends the calls of other threads; the file stays open. */
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

/** What is left of `parts` behind their first `lenBytes`. */
export function behind(lenBytes: number, parts: readonly Uint8Array[]): readonly Uint8Array[] {
  if (lenBytes === 0) return parts;
  return parts.flatMap((part) => {
    const rest = part.subarray(lenBytes);
    lenBytes = Math.max(0, lenBytes - part.length);
    return rest.length > 0 ? [rest] : [];
  });
}
