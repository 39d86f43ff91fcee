/** Reads the stream of a damaged archive through a window. */

import type { DamagedFile } from "../archive/damaged_file.ts";
import { MAX_HEADER_BYTES } from "../archive/header.ts";
import { remainsOf, type Remnant } from "../archive/remains.ts";
import type { Core } from "../core.ts";
import type { FaultLog } from "./fault_log.ts";
import { decidingBytes } from "./record_search.ts";

/** The size of the window. It holds many records of small blocks. */
const WINDOW_BYTES = 256 * 1024;

/** The largest number of pieces of the file whose places are kept. */
const MAX_MARKS = 4096;

/**
 * The part of the stream that lies in the core's memory. It includes up to one block before the current
 * position.
 *
 *     [ consumed, kept | not consumed ... | free ]
 *                      at                 end
 */
export class SurveyWindow {
  /** True if the place of the next record is not known. */
  isOutOfSync = false;
  /** True if a gap or the end of the file follows the bytes of the window. */
  isStretchEnd = false;
  readonly #core: Core;
  readonly #log: FaultLog;
  readonly #remnants: AsyncGenerator<Remnant, void>;
  #ptr: number;
  #bytes: Uint8Array;
  #keptBytes = 0;
  #beginAt = 0;
  #at = 0;
  #end = 0;
  /** The offset in the stream of the first byte of the window. */
  #windowBytes = 0;
  /** The current remnant of the file; undefined at the end. */
  #remnant?: Remnant;
  #rest: Uint8Array = new Uint8Array(0);
  /** The offsets of the pieces in the stream and in the file, ascending. */
  readonly #marks: { streamBytes: number; fileOffsetBytes: number }[] = [];

  constructor(core: Core, file: DamagedFile, log: FaultLog) {
    this.#core = core;
    this.#log = log;
    this.#remnants = remainsOf(file, {
      onFault: (fault) => log.note({ ...fault, inContainer: true }, this.#windowBytes + this.#end),
    });
    this.#ptr = core.alloc(WINDOW_BYTES);
    this.#bytes = core.bytes(this.#ptr, WINDOW_BYTES);
  }

  /** Returns the core memory of a window for records with blocks of this size. */
  static bytesFor(blockBytes: number): number {
    return WINDOW_BYTES + widthFor(blockBytes);
  }

  /** Fills the window for the first time. */
  async start(): Promise<void> {
    await this.#nextRemnant();
    if (this.#remnant === undefined) this.isStretchEnd = true;
    else this.#mark();
    await this.fill(MAX_HEADER_BYTES);
  }

  /** Allocates the memory for records with blocks of this size. The content of the window is kept. */
  widen(blockBytes: number): void {
    this.#keptBytes = blockBytes;
    const lenBytes = widthFor(blockBytes);
    const ptr = this.#core.alloc(lenBytes);
    const bytes = this.#core.bytes(ptr, lenBytes);
    bytes.set(this.#bytes.subarray(0, this.#end));
    this.#ptr = ptr;
    this.#bytes = bytes;
  }

  /** The first bytes of the stream. They are valid until bytes are consumed. */
  get head(): Uint8Array {
    return this.rest.subarray(0, MAX_HEADER_BYTES);
  }

  get ptr(): number {
    return this.#ptr + this.#at;
  }

  get length(): number {
    return this.#end - this.#at;
  }

  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#at, this.#end);
  }

  get offsetBytes(): number {
    return this.#windowBytes + this.#at;
  }

  /** The number of bytes by which the position can go back: at most one block, and not past a gap. */
  get backBytes(): number {
    return Math.min(this.#at - this.#beginAt, this.#keptBytes);
  }

  consume(lenBytes: number): void {
    this.#at += lenBytes;
  }

  back(lenBytes: number): void {
    this.#at -= lenBytes;
  }

  /** Returns the `lenBytes` bytes before the current position; undefined if the window no longer has them. */
  before(lenBytes: number): Uint8Array | undefined {
    const from = this.#at - lenBytes;
    return from < this.#beginAt ? undefined : this.#bytes.subarray(from, this.#at);
  }

  /**
   * Reads if fewer than `neededBytes` bytes are not consumed, until the window is full or a gap or the end
   * follows.
   */
  async fill(neededBytes: number): Promise<void> {
    if (this.isStretchEnd || this.length >= neededBytes) return;
    const from = Math.max(this.#beginAt, this.#at - this.#keptBytes);
    this.#bytes.copyWithin(0, from, this.#end);
    this.#windowBytes += from;
    this.#beginAt = Math.max(0, this.#beginAt - from);
    this.#at -= from;
    this.#end -= from;
    while (this.#end < this.#bytes.length) {
      if (this.#rest.length === 0) {
        await this.#nextRemnant();
        if (this.#remnant === undefined || !this.#remnant.joined) {
          this.isStretchEnd = true;
          return;
        }
        this.#mark();
      }
      const part = this.#rest.subarray(0, this.#bytes.length - this.#end);
      this.#bytes.set(part, this.#end);
      this.#end += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
  }

  /** Continues after a gap. All bytes before it must be consumed. Returns false at the end of the file. */
  nextStretch(): boolean {
    if (this.#remnant === undefined) return false;
    this.#windowBytes += this.#end;
    this.#beginAt = this.#at = this.#end = 0;
    this.isStretchEnd = false;
    this.#mark();
    return true;
  }

  /** Returns the offset in the file of the piece that holds an offset of the stream. */
  pieceAt(streamBytes: number): number {
    let [low, high] = [0, this.#marks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#marks[middle].streamBytes <= streamBytes) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#marks[low - 1].fileOffsetBytes;
  }

  #mark(): void {
    const { fileOffsetBytes } = this.#remnant!;
    if (this.#marks.at(-1)?.fileOffsetBytes === fileOffsetBytes) return;
    this.#marks.push({ streamBytes: this.#windowBytes + this.#end, fileOffsetBytes });
    if (this.#marks.length > MAX_MARKS) this.#marks.splice(0, MAX_MARKS / 2);
  }

  async #nextRemnant(): Promise<void> {
    const { value, done } = await this.#remnants.next();
    this.#remnant = done ? undefined : value;
    this.#log.continueStream({ joined: this.#remnant?.joined === true });
    this.#rest = this.#remnant?.bytes ?? this.#rest.subarray(this.#rest.length);
  }
}

/**
 * Returns the size of a window: one block before the position, the bytes that decide about the next records,
 * and {@linkcode WINDOW_BYTES} for reading.
 */
function widthFor(blockBytes: number): number {
  return WINDOW_BYTES + blockBytes + decidingBytes(blockBytes);
}
