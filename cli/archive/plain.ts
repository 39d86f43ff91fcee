/** Bytes as they lie in a file: regular files, pipes, devices, standard input and output. */

import type { ByteSink, ByteSource } from "./bytes.ts";

/**
 * What is read: an open file or `Deno.stdin`. A regular file is read with `readSync`, everything else with `read`: it may keep
 * its reader waiting, and meanwhile signals must be heard.
 */
export type InputFile =
  & Pick<Deno.FsFile, "readSync" | "read" | "close">
  & Partial<Pick<Deno.FsFile, "statSync" | "seekSync">>;

/** What is written: an open file or `Deno.stdout`; as {@linkcode InputFile}. */
export type OutputFile = Pick<Deno.FsFile, "writeSync" | "write"> & Partial<Pick<Deno.FsFile, "statSync">>;

/** Small reads are served from a buffer of this size; larger ones go past it, straight to the caller's memory. */
const READ_AHEAD_BYTES = 256 * 1024;

/** Reads a file from its current position to its end. */
export class PlainSource implements ByteSource {
  readonly path: string;
  readonly #file: InputFile;
  readonly #isRegular: boolean;
  #offsetBytes = 0;
  #ended = false;
  /** Bytes read from the file and not yet taken lie in `#ahead` from `#start` to `#end`. */
  #ahead: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;

  /** Takes over the open `file` and closes it when disposed. `path` is for messages. */
  constructor(path: string, file: InputFile) {
    this.path = path;
    this.#file = file;
    this.#isRegular = file.seekSync !== undefined && file.statSync?.().isFile === true;
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
      passed += this.#isRegular ? this.#seekOver(lenBytes - passed) : await this.#readOver(lenBytes - passed);
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

  [Symbol.dispose](): void {
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
    const got = this.#isRegular
      ? attempt(`Cannot read "${this.path}"`, () => this.#file.readSync(into))
      : await this.#readStream(into).catch((cause) => fail(`Cannot read "${this.path}"`, cause));
    this.#ended = got === null || got === 0;
    return got ?? 0;
  }

  /** An asynchronous read takes no shared memory. */
  async #readStream(into: Uint8Array): Promise<number | null> {
    if (into.buffer instanceof ArrayBuffer) return await this.#file.read(into);
    const bytes = new Uint8Array(Math.min(into.length, READ_AHEAD_BYTES));
    const got = await this.#file.read(bytes);
    into.set(bytes.subarray(0, got ?? 0));
    return got;
  }

  #seekOver(lenBytes: number): number {
    return attempt(`Cannot read "${this.path}"`, () => {
      const position = this.#file.seekSync!(0, Deno.SeekMode.Current);
      const left = Math.max(0, this.#file.statSync!().size - position);
      const step = Math.min(lenBytes, left);
      this.#file.seekSync!(step, Deno.SeekMode.Current);
      return step;
    });
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

/** Writes bytes to a file as they come. The file stays the caller's, who syncs and closes it. */
export class PlainSink implements ByteSink {
  readonly path: string;
  readonly #file: OutputFile;
  readonly #isRegular: boolean;
  #offsetBytes = 0;

  /** Writes to `file` from its current position. `path` is for messages. */
  constructor(path: string, file: OutputFile) {
    this.path = path;
    this.#file = file;
    this.#isRegular = file.statSync?.().isFile === true;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get storedBytes(): number {
    return this.#offsetBytes;
  }

  async write(from: Uint8Array): Promise<void> {
    for (let at = 0; at < from.length;) {
      const rest = from.subarray(at);
      const put = this.#isRegular
        ? attempt(`Cannot write "${this.path}"`, () => this.#file.writeSync(rest))
        : await this.#file.write(unshared(rest)).catch((cause) => fail(`Cannot write "${this.path}"`, cause));
      // No system call should do this; a loop that cannot end would hide it.
      if (put === 0) throw new Error(`Cannot write "${this.path}": the system takes no bytes`);
      at += put;
      this.#offsetBytes += put;
    }
  }

  finish(): void {}

  [Symbol.dispose](): void {}
}

/** As much of `bytes` as one asynchronous write should take, in memory that it accepts. */
function unshared(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice(0, READ_AHEAD_BYTES);
}

/** The system names the cause (`No space left on device`) but not the file; this adds it. */
function fail(action: string, cause: unknown): never {
  throw new Error(`${action}: ${cause instanceof Error ? cause.message : cause}`, { cause });
}

function attempt<T>(action: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    fail(action, cause);
  }
}
