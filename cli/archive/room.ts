/** Shared memory that is used again and again for things of different lengths. */

/** Grows in such steps: pieces differ by a few bytes, and what they leave behind is collected late. */
const STEP_BYTES = 128 * 1024;

/** Room for one thing at a time, as large as the largest so far. */
export class Room {
  #bytes = new Uint8Array(new SharedArrayBuffer(0));

  /** The first `lenBytes` bytes; what the room held may be gone. */
  ofLength(lenBytes: number): Uint8Array<SharedArrayBuffer> {
    if (this.#bytes.length < lenBytes) {
      this.#bytes = new Uint8Array(new SharedArrayBuffer(Math.ceil(lenBytes / STEP_BYTES) * STEP_BYTES));
    }
    return this.#bytes.subarray(0, lenBytes);
  }
}
