/** The two ends of a stream of bytes. Offsets are in the decompressed stream, as safe integers. */

/** Bytes to read in order: a plain file, standard input, or what a gzip or zstd file holds. */
export interface ByteSource extends Disposable {
  /** The path it was opened by (`-` for standard input), for messages. */
  readonly path: string;
  /** Offset of the next byte. */
  readonly offsetBytes: number;
  /**
   * Fills `into` from its start and returns how many bytes came: fewer than asked only at the end of the stream, 0 after it.
   * The end is reported only when the container has been verified to its last byte.
   * `into` may lie in shared memory.
   * @throws {FormatError} if the container is cut or damaged, or followed by something else
   */
  read(into: Uint8Array): number | Promise<number>;
  /**
   * Passes over `lenBytes` bytes; a plain file seeks. Returns how many bytes there were: fewer than asked only at the end.
   * @throws {FormatError} as `read`
   */
  skip(lenBytes: number): number | Promise<number>;
}

/** Bytes to write in order. Nothing is complete before `finish` has returned. */
export interface ByteSink extends Disposable {
  readonly path: string;
  /** Bytes taken so far, before compression. */
  readonly offsetBytes: number;
  /** Bytes that went to the file so far. */
  readonly storedBytes: number;
  /** Takes all of `from`; it may be changed after the promise resolves. `from` may lie in shared memory. */
  write(from: Uint8Array): void | Promise<void>;
  /** Writes what is held back and the container's end. Does not sync or close the file. */
  finish(): void | Promise<void>;
}

/** A sink that has taken its bytes when `write` returns. */
export interface SyncByteSink extends ByteSink {
  write(from: Uint8Array): void;
  finish(): void;
}

/** Names a few `bytes` in a message; none of them are the end of the file. */
export function showBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return "the end of the file";
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  return `${bytes.length === 1 ? "byte" : "byte sequence"} ${hex.join(" ")}`;
}

const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * The reading end of a container: hands on the pieces that a decoder makes of a file.
 *
 * The decoder is a generator. It throws at the first damage and returns only when it has verified the file to its last
 * byte, so that its return may be reported as the end of the stream. A piece need only live until the next one is asked for.
 */
export class PieceSource implements ByteSource {
  readonly #file: ByteSource;
  readonly #pieces: Iterator<Uint8Array, void>;
  #piece = EMPTY;
  #offsetBytes = 0;
  #failure?: { error: unknown };

  /** Takes over `file`, which `pieces` reads from, and closes it when disposed. */
  constructor(file: ByteSource, pieces: Iterator<Uint8Array, void>) {
    this.#file = file;
    this.#pieces = pieces;
  }

  get path(): string {
    return this.#file.path;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  read(into: Uint8Array): number {
    return this.#pass(into.length, (part, at) => into.set(part, at));
  }

  /** Decodes what it passes over: damage there is damage of the archive. */
  skip(lenBytes: number): number {
    return this.#pass(lenBytes, () => {});
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  #pass(lenBytes: number, use: (part: Uint8Array, at: number) => void): number {
    let passed = 0;
    while (passed < lenBytes && this.#hasPiece()) {
      const part = this.#piece.subarray(0, lenBytes - passed);
      use(part, passed);
      passed += part.length;
      this.#piece = this.#piece.subarray(part.length);
      this.#offsetBytes += part.length;
    }
    return passed;
  }

  #hasPiece(): boolean {
    // A generator that has thrown says "done" from then on, which must not pass for the end of the stream.
    if (this.#failure) throw this.#failure.error;
    try {
      while (this.#piece.length === 0) {
        const next = this.#pieces.next();
        if (next.done) return false;
        this.#piece = next.value;
      }
      return true;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }
}

/** How a {@linkcode ChunkSink} cuts and stores. */
export interface ChunkForm {
  /** Bytes of the stream in every chunk but the last, which may be shorter. */
  chunkBytes: number;
  /** Makes what the file holds for a chunk; `isLast` tells that the stream ends with it. `chunk` is reused afterwards. */
  encode(chunk: Uint8Array, isLast: boolean): Uint8Array;
}

/**
 * The writing end of a container: cuts the stream at multiples of a fixed length, wherever the caller cuts its writes, so
 * that the same stream always gives the same file. An empty stream is one empty chunk.
 */
export class ChunkSink implements SyncByteSink {
  readonly #file: SyncByteSink;
  readonly #form: ChunkForm;
  readonly #chunk: Uint8Array;
  #chunkLen = 0;
  #offsetBytes = 0;
  #finished = false;

  /** Writes to `file` and leaves its end and its disposal to the caller. */
  constructor(file: SyncByteSink, form: ChunkForm) {
    this.#file = file;
    this.#form = form;
    this.#chunk = new Uint8Array(form.chunkBytes);
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

  write(from: Uint8Array): void {
    if (this.#finished) throw new TypeError(`Cannot write "${this.path}": it is finished`);
    for (let at = 0; at < from.length;) {
      // A full chunk waits until a byte follows it: only then is it known not to be the last.
      if (this.#chunkLen === this.#chunk.length) this.#store(false);
      const part = from.subarray(at, at + this.#chunk.length - this.#chunkLen);
      this.#chunk.set(part, this.#chunkLen);
      this.#chunkLen += part.length;
      this.#offsetBytes += part.length;
      at += part.length;
    }
  }

  finish(): void {
    if (this.#finished) return;
    this.#store(true);
    this.#finished = true;
  }

  [Symbol.dispose](): void {}

  #store(isLast: boolean): void {
    this.#file.write(this.#form.encode(this.#chunk.subarray(0, this.#chunkLen), isLast));
    this.#chunkLen = 0;
  }
}
