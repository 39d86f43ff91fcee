/** A shared buffer that is used again for contents of different lengths. */

/**
 * The step in which the buffer grows. The lengths of pieces differ by a few bytes, and the garbage collector
 * frees outgrown buffers late.
 */
const STEP_BYTES = 128 * 1024;

/**
 * The length of a word. JavaScript copies to and from shared memory word by word if source and target have
 * the same alignment, and else byte by byte, which takes five times as long.
 */
export const WORD_BYTES = 8;

/** A buffer for one content at a time, which is as large as the largest one so far. */
export class SharedBuffer {
  #bytes = new Uint8Array(new SharedArrayBuffer(0));

  /**
   * Returns memory for `lenBytes`. The previous content of the buffer may be lost. The result has the same
   * alignment to words as `offsetBytes`, so that a part of a stream is copied fast to memory that is aligned
   * like the stream.
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
