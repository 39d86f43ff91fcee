/** Bytes as they lie in a file: regular files, pipes, devices, standard input and output. */

import { FileError } from "../errors.ts";
import { behind, PositionedFile, statOf } from "../files/positioned.ts";
import { Pace } from "../pace.ts";
import { settleAll } from "../settle_all.ts";
import type { ByteSink, ByteSource, Origin, PassingHash, Written } from "./bytes.ts";

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

/** The same for one of very many files that are open together, and for a short look at a file: most of it is not read. */
export const SHORT_READ_AHEAD_BYTES = 4 * 1024;

/** How a file is read. */
export interface PlainSourceOptions {
  /** Large reads go through a second descriptor, unless this is false: for one of very many files. */
  bulk?: boolean;
  /** Bytes that are read ahead at first, and at most, when the reader has come to the end of what was read ahead. */
  aheadBytes?: number;
  mostAheadBytes?: number;
  /** The pace of the loops over it, which call this source in each step. */
  pace?: Pace;
}

/** Bytes that are read at a time for a hash alone, and for that of one of very many files. */
const HASHED_BYTES = 1024 * 1024;
const FEW_HASHED_BYTES = 64 * 1024;

/** Parts that a hash may be behind. */
const MAX_UNHEARD = 8;

/** Reads a file from its current position to its end. */
export class PlainSource implements ByteSource {
  // Memory of sources that are done with: the collector would come late, and a folder may have very many files.
  static readonly #freeScratches: Uint8Array[][] = [];
  static readonly #freeAheads: Uint8Array[] = [];
  static readonly #freeCopies: Uint8Array[] = [];
  /** Buffers of {@linkcode FEW_HASHED_BYTES}, for sources that are one of very many. */
  static readonly #freeFew: Uint8Array[] = [];

  readonly path: string;
  readonly #file: InputFile;
  /** Undefined for what is no regular file. */
  readonly #positioned?: PositionedFile;
  /** Where in the file the source begins, and where the next read goes to. */
  readonly #beginBytes: number = 0;
  #positionBytes = 0;
  #offsetBytes = 0;
  #ended = false;
  #hash?: PassingHash;
  /** Bytes that were read before there was a hash, and that it has not heard yet. */
  #missedBytes = 0;
  /** What the hash has not heard yet, the oldest first: it is on its way there. */
  #unheard: { part: Uint8Array; heard: Promise<void> }[] = [];
  /** Memory for what is only hashed, the one that was read longer ago first: it is filled while the other is heard. */
  #scratches?: Uint8Array[];
  /** Bytes read from the file and not yet taken lie in `#ahead` from `#start` to `#end`. */
  #ahead: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  readonly #bulk: boolean;
  /** Reads that other threads are at. */
  #underWay = 0;
  /** Length of the buffer when it is made next, and at most. */
  #aheadBytes: number;
  readonly #mostAheadBytes: number;
  readonly #pace: Pace;

