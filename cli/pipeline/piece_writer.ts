/**
 * Bytes on their way to a sink, in pieces of about a mebibyte that are filled in the core's memory. A few of them are under
 * way at a time, so that they are compressed side by side, and written while the next ones are filled.
 */

import type { ByteSink, Origin } from "../archive/bytes.ts";
import type { Core } from "../core.ts";

/** A piece with so many bytes is complete: small enough for memory, large enough to compress well. */
export const PIECE_MIN_BYTES = 512 * 1024;

/** Core memory for the pieces of one sink, if a piece is no larger. */
const PIECES_BYTES = 12 * 1024 * 1024;
const PIECES_MAX = 6;

interface PieceBuffer {
  ptr: number;
  stored: Promise<void>;
}

/** Fills one piece after the other. */
export class PieceWriter {
  /** Bytes in the piece at hand. */
  lengthBytes = 0;
  readonly #core: Core;
  readonly #sink: ByteSink;
  readonly #capacityBytes: number;
  readonly #piecesMax: number;
  /** Pieces that are free again or will be, the oldest first. */
  readonly #others: PieceBuffer[] = [];
  #ptr: number;

  /** `capacityBytes`: the longest piece */
  constructor(core: Core, sink: ByteSink, capacityBytes: number) {
    this.#core = core;
    this.#sink = sink;
    this.#capacityBytes = capacityBytes;
    this.#piecesMax = Math.max(1, Math.min(PIECES_MAX, Math.floor(PIECES_BYTES / capacityBytes)));
    this.#ptr = core.alloc(capacityBytes);
  }

  /** Where the next bytes of the piece go to. */
  get room(): { ptr: number; length: number } {
    return { ptr: this.#ptr + this.lengthBytes, length: this.#capacityBytes - this.lengthBytes };
  }

  /** Takes bytes from anywhere. */
  append(bytes: Uint8Array): void {
    this.#core.bytes(this.room.ptr, bytes.length).set(bytes);
    this.lengthBytes += bytes.length;
  }

  /** Sends the piece off, and waits for room for the next one. */
  async send(origin?: Origin): Promise<void> {
    if (this.lengthBytes === 0) return;
    const written = this.#sink.write(this.#core.bytes(this.#ptr, this.lengthBytes), origin);
    const stored = this.#core.hold(Promise.resolve(written));
    // Met when the memory is needed again.
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

  /** Sends off what is left and completes the stream. */
  async finish(): Promise<void> {
    await this.send();
    for (const { stored } of this.#others) await stored;
    await this.#sink.finish();
  }
}
