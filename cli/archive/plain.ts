/** Bytes as they lie in a file: regular files, pipes, devices, standard input and output. */

import { behind, PositionedFile } from "../files/positioned.ts";
import type { ByteSink, ByteSource, Origin } from "./bytes.ts";

/**
 * What is read: an open file or `Deno.stdin`. A regular file is read at offsets, everything else with `read`: it may keep
 * its reader waiting, and meanwhile signals must be heard.
 */
export type InputFile =
  & Pick<Deno.FsFile, "readSync" | "read" | "close">
  & Partial<Pick<Deno.FsFile, "statSync" | "seekSync">>;

/** What is written: an open file or `Deno.stdout`; as {@linkcode InputFile}. `systemPath`: where it lies for now. */
export type OutputFile =
  & Pick<Deno.FsFile, "writeSync" | "write">
  & Partial<Pick<Deno.FsFile, "statSync" | "seekSync">>
  & { readonly systemPath?: string };

/** Small reads are served from a buffer of this size; larger ones go past it, straight to the caller's memory. */
const READ_AHEAD_BYTES = 256 * 1024;

/** Reads a file from its current position to its end. */
export class PlainSource implements ByteSource {
  readonly path: string;
  readonly #file: InputFile;
  /** Undefined for what is no regular file. */
  readonly #positioned?: PositionedFile;
  /** Where in the file the source begins, and where the next read goes to. */
  readonly #beginBytes: number = 0;
  #positionBytes = 0;
  #offsetBytes = 0;
  #ended = false;
  /** Bytes read from the file and not yet taken lie in `#ahead` from `#start` to `#end`. */
  #ahead: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;

