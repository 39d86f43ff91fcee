/** Reads the stream of a digest that may be damaged through a window. */

import type { DamagedFile } from "../archive/damaged_file.ts";
import { MAX_HEADER_BYTES } from "../archive/header.ts";
import { remainsOf, type Remnant } from "../archive/remains.ts";
import type { Core, DigestCursor } from "../core.ts";
import type { FaultLog } from "./fault_log.ts";

/** The size of the window. */
export const WINDOW_BYTES = 2 * MAX_HEADER_BYTES;

/** The part of a digest, which may be damaged, that lies in the core's memory. */
export class DigestWindow {
  readonly path: string;
  /**
   * `isEnd` is true if a gap or the end of the file follows the window, and `isFileEnd` if it is the end of
   * the file.
   */
  isEnd = false;
  isFileEnd = false;
  /** The offset in the file of the piece that was read last. */
  pieceBytes = 0;
  readonly #cursor: DigestCursor;
  readonly #remnants: AsyncGenerator<Remnant, void>;
  readonly #log: FaultLog;
  readonly #onlyVerified: boolean;
  readonly #ptr: number;
  readonly #bytes: Uint8Array;
  #at = 0;
  #end = 0;
  #windowBytes = 0;
  #rest: Uint8Array = new Uint8Array(0);

  /** @param options.onlyVerified treats bytes that no checksum has verified as lost */
  constructor(
    core: Core,
    file: DamagedFile,
    { log, onlyVerified = false }: { log: FaultLog; onlyVerified?: boolean },
  ) {
    this.path = file.path;
    this.#log = log;
    this.#onlyVerified = onlyVerified;
    this.#cursor = core.digestCursor();
    this.#remnants = remainsOf(file, {
      onFault: (fault) => log.note({ ...fault, inContainer: true }, this.offsetBytes),
    });
    this.#ptr = core.alloc(WINDOW_BYTES);
    this.#bytes = core.bytes(this.#ptr, WINDOW_BYTES);
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

  consume(lenBytes: number): void {
    this.#at += lenBytes;
  }

  /** Reads if the window has fewer than `neededBytes` bytes. */
  async fill(neededBytes: number): Promise<void> {
    if (this.isEnd || this.length >= neededBytes) return;
    this.#bytes.copyWithin(0, this.#at, this.#end);
    this.#windowBytes += this.#at;
    this.#end -= this.#at;
    this.#at = 0;
    while (this.#end < WINDOW_BYTES) {
      if (this.#rest.length === 0 && !await this.#nextRemnant()) return;
      const part = this.#rest.subarray(0, WINDOW_BYTES - this.#end);
      this.#bytes.set(part, this.#end);
      this.#end += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
  }

  /**
   * Reads up to `count` records to the address `digestsPtr`. Returns the number of valid records that follow
   * each other, as far as the window reaches.
   */
  async count(digestsPtr: number, count: number): Promise<number> {
    await this.fill(WINDOW_BYTES / 2);
    this.#cursor.take(digestsPtr, { ptr: this.#ptr + this.#at, length: this.length, count });
    this.#at += this.#cursor.consumed;
    return this.#cursor.records;
  }

  /**
   * Counts up to `most` valid records that follow each other from `aheadBytes` after the current position,
   * and their bytes. It does not fill the window.
   */
  peek(digestsPtr: number, aheadBytes: number, most: number): { records: number; lenBytes: number } {
    const at = this.#at + aheadBytes;
    this.#cursor.take(digestsPtr, { ptr: this.#ptr + at, length: this.#end - at, count: most });
    return { records: this.#cursor.records, lenBytes: this.#cursor.consumed };
  }

  async #nextRemnant(): Promise<boolean> {
    const { value, done } = await this.#remnants.next();
    this.isEnd = done === true || !value!.joined || (this.#onlyVerified && !value!.isVerified);
    this.isFileEnd = done === true;
    this.#log.continueStream({ joined: !this.isEnd });
    if (this.isEnd) return false;
    this.#rest = value!.bytes;
    this.pieceBytes = value!.fileOffsetBytes;
    return true;
  }
}
