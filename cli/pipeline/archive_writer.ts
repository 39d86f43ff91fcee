/** Batch to dump or rdiff, and batch to digest. The core packs the records; this file hands them to the sink. */

import type { ByteSink } from "../archive/bytes.ts";
import { type DigestHeader, digestHeaderBytes, type DumpHeader, dumpHeaderBytes } from "../archive/header.ts";
import type { Core } from "../core.ts";
import type { Batch } from "./batch.ts";

/** Records are packed in pieces of this size, or of one record where that is larger. */
const PACK_BYTES = 4 * 1024 * 1024;

/** Writes the records of one dump or rdiff. */
export class DumpWriter {
  /** Records written so far. */
  records = 0;
  readonly #sink: ByteSink;
  readonly #header: DumpHeader;
  readonly #core: Core;
  readonly #packPtr: number;
  readonly #packBytes: number;
  #started = false;

  constructor(core: Core, sink: ByteSink, header: DumpHeader) {
    this.#core = core;
    this.#sink = sink;
    this.#header = header;
    this.#packBytes = Math.max(PACK_BYTES, header.blockBytes + core.RECORD_HEADER_MAX);
    this.#packPtr = core.alloc(this.#packBytes);
  }

  /** Writes the blocks of the batch that are not absent; with `select` only those whose flag there is not 0. */
  async write(batch: Batch, options: { selectPtr?: number } = {}): Promise<void> {
    await this.#start();
    const packer = this.#core.packer(batch, { ptr: this.#packPtr, length: this.#packBytes, ...options });
    while (packer.pack()) {
      this.records += packer.records;
      await this.#sink.write(this.#core.bytes(this.#packPtr, packer.packedBytes));
    }
  }

  /** Completes the stream. */
  async finish(): Promise<void> {
    await this.#start();
    await this.#sink.finish();
  }

  async #start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    await this.#sink.write(dumpHeaderBytes(this.#header));
  }
}

/** Writes the records of a digest. */
export class DigestWriter {
  readonly #core: Core;
  readonly #sink: ByteSink;
  readonly #header: DigestHeader;
  #packPtr = 0;
  #started = false;

  constructor(core: Core, sink: ByteSink, header: DigestHeader) {
    this.#core = core;
    this.#sink = sink;
    this.#header = header;
  }

  /** Writes the digests of all blocks of the batch; none may be absent. */
  async write(batch: Batch): Promise<void> {
    await this.#start();
    if (this.#packPtr === 0) this.#packPtr = this.#core.alloc(batch.capacity * this.#core.DIGEST_RECORD_MAX);
    const lenBytes = this.#core.packDigest(batch.digestsPtr, batch.count, this.#packPtr);
    await this.#sink.write(this.#core.bytes(this.#packPtr, lenBytes));
  }

  /** Completes the stream. */
  async finish(): Promise<void> {
    await this.#start();
    await this.#sink.finish();
  }

  async #start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    await this.#sink.write(digestHeaderBytes(this.#header));
  }
}