  /**
   * Takes over the open `file` and closes it when disposed. `path` is its name. Without `bulk` it takes no second descriptor:
   * one of very many.
   */
  constructor(path: string, file: InputFile, { bulk = true } = {}) {
    this.path = path;
    this.#file = file;
    const { statSync, seekSync } = file;
    if (statSync === undefined || seekSync === undefined || !file.statSync!().isFile) return;
    this.#positioned = new PositionedFile(
      {
        readSync: (into) => file.readSync(into),
        statSync: () => file.statSync!(),
        seekSync: (at, mode) => file.seekSync!(at, mode),
      },
      { path, bulk },
    );
    this.#beginBytes = this.#positionBytes = file.seekSync!(0, Deno.SeekMode.Current);
  }

  /** Whether any byte can be read again: a regular file. */
  get isSeekable(): boolean {
    return this.#positioned !== undefined;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  async read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const rest = into.subarray(filled);
      const direct = this.#aheadLen === 0 && rest.length >= READ_AHEAD_BYTES;
      const got = direct ? await this.#readFile(rest) : await this.#takeAhead(rest);
      if (got === 0) break;
      filled += got;
    }
    this.#offsetBytes += filled;
    return filled;
  }

  async skip(lenBytes: number): Promise<number> {
    let passed = Math.min(lenBytes, this.#aheadLen);
    this.#start += passed;
    if (passed < lenBytes) {
      passed += this.isSeekable ? this.#seekOver(lenBytes - passed) : await this.#readOver(lenBytes - passed);
    }
    this.#offsetBytes += passed;
    return passed;
  }

  /**
   * The next `lenBytes` bytes, or those up to the end of the file, without taking them. The view holds until the next call.
   * As many bytes are kept in memory, so the caller bounds `lenBytes`.
   */
  async peek(lenBytes: number): Promise<Uint8Array> {
    this.#makeRoom(lenBytes);
    while (this.#aheadLen < lenBytes) {
      const got = await this.#readFile(this.#ahead.subarray(this.#end));
      if (got === 0) break;
      this.#end += got;
    }
    return this.#ahead.subarray(this.#start, Math.min(this.#start + lenBytes, this.#end));
  }

  /**
   * As {@linkcode peek}, of what lies `aheadBytes` further on. Of a seekable source nothing in between is kept in memory; of
   * any other one all of it.
   */
  async peekAt(aheadBytes: number, lenBytes: number): Promise<Uint8Array> {
    if (!this.isSeekable || aheadBytes + lenBytes <= this.#aheadLen) {
      return (await this.peek(aheadBytes + lenBytes)).subarray(aheadBytes);
    }
    const bytes = new Uint8Array(lenBytes);
    return bytes.subarray(0, await this.readAt(bytes, this.#offsetBytes + aheadBytes));
  }

  /**
   * Reads what lies at `offsetBytes` of a seekable source again, whatever was taken; returns how many bytes came, fewer only
   * at the end of the file.
   */
  async readAt(into: Uint8Array, offsetBytes: number): Promise<number> {
    try {
      return await this.#positioned!.read(into, this.#beginBytes + offsetBytes);
    } catch (cause) {
      fail(`Cannot read "${this.path}"`, cause);
    }
  }

  /** Has the system copy a part of a seekable source into `file`; returns how many bytes went, 0 where it cannot. */
  async copyTo(
    file: PositionedFile,
    { offsetBytes, toBytes, lenBytes }: { offsetBytes: number; toBytes: number; lenBytes: number },
  ): Promise<number> {
    if (this.#positioned === undefined) return 0;
    return await file.copyFrom(this.#positioned, {
      fromBytes: this.#beginBytes + offsetBytes,
      toBytes,
      lenBytes,
    });
  }

  [Symbol.dispose](): void {
    this.#positioned?.[Symbol.dispose]();
    this.#file.close();
  }

  get #aheadLen(): number {
    return this.#end - this.#start;
  }

  /** Returns how many bytes lie ahead, none only at the end of the file. */
  async #fillAhead(): Promise<number> {
    await this.peek(1);
    return this.#aheadLen;
  }

  async #takeAhead(into: Uint8Array): Promise<number> {
    const len = Math.min(into.length, await this.#fillAhead());
    into.set(this.#ahead.subarray(this.#start, this.#start + len));
    this.#start += len;
    return len;
  }

  /** Moves the bytes ahead to the front of the buffer, or of a larger one, if `lenBytes` do not fit behind `#start`. */
  #makeRoom(lenBytes: number): void {
    if (this.#aheadLen === 0) this.#start = this.#end = 0;
    if (this.#start + lenBytes <= this.#ahead.length) return;
    const room = lenBytes <= this.#ahead.length
      ? this.#ahead
      : new Uint8Array(Math.ceil(lenBytes / READ_AHEAD_BYTES) * READ_AHEAD_BYTES);
    room.set(this.#ahead.subarray(this.#start, this.#end));
    this.#ahead = room;
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** One read; 0 at the end of the file, and from then on without asking again: a terminal would wait for more. */
  async #readFile(into: Uint8Array): Promise<number> {
    if (this.#ended) return 0;
    let got: number;
    try {
      got = await (this.#positioned?.read(into, this.#positionBytes) ?? this.#readStream(into));
    } catch (cause) {
      fail(`Cannot read "${this.path}"`, cause);
    }
    this.#positionBytes += got;
    // Files of /proc have a size of 0 and give less than is asked for before their end: only nothing is the end.
    this.#ended = got === 0;
    return got;
  }

  /** An asynchronous read takes no shared memory. */
  async #readStream(into: Uint8Array): Promise<number> {
    if (into.buffer instanceof ArrayBuffer) return await this.#file.read(into) ?? 0;
    const bytes = new Uint8Array(Math.min(into.length, READ_AHEAD_BYTES));
    const got = await this.#file.read(bytes);
    into.set(bytes.subarray(0, got ?? 0));
    return got ?? 0;
  }

  #seekOver(lenBytes: number): number {
    try {
      const left = Math.max(0, this.#file.statSync!().size - this.#positionBytes);
      const step = Math.min(lenBytes, left);
      this.#positionBytes += step;
      return step;
    } catch (cause) {
      fail(`Cannot read "${this.path}"`, cause);
    }
  }

  async #readOver(lenBytes: number): Promise<number> {
    let passed = 0;
    while (passed < lenBytes) {
      const len = Math.min(lenBytes - passed, await this.#fillAhead());
      if (len === 0) break;
      this.#start += len;
      passed += len;
    }
    return passed;
  }
}

/** A hash that is computed while bytes pass by. */
export interface StreamHash {
  update(bytes: Uint8Array): unknown;
}

/** How a {@linkcode PlainSink} begins. */
export interface SinkState {
  hash?: StreamHash;
  doneBytes?: number;
}

/** Below, a copy by the system costs more than the bytes, which are in memory already. */
const COPY_BYTES = 64 * 1024;

/** Writes bytes to a file as they come. The file stays the caller's, who syncs and closes it. */
export class PlainSink implements ByteSink {
  readonly path: string;
  readonly #file: OutputFile;
  /** Undefined for what is no regular file. */
  readonly #positioned?: PositionedFile;
  /** Where in the file the sink begins. */
  readonly #beginBytes: number = 0;
  #offsetBytes = 0;
  /** Settles when all writes so far have: the system takes the bytes of one file one after the other anyway. */
  #last: Promise<void> = Promise.resolve();
  readonly #hash?: StreamHash;

  /**
   * Writes to `file` from its current position; `doneBytes` stand in front of it already. `path` is for messages; `hash` hears
   * all that is written, in order.
   */
  constructor(path: string, file: OutputFile, { hash, doneBytes = 0 }: SinkState = {}) {
    this.path = path;
    this.#file = file;
    this.#hash = hash;
    this.#offsetBytes = doneBytes;
    const { statSync, seekSync } = file;
    if (statSync === undefined || seekSync === undefined || !file.statSync!().isFile) return;
    this.#positioned = new PositionedFile(file as Deno.FsFile, { path, write: true });
    this.#beginBytes = file.seekSync!(0, Deno.SeekMode.Current) - doneBytes;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get storedBytes(): number {
    return this.#offsetBytes;
  }

  /** Bytes that a regular source holds unchanged are copied by the system. */
  write(from: Uint8Array, origin?: Origin): Promise<void> {
    return this.writeParts([from], origin);
  }

  writeParts(parts: readonly Uint8Array[], origin?: Origin): Promise<void> {
    const offsetBytes = this.#offsetBytes;
    for (const part of parts) this.#offsetBytes += part.length;
    const lenBytes = this.#offsetBytes - offsetBytes;
    this.#last = this.#last.then(() => this.#store(parts, { offsetBytes, lenBytes, origin }));
    // Who does not wait for this write, or not yet, hears of its failure from the next call.
    this.#last.catch(() => {});
    return this.#last;
  }

  finish(): Promise<void> {
    return this.#last;
  }

  [Symbol.dispose](): void {
    this.#positioned?.[Symbol.dispose]();
  }

  async #store(
    parts: readonly Uint8Array[],
    { offsetBytes, lenBytes, origin }: { offsetBytes: number; lenBytes: number; origin?: Origin },
  ): Promise<void> {
    try {
      const written = this.#bring(parts, { offsetBytes, lenBytes, origin });
      // Met below; while the system writes, this thread has time.
      written.catch(() => {});
      for (const part of parts) this.#hash?.update(part);
      await written;
    } catch (cause) {
      fail(`Cannot write "${this.path}"`, cause);
    }
  }

  async #bring(
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

  /** An asynchronous write takes no shared memory. */
  async #writeStream(from: Uint8Array): Promise<void> {
    for (let done = 0; done < from.length;) {
      const rest = from.subarray(done);
      const part = rest.buffer instanceof ArrayBuffer ? rest : rest.slice(0, READ_AHEAD_BYTES);
      const count = await this.#file.write(part);
      // No system call should do this; a loop that cannot end would hide it.
      if (count === 0) throw new Error("the system takes no bytes");
      done += count;
    }
  }
}

/** The system names the cause (`No space left on device`) but not the file; this adds it. */
function fail(action: string, cause: unknown): never {
  throw new Error(`${action}: ${cause instanceof Error ? cause.message : cause}`, { cause });
}