  /** Takes over the open `file` and closes it when disposed. `path` is its name. */
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
    this.#beginBytes = this.#positionBytes = file.seekSync!(0, Deno.SeekMode.Current);
  }

  /** Whether any byte can be read again: a regular file. */
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
    // The hash may still be at what was read there before.
    while (this.#unheard.some(({ part }) => overlap(part, into))) await this.#unheard.shift()!.heard;
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
   * The next `lenBytes` bytes, or those up to the end of the file, without taking them. The view holds until the next call.
   * As many bytes are kept in memory, so the caller bounds `lenBytes`.
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

  /** What was read and not yet taken, or else what comes next; nothing only at the end of the file. As {@linkcode peek}. */
  async peekSome(): Promise<Uint8Array> {
    await this.peek(1);
    return this.#ahead.subarray(this.#start, this.#end);
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
    if (this.#pace.isDue()) await this.#pace.rest();
    try {
      return await this.#positioned!.read(into, this.#beginBytes + offsetBytes);
    } catch (cause) {
      fail("read", this.path, cause);
    }
  }

  tell(hash: PassingHash): void {
    if (this.#hash !== undefined) throw new TypeError(`Cannot hash "${this.path}" twice`);
    this.#hash = hash;
    this.#missedBytes = this.#positionBytes;
  }

  async finishFile(): Promise<number> {
    while (await this.skip(READ_AHEAD_BYTES) > 0);
    if (this.#hash !== undefined) await this.#tellMissed(this.#hash);
    for (const { heard } of this.#unheard.splice(0)) await heard;
    if (this.#scratches !== undefined) PlainSource.#freeScratches.push(this.#scratches);
    this.#scratches = undefined;
    return this.#offsetBytes;
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
    if (this.#ahead.length === READ_AHEAD_BYTES && this.#underWay === 0) {
      PlainSource.#freeAheads.push(this.#ahead);
    }
    this.#ahead = new Uint8Array(0);
    this.#start = this.#end = 0;
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
    if (this.#aheadLen === 0) {
      this.#start = this.#end = 0;
      // All was taken, so that more is of use.
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

  /** One read; 0 at the end of the file, and from then on without asking again: a terminal would wait for more. */
  async #readFile(into: Uint8Array, keeps = false): Promise<number> {
    if (this.#ended) return 0;
    if (this.#pace.isDue()) await this.#pace.rest();
    let got: number;
    this.#underWay++;
    try {
      got = await (this.#positioned?.read(into, this.#positionBytes) ?? this.#readStream(into));
    } catch (cause) {
      fail("read", this.path, cause);
    } finally {
      this.#underWay--;
    }
    this.#positionBytes += got;
    if (this.#hash !== undefined) await this.#tellNext(this.#hash, into.subarray(0, got), keeps);
    // Files of /proc have a size of 0 and give less than is asked for before their end: only nothing is the end.
    this.#ended = got === 0;
    return got;
  }

  /** Tells the hash a part, which it may hear while the next ones are read if the part `keeps`. */
  async #tellNext(hash: PassingHash, read: Uint8Array, keeps: boolean): Promise<void> {
    await this.#tellMissed(hash);
    const isOurs = read.buffer === this.#ahead.buffer;
    // What is in the buffer of ours moves.
    const copy = isOurs ? newBuffer(read.length, PlainSource.#freeCopies) : undefined;
    copy?.set(read);
    const part = copy?.subarray(0, read.length) ?? read;
    const heard = hash.update([part]);
    if (copy?.length === READ_AHEAD_BYTES) heard.then(() => PlainSource.#freeCopies.push(copy), () => {});
    if (!isOurs && !keeps) return await heard;
    // Met before the memory is used again, or at the end.
    heard.catch(() => {});
    this.#unheard.push({ part, heard });
    if (this.#unheard.length > MAX_UNHEARD) await this.#unheard.shift()!.heard;
  }

  /** What was read, or passed over, before there was a hash: only now, since of many files each would take memory for it. */
  async #tellMissed(hash: PassingHash): Promise<void> {
    const lenBytes = this.#missedBytes;
    if (lenBytes === 0) return;
    this.#missedBytes = 0;
    const part = this.#bulk ? this.#nextScratch() : newFew(PlainSource.#freeFew);
    for (let done = 0; done < lenBytes;) {
      const got = await this.readAt(part.subarray(0, lenBytes - done), done);
      if (got === 0) break;
      await hash.update([part.subarray(0, got)]);
      done += got;
    }
    if (!this.#bulk) PlainSource.#freeFew.push(part);
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
      fail("read", this.path, cause);
    }
  }

  async #readOver(lenBytes: number): Promise<number> {
    let passed = 0;
    let few: Uint8Array | undefined;
    while (passed < lenBytes) {
      const leftBytes = lenBytes - passed;
      if (this.#hash !== undefined && leftBytes >= this.#aheadBytes) {
        const scratch = this.#bulk ? this.#nextScratch() : few ??= newFew(PlainSource.#freeFew);
        const into = scratch.subarray(0, leftBytes);
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
    // The hash has heard what was there: a read that does not keep its memory waits for that.
    if (few !== undefined) PlainSource.#freeFew.push(few);
    return passed;
  }

  #nextScratch(): Uint8Array {
    this.#scratches ??= PlainSource.#freeScratches.pop() ??
      [0, 1].map(() => new Uint8Array(new SharedArrayBuffer(HASHED_BYTES)));
    this.#scratches.reverse();
    return this.#scratches[1];
  }
}

/** How a {@linkcode PlainSink} begins. */
export interface SinkState {
  hash?: PassingHash;
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
  /** The last write. One begins when the file has the one before: the system takes them one after the other anyway. */
  #last: Written = { stored: Promise.resolve(), free: Promise.resolve() };
  readonly #hash?: PassingHash;

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
    if (statSync === undefined || seekSync === undefined || !statOf(file as Deno.FsFile, path).isFile) return;
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
    return this.writeParts([from], origin).free;
  }

  writeParts(parts: readonly Uint8Array[], origin?: Origin): Written {
    const offsetBytes = this.#offsetBytes;
    for (const part of parts) this.#offsetBytes += part.length;
    const lenBytes = this.#offsetBytes - offsetBytes;
    const before = this.#last;
    const stored = before.stored.then(() => this.#store(parts, { offsetBytes, lenBytes, origin }));
    // While the file takes them, and not earlier: the thread may be the one that has them written.
    const heard = before.stored.then(() => this.#hear(parts));
    // The system's refusal is what counts.
    const free = settleAll([stored, before.free, heard]);
    // Who does not wait for this write, or not yet, hears of its failure from the next call.
    for (const outcome of [stored, free]) outcome.catch(() => {});
    return this.#last = { stored, free };
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
      await this.#bring(parts, { offsetBytes, lenBytes, origin });
    } catch (cause) {
      fail("write", this.path, cause);
    }
  }

  async #hear(parts: readonly Uint8Array[]): Promise<void> {
    try {
      await this.#hash?.update(parts);
    } catch (cause) {
      fail("hash", this.path, cause);
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

/** Memory for `lenBytes` or more, from `free` if it is about as much as most sources read ahead. */
function newBuffer(lenBytes: number, free: Uint8Array[]): Uint8Array {
  const isUsual = lenBytes > READ_AHEAD_BYTES / 2 && lenBytes <= READ_AHEAD_BYTES;
  return isUsual ? free.pop() ?? new Uint8Array(READ_AHEAD_BYTES) : new Uint8Array(lenBytes);
}

/** Memory of {@linkcode FEW_HASHED_BYTES}, from `free` if there is any. */
function newFew(free: Uint8Array[]): Uint8Array {
  return free.pop() ?? new Uint8Array(FEW_HASHED_BYTES);
}

function overlap(a: Uint8Array, b: Uint8Array): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.length &&
    b.byteOffset < a.byteOffset + a.length;
}

/** Throws an error that names the file and the action; the error of the system has only the reason. */
function fail(action: string, path: string, cause: unknown): never {
  throw new FileError({ action, path, reason: cause instanceof Error ? cause.message : `${cause}` }, {
    cause,
  });
}
