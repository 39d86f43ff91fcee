/**
 * Memory that many compressed files share while all of them are open. Each file has a current piece of up to
 * two mebibytes, and all of these together would take too much memory. Therefore only as many pieces are in
 * memory as there are buffers. A file whose buffer was given to another file reads and decompresses its piece
 * again when it is read next, which costs little for files that are read rarely.
 */

import { storedBound } from "./codecs.ts";
import { PIECE_MAX_BYTES, type PieceMemory, type PromisedPiece, type WholePiece } from "./piece.ts";
import type { PlainSource } from "./plain_source.ts";
import { SharedBuffer, WORD_BYTES } from "./shared_buffer.ts";

/**
 * The largest length, stored and as content, of a piece that a source which is one of many decompresses as a
 * whole. Pieces that are written today are no longer.
 */
export const MANY_MAX_BYTES = PIECE_MAX_BYTES + storedBound(0);

/** The number of buffers. Few pieces have the largest length. */
const BUFFER_COUNT = 8;

/** A source whose piece may be evicted from memory. */
export interface PieceHolder {
  /**
   * Called when the buffer of the piece is given to another source. The content of the piece is invalid from
   * then on.
   */
  dropPiece(): void;
}

type PieceBuffer = Uint8Array<SharedArrayBuffer>;

/** The buffers that many sources share. */
export class ManySources {
  /** The buffer for the stored form of a piece while it is decompressed. */
  readonly stored: SharedBuffer = new SharedBuffer();
  readonly #free: PieceBuffer[] = [];
  /** The buffers by the sources that hold them, the least recently read source first. */
  readonly #held = new Map<PieceHolder, PieceBuffer>();
  #count = 0;
  /** Resolves when the decompression in progress has ended. */
  #decoded: Promise<unknown> = Promise.resolve();

  /**
   * Runs `decode` after all earlier calls have ended, because they all use the same buffer for the stored
   * form.
   */
  runAlone<Result>(decode: () => Promise<Result>): Promise<Result> {
    const done = this.#decoded.then(decode);
    this.#decoded = done.catch(() => {});
    return done;
  }

  /**
   * Returns a buffer for the content of a piece of up to {@linkcode MANY_MAX_BYTES}. `holder` has it until
   * the buffer is needed for another source.
   */
  bufferFor(holder: PieceHolder): PieceBuffer {
    const buffer = this.#held.get(holder) ?? this.#free.pop() ?? this.#newBuffer() ?? this.#oldest();
    this.#held.delete(holder);
    this.#held.set(holder, buffer);
    return buffer;
  }

  /** Marks `holder` as the most recently read source. */
  touch(holder: PieceHolder): void {
    if (this.#held.has(holder)) this.bufferFor(holder);
  }

  /** Frees the buffer of `holder`. */
  release(holder: PieceHolder): void {
    const buffer = this.#held.get(holder);
    if (buffer === undefined) return;
    this.#held.delete(holder);
    this.#free.push(buffer);
  }

  #newBuffer(): PieceBuffer | undefined {
    if (this.#count === BUFFER_COUNT) return undefined;
    this.#count++;
    return new Uint8Array(new SharedArrayBuffer(MANY_MAX_BYTES + WORD_BYTES));
  }

  #oldest(): PieceBuffer {
    const [[holder, buffer]] = this.#held;
    this.#held.delete(holder);
    holder.dropPiece();
    return buffer;
  }
}

/** The piece memory of one of many sources. It decompresses each piece when it is needed, on this thread. */
export class ManySlots implements PieceMemory {
  readonly #many: ManySources;
  readonly #holder: PieceHolder;
  #offsetBytes = 0;

  constructor(many: ManySources, holder: PieceHolder) {
    this.#many = many;
    this.#holder = holder;
  }

  async takePiece(file: PlainSource, piece: WholePiece): Promise<PromisedPiece> {
    const { storedBytes, contentBytes, isLast } = piece;
    const { path, offsetBytes: fileOffsetBytes } = file;
    const at = this.#offsetBytes % WORD_BYTES;
    const decode = (read: (stored: Uint8Array) => number | Promise<number>, cut: () => Error) =>
      this.#many.runAlone(async () => {
        const stored = this.#many.stored.ofLength(storedBytes);
        if (await read(stored) < storedBytes) throw cut();
        const content = this.#many.bufferFor(this.#holder).subarray(at, at + contentBytes);
        await piece.decode({ stored, into: content });
        return content;
      });
    const content = await decode((stored) => file.read(stored), piece.cut);
    const again = () =>
      decode(
        (stored) => file.readAt(stored, fileOffsetBytes),
        () => new Error(`Cannot read "${path}": it was cut while it was read`),
      );
    const origin = { fileOffsetBytes, storedBytes, contentBytes };
    return { content, decoded: Promise.resolve(), origin, isLast, again };
  }

  pass(lenBytes: number): void {
    this.#offsetBytes += lenBytes;
  }

  release(): void {
    // The buffer is freed after the decompression in progress, which may use it.
    this.#many.runAlone(() => Promise.resolve(this.#many.release(this.#holder)));
  }
}
