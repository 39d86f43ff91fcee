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
