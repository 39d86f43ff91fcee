/**
 * Sources and sinks of bytes. All offsets count bytes of the decompressed stream, as safe integers, where
 * nothing else is said.
 */

/** The values of `Deno.SeekMode`, for files of every kind: an offset counts from the start, or from the current one. */
export const SEEK = { start: 0 as Deno.SeekMode, current: 1 as Deno.SeekMode } as const;

/**
 * A stream of bytes that is read in order: a plain file, standard input, or the content of a gzip or zstd
 * file.
 */
export interface ByteSource extends Disposable {
  /** The path by which the file was opened (`-` for standard input), for messages. */
  readonly path: string;
  /** Offset of the next byte. */
  readonly offsetBytes: number;
  /**
   * The offset in the file up to which it was read. In a compressed file it is ahead of the place that
   * corresponds to {@linkcode offsetBytes}.
   */
  readonly fileOffsetBytes: number;
  /**
   * Fills `into` from its start and returns the number of bytes. It is smaller than `into.length` only at the
   * end of the stream, and 0 after it. The end is reported only after the container has been verified to its
   * last byte. `into` may be in shared memory.
   *
   * @param options.keeps promises that until the next read into the same memory no other code changes the
   * bytes in `into`, so that the hash of the file may process them after this read has returned
   * @throws {FormatError} if the container is cut or damaged, or followed by other data
   */
  read(into: Uint8Array, options?: { keeps?: boolean }): number | Promise<number>;
  /**
   * Skips `lenBytes` bytes; a plain file seeks. Returns the number of skipped bytes, which is smaller only at
   * the end of the stream.
   *
   * @throws {FormatError} as `read`
   */
  skip(lenBytes: number): number | Promise<number>;
  /**
   * Feeds the whole file, as it is stored, to `hash` in order. Bytes that were read before this call are
   * included. The file must be a regular one, and this can be called once.
   */
  tell(hash: PassingHash): void;
  /**
   * Reads the rest of the file, waits until the hash has processed all of it, and returns the file's length.
   */
  finishFile(): Promise<number>;
}

/** A hash that is computed, on any thread, while bytes are read or written. */
export interface PassingHash {
  /**
   * Adds the next bytes to the hash. They must not change until the promise resolves. Calls may overlap; the
   * parts are processed in the order of the calls. A caller that never waits lets the parts accumulate in
   * memory.
   */
  update(parts: readonly Uint8Array[]): Promise<void>;
}

/**
 * The place from which the bytes of a write were read. A sink may copy the stored form of these bytes from
 * there.
 */
export interface Origin {
  readonly source: ByteSource;
  /** Offset in the source's stream. */
  readonly offsetBytes: number;
}

/** The progress of a write. */
export interface Written {
  /** Resolves when the bytes are in the file. The next write may begin then. */
  readonly stored: Promise<void>;
  /**
   * Resolves when the memory of this write and of all earlier writes may be changed: the bytes are in the
   * file, and its hash has processed them.
   */
  readonly free: Promise<void>;
}

/**
 * A stream of bytes that is written in order, in pieces. The file is complete only after `finish` has
 * returned.
 */
export interface ByteSink extends Disposable {
  readonly path: string;
  /** The number of bytes written so far, before compression. */
  readonly offsetBytes: number;
  /** The number of bytes that were written to the file so far, after compression. */
  readonly storedBytes: number;
  /**
   * Writes all of `from` as one piece, which a compressed file stores as a member or frame of its own. `from`
   * may be in shared memory, and may be changed when the promise resolves. Calls may overlap: several pieces
   * are compressed at a time, and they are stored in the order of the calls. After a failure every later call
   * fails.
   *
   * @param origin where all of `from` was read, if it was read from a source
   */
  write(from: Uint8Array, origin?: Origin): void | Promise<void>;
  /**
   * Writes parts from different places of memory as one write. Only sinks have it whose files do not show the
   * boundaries of writes, so that the length of a write does not matter.
   */
  writeParts?(parts: readonly Uint8Array[], origin?: Origin): Written;
  /**
   * Resolves when all writes so far are in the file. What is in the file then can be read without the rest: a
   * compressed file has whole pieces only.
   */
  flush(): Promise<void>;
  /** Writes the end of the container after the last piece. Does not sync or close the file. */
  finish(): void | Promise<void>;
}
