/** A source that is read ahead of its reader: while he has one part, the next is on its way. */

import type { ByteSource } from "../archive/bytes.ts";
import { WORD_BYTES } from "../archive/room.ts";
import type { Core } from "../core.ts";

/** Bytes that are read at a time: a call of another thread costs as much as half a mebibyte, on some machines. */
export const PART_BYTES = 4 * 1024 * 1024;
/** The first part: all of many archives, and of most digests. */
const FIRST_PART_BYTES = 128 * 1024;

/** Memory for a part of `lenBytes`, at whichever byte of the first word it begins. */
interface PartRoom {
  ptr: number;
  lenBytes: number;
}

/** A part on its way. */
interface OrderedPart {
  room: PartRoom;
  part: Uint8Array;
  got: Promise<number>;
}

/** Bytes in order, as the source gives them; it may be read by nobody else. */
export class ReadAhead implements Pick<ByteSource, "offsetBytes" | "read" | "skip"> {
  readonly #core: Core;
  readonly #source: ByteSource;
  readonly #partBytes: number;
  #offsetBytes: number;
  /** What is left of the part at hand, and the memory that holds it. */
  #part: Uint8Array = new Uint8Array(0);
  #room?: PartRoom;
  /** The part behind it, on its way or there; absent until the reader has come to the end of the first. */
  #next?: OrderedPart;
  #ended = false;

  /** The memory is taken from `core` when there is something to read. */
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

  /** Goes on to the next part; false at the end. */
  async #turn(): Promise<boolean> {
    if (this.#ended) return false;
    const { room, part, got } = this.#next ?? this.#order(this.#newRoom(FIRST_PART_BYTES));
    // A failure stays what the reader meets, however often he asks.
    const gotBytes = await got;
    this.#part = part.subarray(0, gotBytes);
    const before = this.#room;
    this.#room = room;
    this.#next = undefined;
    // A part that is not full is the last one.
    if (gotBytes < part.length) this.#ended = gotBytes === 0;
    else this.#order(before?.lenBytes === this.#partBytes ? before : this.#newRoom(this.#partBytes));
    return gotBytes > 0;
  }

  #order(room: PartRoom): OrderedPart {
    // At the byte of a word at which the stream is: a source that has its bytes in memory copies them by words.
    const ptr = room.ptr + this.#source.offsetBytes % WORD_BYTES;
    const part = this.#core.bytes(ptr, room.lenBytes);
    const got = Promise.resolve(this.#source.read(part, { keeps: true }));
    // Met when the part's turn comes.
    got.catch(() => {});
    return this.#next = { room, part, got };
  }

  #newRoom(lenBytes: number): PartRoom {
    return { ptr: this.#core.alloc(lenBytes + WORD_BYTES), lenBytes };
  }
}
