/** The sink of uncompressed bytes: a regular file, a pipe, a device, or standard output. */

import { behind, PositionedFile, statOf } from "../files/positioned.ts";
import { fileError } from "../files/system_errors.ts";
import { settleAll } from "../settle_all.ts";
import { PlainSource } from "./plain_source.ts";
import { type ByteSink, type Origin, type PassingHash, SEEK, type Written } from "./bytes.ts";

/**
 * An open file to write, or `Deno.stdout`; the methods are used as those of `InputFile`.
 * `systemPath` is the current path of the file, if it differs from the one by which it was opened.
 */
export type OutputFile =
  & Pick<Deno.FsFile, "writeSync" | "write">
  & Partial<Pick<Deno.FsFile, "statSync" | "seekSync">>
  & { readonly systemPath?: string };

/**
 * Options of {@linkcode PlainSink}: a hash of all bytes that are written, and the number of bytes in front of
 * the file's position.
 */
export interface SinkState {
  hash?: PassingHash;
  doneBytes?: number;
}

/**
 * The shortest write that is replaced with a copy by the system. For a shorter one the system call costs more
 * than writing the bytes, which are in memory already.
 */
const COPY_BYTES = 64 * 1024;

/** The bytes of shared memory that are written at a time to a pipe, which takes only copies. */
const STREAM_BYTES = 256 * 1024;

/** Writes bytes to a file without compression. The caller syncs and closes the file. */
export class PlainSink implements ByteSink {
  readonly path: string;
  readonly #file: OutputFile;
  /** Undefined if the file is not a regular one. */
  readonly #positioned?: PositionedFile;
  /** The offset in the file at which the sink begins. */
  readonly #beginBytes: number = 0;
  #offsetBytes = 0;
  /**
   * The last write. A write begins when the one before it is stored, because the system executes writes to
   * one file one after the other anyway.
   */
  #last: Written = { stored: Promise.resolve(), free: Promise.resolve() };
  readonly #hash?: PassingHash;

  /**
   * Writes to `file` from its current position.
   *
   * @param path the path of the file, for messages
   * @param options.hash computes a hash of all bytes that are written, in order
   * @param options.doneBytes the number of bytes of the stream in front of the current position
   */
  constructor(path: string, file: OutputFile, { hash, doneBytes = 0 }: SinkState = {}) {
    this.path = path;
    this.#file = file;
    this.#hash = hash;
    this.#offsetBytes = doneBytes;
    const { statSync, seekSync } = file;
    if (statSync === undefined || seekSync === undefined || !statOf(file as Deno.FsFile, path).isFile) return;
    this.#positioned = new PositionedFile(file as Deno.FsFile, { path, write: true });
    this.#beginBytes = file.seekSync!(0, SEEK.current) - doneBytes;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get storedBytes(): number {
    return this.#offsetBytes;
  }

  /** Writes bytes. If they were read from a regular file without compression, the system copies them. */
  write(from: Uint8Array, origin?: Origin): Promise<void> {
    return this.writeParts([from], origin).free;
  }

  writeParts(parts: readonly Uint8Array[], origin?: Origin): Written {
    const offsetBytes = this.#offsetBytes;
    for (const part of parts) this.#offsetBytes += part.length;
    const lenBytes = this.#offsetBytes - offsetBytes;
    const before = this.#last;
    const stored = before.stored.then(() => this.#store(parts, { offsetBytes, lenBytes, origin }));
    // Hashing starts after the write has started, and not earlier: it may run on this thread, which must
    // start the write.
    const hashed = before.stored.then(() => this.#hashParts(parts));
    // If several of them fail, the error of the file is reported, because it is the first in the list.
    const free = settleAll([stored, before.free, hashed]);
    // A caller that does not wait for this write gets its failure from the next call, so the rejection must
    // not count as unhandled.
    for (const outcome of [stored, free]) outcome.catch(() => {});
    return this.#last = { stored, free };
  }

  async flush(): Promise<void> {
    await this.#last.stored;
  }

  finish(): Promise<void> {
    return this.#last.free;
  }

  [Symbol.dispose](): void {
    this.#positioned?.[Symbol.dispose]();
  }

  async #store(
    parts: readonly Uint8Array[],
    { offsetBytes, lenBytes, origin }: { offsetBytes: number; lenBytes: number; origin?: Origin },
  ): Promise<void> {
    try {
      await this.#storeParts(parts, { offsetBytes, lenBytes, origin });
    } catch (cause) {
      throw fileError("write", this.path, cause);
    }
  }

  async #hashParts(parts: readonly Uint8Array[]): Promise<void> {
    try {
      await this.#hash?.update(parts);
    } catch (cause) {
      throw fileError("hash", this.path, cause);
    }
  }

  async #storeParts(
    parts: readonly Uint8Array[],
    { offsetBytes, lenBytes, origin }: { offsetBytes: number; lenBytes: number; origin?: Origin },
  ): Promise<void> {
    if (this.#positioned === undefined) {
      for (const part of parts) await this.#writeStream(part);
      return;
    }
    const toBytes = this.#beginBytes + offsetBytes;
    const copied = origin === undefined ? 0 : await this.#copy(origin, { toBytes, lenBytes });
    await this.#positioned.write(behind(copied, parts), toBytes + copied);
  }

  async #copy(
    { source, offsetBytes }: Origin,
    { toBytes, lenBytes }: { toBytes: number; lenBytes: number },
  ): Promise<number> {
    if (!(source instanceof PlainSource) || lenBytes < COPY_BYTES) return 0;
    return await source.copyTo(this.#positioned!, { offsetBytes, toBytes, lenBytes });
  }

  /**
   * Writes to a stream. Memory that is shared needs a copy, because Deno's asynchronous write does not accept
   * it.
   */
  async #writeStream(from: Uint8Array): Promise<void> {
    for (let done = 0; done < from.length;) {
      const rest = from.subarray(done);
      const part = rest.buffer instanceof ArrayBuffer ? rest : rest.slice(0, STREAM_BYTES);
      const count = await this.#file.write(part);
      // No system call should return 0 here. Without this check the loop would not end.
      if (count === 0) throw new Error("the system takes no bytes");
      done += count;
    }
  }
}
