/** A scratch file in memory. */

import type { Scratch } from "../../cli/archive/scratch.ts";

export class MemoryScratch implements Scratch {
  /** Bytes of the file. */
  length = 0;
  #bytes = new Uint8Array(1024);
  #at = 0;

  seekSync(offset: number | bigint): number {
    return this.#at = Number(offset);
  }

  writeSync(part: Uint8Array): number {
    const end = this.#at + part.length;
    if (end > this.#bytes.length) {
      const more = new Uint8Array(2 * end);
      more.set(this.#bytes);
      this.#bytes = more;
    }
    this.#bytes.set(part, this.#at);
    this.#at = end;
    this.length = Math.max(this.length, end);
    return part.length;
  }

  readSync(into: Uint8Array): number | null {
    const part = this.#bytes.subarray(this.#at, Math.min(this.length, this.#at + into.length));
    into.set(part);
    this.#at += part.length;
    return part.length || null;
  }
}
