/** Reads ahead: while the reader consumes one part of a file, the next part is read. */

import type { ByteSource } from "../archive/bytes.ts";
import { WORD_BYTES } from "../archive/shared_buffer.ts";
import type { Core } from "../core.ts";

/**
 * Bytes of a part. On some machines a read by another thread costs as much time as reading half a mebibyte.
 */
export const PART_BYTES = 4 * 1024 * 1024;
/** Bytes of the first part. Many archives and most digests are not longer. */
const FIRST_PART_BYTES = 128 * 1024;

/** Memory for a part of `lenBytes` that may begin at any byte of the first word. */
interface PartRoom {
  ptr: number;
  lenBytes: number;
}

/**
 * A part that is being read. `got` is the number of bytes that were read, less than the part's length at the
 * end.
 */
interface OrderedPart {
  room: PartRoom;
  part: Uint8Array;
  got: Promise<number>;
}

/** Reads a source in order. Nothing else may read the source meanwhile. */
export class ReadAhead implements Pick<ByteSource, "offsetBytes" | "read" | "skip"> {
  readonly #core: Core;
  readonly #source: ByteSource;
  readonly #partBytes: number;
  #offsetBytes: number;
  /** The bytes of the current part that the reader has not taken, and the memory that holds the part. */
  #part: Uint8Array = new Uint8Array(0);
  #room?: PartRoom;
  /** The following part. It is absent until the reader has come to the end of the first part. */
  #next?: OrderedPart;
  #ended = false;

  /** Memory is allocated from `core` at the first read. */
  constructor(core: Core, source: ByteSource, partBytes: number) {
    this.#partBytes = partBytes;
    this.#core = core;
    this.#source = source;
    this.#offsetBytes = source.offsetBytes;
  }

  /** Offset of the next byte. */
  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  /** As {@linkcode ByteSource.read}. */
  async read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length && (this.#part.length > 0 || await this.#turn())) {
      const part = this.#take(into.length - filled);
      this.#core.copy(part, into.subarray(filled));
      filled += part.length;
    }
    return filled;
  }

  /** As {@linkcode ByteSource.skip}. */
  async skip(lenBytes: number): Promise<number> {
    let passed = this.#take(lenBytes).length;
    while (passed < lenBytes && this.#next !== undefined && await this.#turn()) {
      passed += this.#take(lenBytes - passed).length;
    }
    if (passed === lenBytes || this.#ended) return passed;
    const skipped = await this.#source.skip(lenBytes - passed);
    this.#offsetBytes += skipped;
    return passed + skipped;
  }

  #take(lenBytes: number): Uint8Array {
    const part = this.#part.subarray(0, lenBytes);
    this.#part = this.#part.subarray(part.length);
    this.#offsetBytes += part.length;
    return part;
  }

  /** Makes the next part the current one. Returns false at the end of the source. */
  async #turn(): Promise<boolean> {
    if (this.#ended) return false;
    const { room, part, got } = this.#next ?? this.#order(this.#newRoom(FIRST_PART_BYTES));
    // After an error `#next` stays, so that each further read throws the same error.
    const gotBytes = await got;
    this.#part = part.subarray(0, gotBytes);
    const before = this.#room;
    this.#room = room;
    this.#next = undefined;
    // Only the last part is not full.
    if (gotBytes < part.length) this.#ended = gotBytes === 0;
    else this.#order(before?.lenBytes === this.#partBytes ? before : this.#newRoom(this.#partBytes));
    return gotBytes > 0;
  }

  #order(room: PartRoom): OrderedPart {
    // The part begins at the same byte of a word as its offset in the stream, so that a source that has its
    // bytes in memory can copy them word by word.
    const ptr = room.ptr + this.#source.offsetBytes % WORD_BYTES;
    const part = this.#core.bytes(ptr, room.lenBytes);
    // The reader may fail or end before this read does: the memory is kept until then.
    const got = this.#core.hold(Promise.resolve(this.#source.read(part, { keeps: true })));
    // An error is thrown when it is the part's turn.
    got.catch(() => {});
    return this.#next = { room, part, got };
  }

  #newRoom(lenBytes: number): PartRoom {
    return { ptr: this.#core.alloc(lenBytes + WORD_BYTES), lenBytes };
  }
}
