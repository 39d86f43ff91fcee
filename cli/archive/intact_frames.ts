/** The beginning of a zstd file that was being written when its program was killed: its frames up to the first damage. */

import { FormatError } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";
import { ZSTD_MAGIC } from "./magic.ts";
import type { PlainSource } from "./plain_source.ts";
import { MAX_WHOLE_BYTES } from "./zstd.ts";
import { unzstdFrame } from "./zstd_frame.ts";
import { littleEndian, readFrameHeader, walkFrame } from "./zstd_walk.ts";

/**
 * Reads the content of the frames whose checksums are right, up to the first one that is cut or damaged. There
 * the stream ends, as if the file had no more.
 */
export class IntactFrames implements ByteSource {
  readonly #file: PlainSource;
  #content: Uint8Array = new Uint8Array(0);
  #offsetBytes = 0;
  #ended = false;

  /** Takes ownership of `file`. */
  constructor(file: PlainSource) {
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  get fileOffsetBytes(): number {
    return this.#file.fileOffsetBytes;
  }

  async read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length && (this.#content.length > 0 || await this.#nextFrame())) {
      const part = this.#content.subarray(0, into.length - filled);
      into.set(part, filled);
      this.#content = this.#content.subarray(part.length);
      filled += part.length;
    }
    this.#offsetBytes += filled;
    return filled;
  }

  async skip(lenBytes: number): Promise<number> {
    let skipped = 0;
    while (skipped < lenBytes && (this.#content.length > 0 || await this.#nextFrame())) {
      const part = this.#content.subarray(0, lenBytes - skipped);
      this.#content = this.#content.subarray(part.length);
      skipped += part.length;
    }
    this.#offsetBytes += skipped;
    return skipped;
  }

  /** Always fails: the file has an end that nobody wrote, so its hash has no meaning. */
  tell(): never {
    throw new TypeError(`Cannot hash "${this.path}": it is not complete`);
  }

  /** Always fails, as {@linkcode IntactFrames.tell}. */
  finishFile(): never {
    throw new TypeError(`Cannot hash "${this.path}": it is not complete`);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  async #nextFrame(): Promise<boolean> {
    while (!this.#ended && this.#content.length === 0) {
      const content = await this.#decode();
      if (content === undefined) this.#ended = true;
      else this.#content = content;
    }
    return !this.#ended;
  }

  /** Returns the content of the next frame; undefined if it is not intact. */
  async #decode(): Promise<Uint8Array | undefined> {
    const file = this.#file;
    if (littleEndian(await file.peek(4)) !== ZSTD_MAGIC) return undefined;
    let storedBytes: number | undefined;
    let contentBytes: number | undefined;
    try {
      const header = await readFrameHeader(file);
      contentBytes = header.contentLen;
      storedBytes = header.hasChecksum ? await walkFrame(file, header, MAX_WHOLE_BYTES) : undefined;
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
    if (storedBytes === undefined || contentBytes === undefined) return undefined;
    const stored = new Uint8Array(storedBytes);
    if (await file.read(stored) < storedBytes) return undefined;
    const content = new Uint8Array(contentBytes);
    try {
      await unzstdFrame(stored, content);
    } catch {
      return undefined;
    }
    return content;
  }
}
