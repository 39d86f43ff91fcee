/** Shared memory that is used again and again for things of different lengths. */

/** Grows in such steps: pieces differ by a few bytes, and what they leave behind is collected late. */
const STEP_BYTES = 128 * 1024;

/**
 * JavaScript copies from or to shared memory by words of this length if both places begin at the same byte of a word, and else
 * byte by byte, which takes five times as long.
 */
export const WORD_BYTES = 8;

/** Room for one thing at a time, as large as the largest so far. */
export class Room {
  #bytes = new Uint8Array(new SharedArrayBuffer(0));

  /**
   * Memory for `lenBytes`; what the room held may be gone. It begins at the byte of a word at which `offsetBytes` is: a part of
   * a stream is copied fast to where the stream lies likewise.
   */
  ofLength(lenBytes: number, offsetBytes = 0): Uint8Array<SharedArrayBuffer> {
    const startBytes = offsetBytes % WORD_BYTES;
    const endBytes = startBytes + lenBytes;
    if (this.#bytes.length < endBytes) {
      this.#bytes = new Uint8Array(new SharedArrayBuffer(Math.ceil(endBytes / STEP_BYTES) * STEP_BYTES));
    }
    return this.#bytes.subarray(startBytes, endBytes);
  }
}
