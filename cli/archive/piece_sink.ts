/**
 * The common part of the gzip and zstd sinks: the stream is split into pieces that are compressed
 * independently, several at a time.
 */

import type { ByteSink, Origin } from "./bytes.ts";
import { storedBound } from "./codecs.ts";
import { PIECE_MAX_BYTES, type StoredPiece } from "./piece.ts";
import type { PieceSource } from "./piece_source.ts";
import { PieceTable } from "./piece_table.ts";
import type { PlainSink } from "./plain_sink.ts";
import { SharedBuffer } from "./shared_buffer.ts";
import type { OpenScratch } from "./scratch.ts";
import { settleAll } from "../settle_all.ts";

/**
 * The content of an unfinished file that is continued. It consists of whole pieces, none of which is the last
 * of its stream.
 */
export interface Begun {
  storedBytes: number;
  contentBytes: number;
  /** The lengths of the pieces, for a compressed file. */
  pieces?: PieceTable;
}

/** Options of {@linkcode PieceSink}. */
export interface PieceSinkOptions {
  begun?: Begun;
  /** Opens a scratch file for the lengths of the pieces. Without it they stay in memory. */
  scratch?: OpenScratch;
}

/** The format-specific part of a {@linkcode PieceSink}. */
export interface PieceSinkFormat {
  /** The number of pieces that may be in progress at a time. */
  ahead: number;
  /**
   * Writes the stored form of `content` to the start of `into` and returns its length, as the methods of
   * `Codecs` do.
   */
  encode(given: { content: Uint8Array; into: Uint8Array; isLast: boolean }): Promise<number>;
  /**
   * Returns `source` if its pieces have the format that this sink writes, so that they can be copied. It is
   * absent if no pieces are to be copied.
   */
  copyableSource?(source: Origin["source"]): PieceSource | undefined;
  /**
   * Returns whether `stored` is a whole piece of this format that holds `content` and is not the last one of
   * a stream.
   */
  holds(stored: Uint8Array, content: Uint8Array): boolean | Promise<boolean>;
  /** Writes the data after the last piece. */
  writeEnd?(pieces: PieceTable, file: PlainSink): Promise<void>;
}

/** The memory for one piece while it is compressed and stored. */
interface EncodeSlot {
  stored: SharedBuffer;
  /** A copy of the content, if it is not in shared memory. */
  content: SharedBuffer;
}

/**
 * A sink for compressed containers. It makes a piece of each write, and finally an empty piece that is marked
 * as the last one. The same writes give the same file, independently of the number of threads.
 */
export class PieceSink implements ByteSink {
  readonly #file: PlainSink;
  readonly #format: PieceSinkFormat;
  readonly #free: EncodeSlot[];
  /** The callbacks of pieces that wait for a slot, the oldest first. */
  readonly #waiting: ((slot: EncodeSlot) => void)[] = [];
  /** The lengths of the stored pieces, if `writeEnd` needs them. */
  readonly #table?: PieceTable;
  /** Resolves when all pieces of the writes so far are stored. */
  #last: Promise<void> = Promise.resolve();
  #offsetBytes: number;
  #finishing?: Promise<void>;
  #failure?: { error: unknown };

  /**
   * Writes to `file`, after the content of `begun` if it is given. The sink disposes `file` when it is
   * disposed itself.
   */
  constructor(file: PlainSink, format: PieceSinkFormat, { begun, scratch }: PieceSinkOptions = {}) {
    this.#file = file;
    this.#format = format;
    if (format.writeEnd !== undefined) this.#table = begun?.pieces ?? new PieceTable({ scratch });
    this.#offsetBytes = begun?.contentBytes ?? 0;
    this.#free = Array.from(
      { length: Math.max(1, format.ahead) },
      () => ({ stored: new SharedBuffer(), content: new SharedBuffer() }),
    );
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

