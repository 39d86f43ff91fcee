/** What gzip and zstd share: a stream in pieces that are compressed and decompressed by themselves, several at a time. */

import type { ByteSink, ByteSource } from "./bytes.ts";

/** Names a few `bytes` in a message; none of them are the end of the file. */
export function showBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return "the end of the file";
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  return `${bytes.length === 1 ? "byte" : "byte sequence"} ${hex.join(" ")}`;
}

const EMPTY: Uint8Array = new Uint8Array(0);

/** Decoded bytes, or the promise of them while another thread is at it; in an object, since a generator awaits bare promises. */
export type Piece = Uint8Array | { promised: Promise<Uint8Array> };

/** How a {@linkcode PieceSource} gets its bytes. */
export interface Pieces {
  /**
   * Hands on what a decoder makes of a file. It throws at the first damage and returns only when the file was verified to
   * its last byte (as far as it has no promise to give for that), so that its return may be reported as the end of the
   * stream. A piece that is no promise need only live until the next one is asked for.
   */
  pieces: AsyncIterator<Piece, void>;
  /** How many promised pieces may be under way. */
  ahead: number;
}

/** The reading end of a container. */
export class PieceSource implements ByteSource {
  readonly #file: ByteSource;
  readonly #pieces: AsyncIterator<Piece, void>;
  readonly #ahead: number;
  readonly #underWay: Piece[] = [];
  #piece = EMPTY;
  #offsetBytes = 0;
  #exhausted = false;
  #failure?: { error: unknown };

  /** Takes over `file`, which `pieces` reads from, and closes it when disposed. */
  constructor(file: ByteSource, { pieces, ahead }: Pieces) {
    this.#file = file;
    this.#pieces = pieces;
    this.#ahead = Math.max(1, ahead);
  }

  get path(): string {
    return this.#file.path;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  read(into: Uint8Array): number | Promise<number> {
    return this.#pass(into.length, (part, at) => into.set(part, at));
  }

  /** Decodes what it passes over: damage there is damage of the archive. */
  skip(lenBytes: number): number | Promise<number> {
    return this.#pass(lenBytes, () => {});
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  async #pass(lenBytes: number, use: (part: Uint8Array, at: number) => void): Promise<number> {
    let passed = 0;
    while (passed < lenBytes && (this.#piece.length > 0 || await this.#nextPiece())) {
      const part = this.#piece.subarray(0, lenBytes - passed);
      use(part, passed);
      passed += part.length;
      this.#piece = this.#piece.subarray(part.length);
      this.#offsetBytes += part.length;
    }
    return passed;
  }

  /** False at the end of the stream. */
  async #nextPiece(): Promise<boolean> {
    // A generator that has thrown says "done" from then on, which must not pass for the end of the stream.
    if (this.#failure) throw this.#failure.error;
    try {
      do {
        await this.#orderAhead();
        const next = this.#underWay.shift();
        if (next === undefined) return false;
        this.#piece = next instanceof Uint8Array ? next : await next.promised;
      } while (this.#piece.length === 0);
      return true;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** Keeps as many pieces under way as are worth it; behind one that is there already nothing is asked for. */
  async #orderAhead(): Promise<void> {
    while (!this.#exhausted && this.#underWay.length < this.#ahead) {
      if (this.#underWay[this.#underWay.length - 1] instanceof Uint8Array) return;
      const next = await this.#take();
      if (next === undefined) return;
      this.#underWay.push(next);
      if (next instanceof Uint8Array) return;
      // A failure is met when the piece's turn comes; until then it must not count as unhandled.
      next.promised.catch(() => {});
    }
  }

  /** The next piece, or nothing at the end; damage that was found ahead waits behind the pieces before it. */
  async #take(): Promise<Piece | undefined> {
    try {
      const next = await this.#pieces.next();
      this.#exhausted = next.done === true;
      return next.value ?? undefined;
    } catch (error) {
      this.#exhausted = true;
      return { promised: Promise.reject(error) };
    }
  }
}

/** Lengths of a chunk, in the file and in the stream. */
export interface StoredChunk {
  storedBytes: number;
  contentBytes: number;
}

/** How a {@linkcode ChunkSink} cuts and stores. */
export interface ChunkForm {
  /** Bytes of the stream in every chunk but the last, which may be shorter. */
  chunkBytes: number;
  /** How many chunks may be under way. */
  ahead: number;
  /**
   * Makes what the file holds for a chunk; `isLast` tells that the stream ends with it. `chunk` is in shared memory and is
   * used again when the promise has resolved.
   */
  encode(chunk: Uint8Array, isLast: boolean): Promise<Uint8Array>;
  /** What stands behind the last chunk. */
  end?(chunks: readonly StoredChunk[]): Uint8Array;
}

/**
 * The writing end of a container: cuts the stream at multiples of a fixed length, wherever the caller cuts its writes, so
 * that the same stream always gives the same file. An empty stream is one empty chunk.
 */
export class ChunkSink implements ByteSink {
  readonly #file: ByteSink;
  readonly #form: ChunkForm;
  readonly #underWay: { chunk: Uint8Array; length: number; stored: Promise<Uint8Array> }[] = [];
  readonly #stored: StoredChunk[] = [];
  #chunk: Uint8Array;
  #chunkLen = 0;
  #offsetBytes = 0;
  #finished = false;
  #failure?: { error: unknown };

  /** Writes to `file` and leaves its end and its disposal to the caller. */
  constructor(file: ByteSink, form: ChunkForm) {
    this.#file = file;
    this.#form = form;
    this.#chunk = newChunk(form);
  }

  get path(): string {
    return this.#file.path;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get storedBytes(): number {
    return this.#file.storedBytes;
  }

  async write(from: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    if (this.#finished) throw new TypeError(`Cannot write "${this.path}": it is finished`);
    for (let at = 0; at < from.length;) {
      // A full chunk waits until a byte follows it: only then is it known not to be the last.
      if (this.#chunkLen === this.#chunk.length) await this.#sendOff(false);
      const part = from.subarray(at, at + this.#chunk.length - this.#chunkLen);
      this.#chunk.set(part, this.#chunkLen);
      this.#chunkLen += part.length;
      this.#offsetBytes += part.length;
      at += part.length;
    }
  }

  async finish(): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    if (this.#finished) return;
    this.#finished = true;
    await this.#sendOff(true);
    while (this.#underWay.length > 0) await this.#storeOldest();
    if (this.#form.end !== undefined) await this.#file.write(this.#form.end(this.#stored));
  }

  [Symbol.dispose](): void {}

  /** Has the chunk encoded and finds room for the next one. */
  async #sendOff(isLast: boolean): Promise<void> {
    const stored = this.#form.encode(this.#chunk.subarray(0, this.#chunkLen), isLast);
    stored.catch(() => {});
    this.#underWay.push({ chunk: this.#chunk, length: this.#chunkLen, stored });
    this.#chunk = this.#underWay.length < this.#form.ahead ? newChunk(this.#form) : await this.#storeOldest();
    this.#chunkLen = 0;
  }

  /** Writes the oldest chunk; returns its memory. */
  async #storeOldest(): Promise<Uint8Array> {
    const { chunk, length, stored } = this.#underWay.shift()!;
    try {
      const bytes = await stored;
      await this.#file.write(bytes);
      this.#stored.push({ storedBytes: bytes.length, contentBytes: length });
    } catch (error) {
      // A chunk is missing from now on: the stream must never be called complete.
      this.#failure = { error };
      throw error;
    }
    return chunk;
  }
}

function newChunk({ chunkBytes }: ChunkForm): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(chunkBytes));
}
