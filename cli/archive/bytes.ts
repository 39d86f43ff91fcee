/** The two ends of a stream of bytes. Offsets are in the decompressed stream, as safe integers. */

/** Bytes to read in order: a plain file, standard input, or what a gzip or zstd file holds. */
export interface ByteSource extends Disposable {
  /** The path it was opened by (`-` for standard input), for messages. */
  readonly path: string;
  /** Offset of the next byte. */
  readonly offsetBytes: number;
  /** How far the file was read: of a compressed one more than what {@linkcode offsetBytes} has come to. */
  readonly fileOffsetBytes: number;
  /**
   * Fills `into` from its start and returns how many bytes came: fewer than asked only at the end of the stream, 0 after it.
   * The end is reported only when the container has been verified to its last byte.
   * `into` may lie in shared memory. With `keeps`, only this source writes there: a hash that is told of the file may hear
   * it later, but before the next read into the same memory.
   * @throws {FormatError} if the container is cut or damaged, or followed by something else
   */
  read(into: Uint8Array, options?: { keeps?: boolean }): number | Promise<number>;
  /**
   * Passes over `lenBytes` bytes; a plain file seeks. Returns how many bytes there were: fewer than asked only at the end.
   * @throws {FormatError} as `read`
   */
  skip(lenBytes: number): number | Promise<number>;
  /** Has `hash` hear the whole file as it lies there, in order, what was read before as well. For a regular file, once. */
  tell(hash: PassingHash): void;
  /** Reads what is left of the file, so that the hash has heard it all; returns the file's length. */
  finishFile(): Promise<number>;
}

/** A hash that is computed while bytes pass by, by whatever thread. */
export interface PassingHash {
  /**
   * Hears the next bytes, which stay as they are until it resolves. Calls may overlap; they are heard in their order. Who never
   * waits has memory pile up.
   */
  update(parts: readonly Uint8Array[]): Promise<void>;
}

/** Where bytes that are written were read before, as they are: a sink may copy what the file holds for them. */
export interface Origin {
  readonly source: ByteSource;
  /** Offset in the source's stream. */
  readonly offsetBytes: number;
}

/** What becomes of a write. */
export interface Written {
  /** Resolves when the file has the bytes, and the next write may begin. */
  readonly stored: Promise<void>;
  /** Resolves when they may be changed, and what was written before: the file has them, and its hash has heard them. */
  readonly free: Promise<void>;
}

/** Bytes to write in order, in pieces. Nothing is complete before `finish` has returned. */
export interface ByteSink extends Disposable {
  readonly path: string;
  /** Bytes taken so far, before compression. */
  readonly offsetBytes: number;
  /** Bytes that went to the file so far. */
  readonly storedBytes: number;
  /**
   * Takes all of `from` as one piece: what a compressed file keeps apart from its neighbours. It may be changed when the
   * promise resolves. Calls may overlap: several pieces are compressed at a time, and they are stored in the order of the
   * calls. `from` may lie in shared memory. After a failure every further call fails.
   * @param origin where all of `from` was read, if it was
   */
  write(from: Uint8Array, origin?: Origin): void | Promise<void>;
  /**
   * Takes parts that lie apart as one write; only where the file does not show what was one write, so that its length does
   * not matter.
   */
  writeParts?(parts: readonly Uint8Array[], origin?: Origin): Written;
  /** Writes the container's end behind all pieces. Does not sync or close the file. */
  finish(): void | Promise<void>;
}