  async write(from: Uint8Array, origin?: Origin): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    if (this.#finishing) throw new TypeError(`Cannot write "${this.path}": it is finished`);
    this.#offsetBytes += from.length;
    const copy = this.#copyOf(from, origin);
    if (copy) return await this.#add(from, { copy });
    const added: Promise<void>[] = [];
    for (let at = 0; at < from.length; at += PIECE_MAX_BYTES) {
      added.push(this.#add(from.subarray(at, at + PIECE_MAX_BYTES)));
    }
    await settleAll(added);
  }

  async flush(): Promise<void> {
    await this.#last;
    if (this.#failure) throw this.#failure.error;
  }

  async finish(): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    await (this.#finishing ??= this.#finish());
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  async #finish(): Promise<void> {
    await this.#add(new Uint8Array(0), { isLast: true });
    await this.#last;
    if (this.#table !== undefined) await this.#format.writeEnd!(this.#table, this.#file);
    await this.#file.finish();
  }

  /** Returns the piece of another file that can be copied instead of compressing `from`, if there is one. */
  #copyOf(from: Uint8Array, origin?: Origin): PieceCopy | undefined {
    const source = origin && this.#format.copyableSource?.(origin.source);
    const piece = source?.storedPiece(origin!.offsetBytes, from.length);
    return piece && { source: source!, piece };
  }

  /**
   * Compresses one piece, and stores it after the pieces before it. The promise resolves when the piece is
   * compressed.
   */
  #add(
    content: Uint8Array,
    { copy, isLast = false }: { copy?: PieceCopy; isLast?: boolean } = {},
  ): Promise<void> {
    const before = this.#last;
    const slot = this.#slot();
    const encoded = slot.then((slot) => this.#encode(content, { slot, copy, isLast }));
    this.#last = this.#store(before, { slot, encoded, contentBytes: content.length });
    // The next call of write() or finish() rejects with this failure. Until then the rejection must not count
    // as unhandled.
    this.#last.catch(() => {});
    return encoded.then(() => {});
  }

  /** Returns the stored form of a piece, in the memory of the slot. */
  async #encode(
    content: Uint8Array,
    { slot, copy, isLast }: { slot: EncodeSlot; copy?: PieceCopy; isLast: boolean },
  ): Promise<Uint8Array> {
    try {
      if (this.#failure) throw this.#failure.error;
      const copied = copy && await this.#copy(content, { slot, copy });
      if (copied) return copied;
      const into = slot.stored.ofLength(storedBound(content.length));
      const storedLen = await this.#format.encode({ content: shared(content, slot.content), into, isLast });
      return into.subarray(0, storedLen);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * Returns the stored form of a piece that is copied from another file, or `undefined` if that file does not
   * contain it any more. The file may belong to another program, which can change or cut it at any time.
   */
  async #copy(
    content: Uint8Array,
    { slot, copy: { source, piece } }: { slot: EncodeSlot; copy: PieceCopy },
  ): Promise<Uint8Array | undefined> {
    const stored = slot.stored.ofLength(piece.storedBytes);
    const got = await source.readStored(stored, piece.fileOffsetBytes);
    return got === stored.length && await this.#format.holds(stored, content) ? stored : undefined;
  }

  async #store(
    before: Promise<void>,
    given: { slot: Promise<EncodeSlot>; encoded: Promise<Uint8Array>; contentBytes: number },
  ): Promise<void> {
    const { slot, encoded, contentBytes } = given;
    try {
      // The pieces before this one come first. They end, because slots are given to the oldest pieces.
      await before;
      const stored = await encoded;
      await this.#file.write(stored);
      this.#table?.add({ storedBytes: stored.length, contentBytes });
    } catch (error) {
      // The slot is released only after the other thread has stopped writing to it.
      await encoded.catch(() => {});
      throw this.#fail(error);
    } finally {
      this.#release(await slot);
    }
  }

  /**
   * Records the first failure and returns it. A piece is missing in the file from now on, so no later call
   * may succeed.
   */
  #fail(error: unknown): unknown {
    this.#failure ??= { error };
    return this.#failure.error;
  }

  #slot(): Promise<EncodeSlot> {
    const slot = this.#free.pop();
    return slot ? Promise.resolve(slot) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  #release(slot: EncodeSlot): void {
    const next = this.#waiting.shift();
    if (next) next(slot);
    else this.#free.push(slot);
  }
}

/** A piece of another file, and the source that read it. */
interface PieceCopy {
  source: PieceSource;
  piece: StoredPiece;
}

/** Returns `content` in shared memory: the argument itself, or a copy in `buffer`. */
function shared(content: Uint8Array, buffer: SharedBuffer): Uint8Array {
  if (content.buffer instanceof SharedArrayBuffer) return content;
  const copy = buffer.ofLength(content.length);
  copy.set(content);
  return copy;
}
