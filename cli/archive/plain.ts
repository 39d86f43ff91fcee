/** Bytes as they lie in a file: regular files, pipes, devices, standard input and output. */

import type { ByteSource, SyncByteSink } from "./bytes.ts";

/** What is read: an open file or `Deno.stdin`. Without `statSync` and `seekSync` it is read through where it could be skipped. */
export type InputFile =
  & Pick<Deno.FsFile, "readSync" | "close">
  & Partial<Pick<Deno.FsFile, "statSync" | "seekSync">>;

/** What is written: an open file or `Deno.stdout`. */
export type OutputFile = Pick<Deno.FsFile, "writeSync">;

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

  read(into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length) {
      const rest = into.subarray(filled);
      const direct = this.#aheadLen === 0 && rest.length >= READ_AHEAD_BYTES;
      const got = direct ? this.#readFile(rest) : this.#takeAhead(rest);
      if (got === 0) break;
      filled += got;
    }
    this.#offsetBytes += filled;
    return filled;
  }

  skip(lenBytes: number): number {
    let passed = Math.min(lenBytes, this.#aheadLen);
    this.#start += passed;
    if (passed < lenBytes) {
      passed += this.#isRegular ? this.#seekOver(lenBytes - passed) : this.#readOver(lenBytes - passed);
    }
    this.#offsetBytes += passed;
    return passed;
  }

  /**
   * The next `lenBytes` bytes, or those up to the end of the file, without taking them. The view holds until the next call.
   * As many bytes are kept in memory, so the caller bounds `lenBytes`.
   */
  peek(lenBytes: number): Uint8Array {
    this.#makeRoom(lenBytes);
    while (this.#aheadLen < lenBytes) {
      const got = this.#readFile(this.#ahead.subarray(this.#end));
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
  #fillAhead(): number {
    this.peek(1);
    return this.#aheadLen;
  }

  #takeAhead(into: Uint8Array): number {
    const len = Math.min(into.length, this.#fillAhead());
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
      : new Uint8Array(Math.max(lenBytes, 2 * this.#ahead.length, READ_AHEAD_BYTES));
    room.set(this.#ahead.subarray(this.#start, this.#end));
    this.#ahead = room;
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** One read; 0 at the end of the file, and from then on without asking again: a terminal would wait for more. */
  #readFile(into: Uint8Array): number {
    if (this.#ended) return 0;
    const got = attempt(`Cannot read "${this.path}"`, () => this.#file.readSync(into)) ?? 0;
    this.#ended = got === 0;
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

  #readOver(lenBytes: number): number {
    let passed = 0;
    while (passed < lenBytes) {
      const len = Math.min(lenBytes - passed, this.#fillAhead());
      if (len === 0) break;
      this.#start += len;
      passed += len;
    }
    return passed;
  }
}

/** Writes bytes to a file as they come. The file stays the caller's, who syncs and closes it. */
export class PlainSink implements SyncByteSink {
  readonly path: string;
  readonly #file: OutputFile;
  #offsetBytes = 0;

  /** Writes to `file` from its current position. `path` is for messages. */
  constructor(path: string, file: OutputFile) {
    this.path = path;
    this.#file = file;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get storedBytes(): number {
    return this.#offsetBytes;
  }

  write(from: Uint8Array): void {
    for (let at = 0; at < from.length;) {
      const put = attempt(`Cannot write "${this.path}"`, () => this.#file.writeSync(from.subarray(at)));
      // No system call should do this; a loop that cannot end would hide it.
      if (put === 0) throw new Error(`Cannot write "${this.path}": the system takes no bytes`);
      at += put;
      this.#offsetBytes += put;
    }
  }

  finish(): void {}

  [Symbol.dispose](): void {}
}

/** The system names the cause (`No space left on device`) but not the file; this adds it. */
function attempt<T>(action: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new Error(`${action}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}
