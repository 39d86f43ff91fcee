/** The source of uncompressed bytes: a regular file, a pipe, a device, or standard input. */

import { PositionedFile, statOf } from "../files/positioned.ts";
import { fileError } from "../files/system_errors.ts";
import { Pace } from "../pace.ts";
import { type ByteSource, type PassingHash, SEEK } from "./bytes.ts";

/**
 * An open file to read, or `Deno.stdin`. A regular file is read at offsets. Any other file is read with the
 * asynchronous `read`, because such a read may wait for a long time, and signal handlers must run meanwhile.
 */
export type InputFile =
  & Pick<Deno.FsFile, "readSync" | "read" | "close">
  & Partial<Pick<Deno.FsFile, "statSync" | "seekSync">>;

/**
 * The length of the read-ahead buffer, which serves small reads. Reads of at least this length bypass it and
 * go directly to the caller's memory.
 */
const READ_AHEAD_BYTES = 256 * 1024;

/**
 * The length of the read-ahead buffer for a file that is one of many open ones, and for a file of which only
 * little is read.
 */
export const SHORT_READ_AHEAD_BYTES = 4 * 1024;

/** Options of {@linkcode PlainSource}. */
export interface PlainSourceOptions {
  /**
   * Whether large reads use a second descriptor, by default true. It is false for a file that is one of many
   * open ones.
   */
  bulk?: boolean;
  /**
   * The length of the read-ahead, at first and at most. It is doubled when all bytes that were read ahead
   * have been used.
   */
  aheadBytes?: number;
  mostAheadBytes?: number;
  /**
   * Decides when loops over this source pause, so that signal handlers and timers run. Each step of such a
   * loop calls this source.
   */
  pace?: Pace;
}

/**
 * The length of the buffers for bytes that are only hashed, normally and for a file that is one of many open
 * ones.
 */
const HASH_BUFFER_BYTES = 1024 * 1024;
const SMALL_HASH_BUFFER_BYTES = 64 * 1024;

/** The largest number of parts that were read and not hashed yet. */
const MAX_HASHING_PARTS = 8;

/** Reads a file from its current position to its end. */
export class PlainSource implements ByteSource {
  // Buffers of closed sources, for new sources. The garbage collector would free them late, and a folder may
  // have very many files.
  static readonly #freeHashBuffers: Uint8Array[][] = [];
  static readonly #freeAheads: Uint8Array[] = [];
  static readonly #freeCopies: Uint8Array[] = [];
  /** Buffers of {@linkcode SMALL_HASH_BUFFER_BYTES}, for sources that are one of many. */
  static readonly #freeSmallHashBuffers: Uint8Array[] = [];

  readonly path: string;
  readonly #file: InputFile;
  /** Undefined if the file is not a regular one. */
  readonly #positioned?: PositionedFile;
  /** The offset in the file at which the source begins, and the offset of the next read from the file. */
  readonly #beginBytes: number = 0;
  #positionBytes = 0;
  #offsetBytes = 0;
  #ended = false;
  #hash?: PassingHash;
  /** The number of bytes that were read before the hash was added and are not hashed yet. */
  #unhashedBytes = 0;
  /** The parts that the hash is processing, the oldest first. */
  #hashing: { part: Uint8Array; hashed: Promise<void> }[] = [];
  /**
   * Two buffers for bytes that are only hashed, the less recently used one first. One is filled while the
   * other is hashed.
   */
  #hashBuffers?: Uint8Array[];
  /**
   * The read-ahead buffer. The bytes that were read from the file and not taken yet are in it from `#start`
   * to `#end`.
   */
  #ahead: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  readonly #bulk: boolean;
  /** The number of reads in progress, which may write to `#ahead`. */
  #underWay = 0;
  /** The length of the next read-ahead buffer, and the largest length. */
  #aheadBytes: number;
  readonly #mostAheadBytes: number;
  readonly #pace: Pace;

