/**
 * Collects bytes for a sink in pieces of about one mebibyte, which are filled in the core's memory. Several
 * pieces are written at a time, so that they are compressed in parallel while the next one is filled.
 */

import type { ByteSink, Origin } from "../archive/bytes.ts";
import type { Core } from "../core.ts";

/** The size at which a piece is complete: small enough for memory, large enough to compress well. */
export const PIECE_MIN_BYTES = 512 * 1024;

/** The core memory for the pieces of one sink. A sink with longer pieces has one piece. */
const PIECES_BYTES = 12 * 1024 * 1024;
const PIECES_MAX = 6;

interface PieceBuffer {
  ptr: number;
  stored: Promise<void>;
}

/** Fills one piece after the other and passes them to a sink. */
export class PieceWriter {
  /** The number of bytes in the current piece. */
  lengthBytes = 0;
  readonly #core: Core;
  readonly #sink: ByteSink;
  readonly #capacityBytes: number;
  readonly #piecesMax: number;
  /**
   * The pieces that were passed to the sink, the oldest first. Their memory is used again when they are
   * stored.
   */
  readonly #others: PieceBuffer[] = [];
  #ptr: number;

  /** @param capacityBytes the size of the longest piece */
  constructor(core: Core, sink: ByteSink, capacityBytes: number) {
    this.#core = core;
    this.#sink = sink;
    this.#capacityBytes = capacityBytes;
    this.#piecesMax = Math.max(1, Math.min(PIECES_MAX, Math.floor(PIECES_BYTES / capacityBytes)));
    this.#ptr = core.alloc(capacityBytes);
  }

  /** The free memory of the current piece. */
  get room(): { ptr: number; length: number } {
    return { ptr: this.#ptr + this.lengthBytes, length: this.#capacityBytes - this.lengthBytes };
  }

  /** Copies bytes to the current piece. */
  append(bytes: Uint8Array): void {
    this.#core.bytes(this.room.ptr, bytes.length).set(bytes);
    this.lengthBytes += bytes.length;
  }

  /**
   * Passes the current piece to the sink and waits until there is memory for the next one.
   *
   * @param origin the place from which all bytes of the piece were read, if there is one
   */
  async send(origin?: Origin): Promise<void> {
    if (this.lengthBytes === 0) return;
    const written = this.#sink.write(this.#core.bytes(this.#ptr, this.lengthBytes), origin);
    const stored = this.#core.hold(Promise.resolve(written));
    // The promise is awaited when the memory is used again. Its rejection must not count as unhandled until
    // then.
    stored.catch(() => {});
    this.#others.push({ ptr: this.#ptr, stored });
    this.lengthBytes = 0;
    if (this.#others.length < this.#piecesMax) {
      this.#ptr = this.#core.alloc(this.#capacityBytes);
      return;
    }
    const oldest = this.#others.shift()!;
    await oldest.stored;
    this.#ptr = oldest.ptr;
  }

  /** Passes the current piece to the sink, however short it is, and waits until all pieces are in the file. */
  async flush(): Promise<void> {
    await this.send();
    for (const { stored } of this.#others) await stored;
    await this.#sink.flush();
  }

  /** Passes the last piece to the sink and completes the stream. */
  async finish(): Promise<void> {
    await this.send();
    for (const { stored } of this.#others) await stored;
    await this.#sink.finish();
  }
}