  /** Takes ownership of the open `file` and closes it when disposed. `path` is its name. */
  constructor(path: string, file: InputFile, options: PlainSourceOptions = {}) {
    const { bulk = true, aheadBytes = READ_AHEAD_BYTES, mostAheadBytes = aheadBytes, pace = new Pace() } =
      options;
    this.path = path;
    this.#file = file;
    this.#bulk = bulk;
    this.#aheadBytes = aheadBytes;
    this.#mostAheadBytes = mostAheadBytes;
    this.#pace = pace;
    const { statSync, seekSync } = file;
    if (statSync === undefined || seekSync === undefined || !statOf(file as Deno.FsFile, path).isFile) return;
    this.#positioned = new PositionedFile(
      {
        readSync: (into) => file.readSync(into),
        statSync: () => file.statSync!(),
        seekSync: (at, mode) => file.seekSync!(at, mode),
      },
      { path, bulk },
    );
    this.#beginBytes = this.#positionBytes = file.seekSync!(0, SEEK.current);
  }

  /** Whether any byte can be read again. This is so for a regular file. */
  get isSeekable(): boolean {
    return this.#positioned !== undefined;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get fileOffsetBytes(): number {
    return this.#beginBytes + this.#offsetBytes;
  }

  async read(into: Uint8Array, { keeps = false } = {}): Promise<number> {
    const filled = await this.#fill(into, keeps);
    this.#offsetBytes += filled;
    return filled;
  }

  async #fill(into: Uint8Array, keeps: boolean): Promise<number> {
    // The hash may still be processing bytes of an earlier read in this memory.
    while (this.#hashing.some(({ part }) => overlap(part, into))) await this.#hashing.shift()!.hashed;
    let filled = 0;
    while (filled < into.length) {
      const rest = into.subarray(filled);
      const direct = this.#aheadLen === 0 && rest.length >= this.#aheadBytes;
      const got = direct ? await this.#readFile(rest, keeps) : await this.#takeAhead(rest);
      if (got === 0) break;
      filled += got;
    }
    return filled;
  }

  async skip(lenBytes: number): Promise<number> {
    if (this.#pace.isDue()) await this.#pace.rest();
    let passed = Math.min(lenBytes, this.#aheadLen);
    this.#start += passed;
    if (passed < lenBytes) {
      passed += this.isSeekable && this.#hash === undefined
        ? this.#seekOver(lenBytes - passed)
        : await this.#readOver(lenBytes - passed);
    }
    this.#offsetBytes += passed;
    return passed;
  }

  /**
   * Returns the next `lenBytes` bytes, or fewer at the end of the file, without taking them. The result is a
   * view that is valid until the next call. All of these bytes are kept in memory, so the caller must limit
   * `lenBytes`.
   */
  async peek(lenBytes: number): Promise<Uint8Array> {
    if (this.#pace.isDue()) await this.#pace.rest();
    this.#makeRoom(lenBytes);
    while (this.#aheadLen < lenBytes) {
      const got = await this.#readFile(this.#ahead.subarray(this.#end));
      if (got === 0) break;
      this.#end += got;
    }
    return this.#ahead.subarray(this.#start, Math.min(this.#start + lenBytes, this.#end));
  }

  /**
   * Returns the bytes that were read and not taken yet, or else the next bytes of the file, without taking
   * them. The result is empty only at the end of the file, and valid as that of {@linkcode peek}.
   */
  async peekSome(): Promise<Uint8Array> {
    await this.peek(1);
    return this.#ahead.subarray(this.#start, this.#end);
  }

  /**
   * Returns bytes as {@linkcode peek} does, from `aheadBytes` bytes after the current offset. A seekable
   * source does not keep the bytes in between in memory; any other source keeps all of them.
   */
  async peekAt(aheadBytes: number, lenBytes: number): Promise<Uint8Array> {
    if (!this.isSeekable || aheadBytes + lenBytes <= this.#aheadLen) {
      return (await this.peek(aheadBytes + lenBytes)).subarray(aheadBytes);
    }
    const bytes = new Uint8Array(lenBytes);
    return bytes.subarray(0, await this.readAt(bytes, this.#offsetBytes + aheadBytes));
  }

  /**
   * Fills `into` from `offsetBytes` of a seekable source, independently of the current offset. Returns the
   * number of bytes, which is smaller only at the end of the file.
   */
  async readAt(into: Uint8Array, offsetBytes: number): Promise<number> {
    if (this.#pace.isDue()) await this.#pace.rest();
    try {
      return await this.#positioned!.read(into, this.#beginBytes + offsetBytes);
    } catch (cause) {
      throw fileError("read", this.path, cause);
    }
  }

  tell(hash: PassingHash): void {
    if (this.#hash !== undefined) throw new TypeError(`Cannot hash "${this.path}" twice`);
    this.#hash = hash;
    this.#unhashedBytes = this.#positionBytes;
  }

  async finishFile(): Promise<number> {
    while (await this.skip(READ_AHEAD_BYTES) > 0);
    if (this.#hash !== undefined) await this.#hashEarlier(this.#hash);
    for (const { hashed } of this.#hashing.splice(0)) await hashed;
    if (this.#hashBuffers !== undefined) PlainSource.#freeHashBuffers.push(this.#hashBuffers);
    this.#hashBuffers = undefined;
    return this.#offsetBytes;
  }

  /**
   * Copies a part of a seekable source into `file` with a system call. Returns the number of bytes, which is
   * 0 where the system cannot do this.
   */
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
    if (this.#ahead.length === READ_AHEAD_BYTES && this.#underWay === 0) {
      PlainSource.#freeAheads.push(this.#ahead);
    }
    this.#ahead = new Uint8Array(0);
    this.#start = this.#end = 0;
  }

  get #aheadLen(): number {
    return this.#end - this.#start;
  }

  /**
   * Fills the read-ahead buffer if it is empty, and returns the number of bytes in it, which is 0 only at the
   * end of the file.
   */
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

  /**
   * Makes space for `lenBytes` bytes from `#start` on. If necessary, the bytes in the buffer are moved to its
   * front, or to a larger buffer.
   */
  #makeRoom(lenBytes: number): void {
    if (this.#aheadLen === 0) {
      this.#start = this.#end = 0;
      // All bytes that were read ahead have been used, so a longer read-ahead is useful.
      if (this.#ahead.length > 0 && this.#aheadBytes < this.#mostAheadBytes) {
        this.#aheadBytes *= 2;
        this.#ahead = new Uint8Array(0);
      }
    }
    if (this.#start + lenBytes <= this.#ahead.length) return;
    const room = lenBytes <= this.#ahead.length
      ? this.#ahead
      : newBuffer(Math.ceil(lenBytes / this.#aheadBytes) * this.#aheadBytes, PlainSource.#freeAheads);
    room.set(this.#ahead.subarray(this.#start, this.#end));
    this.#ahead = room;
    this.#end -= this.#start;
    this.#start = 0;
  }

  /**
   * Reads once from the file. Returns 0 at the end of the file, and in every later call without another
   * system call, because a terminal would wait for more input.
   */
  async #readFile(into: Uint8Array, keeps = false): Promise<number> {
    if (this.#ended) return 0;
    if (this.#pace.isDue()) await this.#pace.rest();
    let got: number;
    this.#underWay++;
    try {
      got = await (this.#positioned?.read(into, this.#positionBytes) ?? this.#readStream(into));
    } catch (cause) {
      throw fileError("read", this.path, cause);
    } finally {
      this.#underWay--;
    }
    this.#positionBytes += got;
    if (this.#hash !== undefined) await this.#hashNext(this.#hash, into.subarray(0, got), keeps);
    // Only an empty read means the end of the file: files in /proc have a size of 0 and return less than
    // requested before their end.
    this.#ended = got === 0;
    return got;
  }

  /**
   * Passes a part that was just read to the hash. If the part `keeps` its content, the hash may process it
   * while the next parts are read.
   */
  async #hashNext(hash: PassingHash, read: Uint8Array, keeps: boolean): Promise<void> {
    await this.#hashEarlier(hash);
    const isOurs = read.buffer === this.#ahead.buffer;
    // Bytes in the read-ahead buffer are copied, because later calls move them.
    const copy = isOurs ? newBuffer(read.length, PlainSource.#freeCopies) : undefined;
    copy?.set(read);
    const part = copy?.subarray(0, read.length) ?? read;
    const hashed = hash.update([part]);
    if (copy?.length === READ_AHEAD_BYTES) hashed.then(() => PlainSource.#freeCopies.push(copy), () => {});
    if (!isOurs && !keeps) return await hashed;
    // A failure is thrown before the memory is used again, or at the end of the file.
    hashed.catch(() => {});
    this.#hashing.push({ part, hashed });
    if (this.#hashing.length > MAX_HASHING_PARTS) await this.#hashing.shift()!.hashed;
  }

  /**
   * Hashes the bytes that were read or skipped before the hash was added. This is done as late as possible,
   * because it takes memory, and many files may be open.
   */
  async #hashEarlier(hash: PassingHash): Promise<void> {
    const lenBytes = this.#unhashedBytes;
    if (lenBytes === 0) return;
    this.#unhashedBytes = 0;
    const part = this.#bulk ? this.#nextHashBuffer() : newSmallHashBuffer(PlainSource.#freeSmallHashBuffers);
    for (let done = 0; done < lenBytes;) {
      const got = await this.readAt(part.subarray(0, lenBytes - done), done);
      if (got === 0) break;
      await hash.update([part.subarray(0, got)]);
      done += got;
    }
    if (!this.#bulk) PlainSource.#freeSmallHashBuffers.push(part);
  }

  /**
   * Reads from a stream. Memory that is shared needs a copy, because Deno's asynchronous read does not accept
   * it.
   */
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
      throw fileError("read", this.path, cause);
    }
  }

  async #readOver(lenBytes: number): Promise<number> {
    let passed = 0;
    let small: Uint8Array | undefined;
    while (passed < lenBytes) {
      const leftBytes = lenBytes - passed;
      if (this.#hash !== undefined && leftBytes >= this.#aheadBytes) {
        const buffer = this.#bulk
          ? this.#nextHashBuffer()
          : small ??= newSmallHashBuffer(PlainSource.#freeSmallHashBuffers);
        const into = buffer.subarray(0, leftBytes);
        const got = await this.#fill(into, this.#bulk);
        passed += got;
        if (got < into.length) break;
        continue;
      }
      const len = Math.min(leftBytes, await this.#fillAhead());
      if (len === 0) break;
      this.#start += len;
      passed += len;
    }
    // The hash has processed all bytes in the buffer, because a read without `keeps` waits for that.
    if (small !== undefined) PlainSource.#freeSmallHashBuffers.push(small);
    return passed;
  }

  #nextHashBuffer(): Uint8Array {
    this.#hashBuffers ??= PlainSource.#freeHashBuffers.pop() ??
      [0, 1].map(() => new Uint8Array(new SharedArrayBuffer(HASH_BUFFER_BYTES)));
    this.#hashBuffers.reverse();
    return this.#hashBuffers[1];
  }
}

/**
 * Returns a buffer of at least `lenBytes`. If the length is close to that of the usual read-ahead, the buffer
 * is taken from `free` if possible.
 */
function newBuffer(lenBytes: number, free: Uint8Array[]): Uint8Array {
  const isUsual = lenBytes > READ_AHEAD_BYTES / 2 && lenBytes <= READ_AHEAD_BYTES;
  return isUsual ? free.pop() ?? new Uint8Array(READ_AHEAD_BYTES) : new Uint8Array(lenBytes);
}

/** Returns a buffer of {@linkcode SMALL_HASH_BUFFER_BYTES}, from `free` if possible. */
function newSmallHashBuffer(free: Uint8Array[]): Uint8Array {
  return free.pop() ?? new Uint8Array(SMALL_HASH_BUFFER_BYTES);
}

function overlap(a: Uint8Array, b: Uint8Array): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.length &&
    b.byteOffset < a.byteOffset + a.length;
}
