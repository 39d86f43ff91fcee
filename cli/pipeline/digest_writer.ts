/** Writes batches to a digest. */

import type { ByteSink, PassingHash } from "../archive/bytes.ts";
import { type DigestHeader, digestHeaderBytes } from "../archive/header.ts";
import type { Core } from "../core.ts";
import type { Batch } from "./batch.ts";
import { PIECE_MIN_BYTES, PieceWriter } from "./piece_writer.ts";

/**
 * Pieces of a digest end before a block whose number is a multiple of this one. 32768 records without a zero
 * block take 672 KiB.
 */
const DIGEST_GROUP = 32 * 1024;

/** The 32-bit words of an MD5. */
const WORDS_OF_DIGEST = 4;

/** MD5s of consecutive blocks in the core's memory, aligned to 4 bytes. */
export interface DigestRun {
  first: number;
  count: number;
  digestsPtr: number;
}

/** Writes the records of a digest. */
export class DigestWriter {
  /** The number of records of zero blocks so far. */
  zeroRecords = 0;
  readonly #root?: PassingHash;
  readonly #core: Core;
  readonly #pieces: PieceWriter;

  /** @param options.root is updated with the MD5s of all blocks */
  constructor(core: Core, sink: ByteSink, header: DigestHeader, { root }: { root?: PassingHash } = {}) {
    this.#root = root;
    const headerBytes = digestHeaderBytes(header);
    const longestGroup = DIGEST_GROUP * core.DIGEST_RECORD_MAX;
    this.#core = core;
    this.#pieces = new PieceWriter(core, sink, headerBytes.length + PIECE_MIN_BYTES + longestGroup);
    this.#pieces.append(headerBytes);
  }

  /** Writes the MD5s of all blocks of a batch. No block may be absent. */
  async write(batch: Batch): Promise<void> {
    this.zeroRecords += batch.countZeros();
    const hashed = batch.updateHash(this.#root);
    await this.#pack(batch);
    await hashed;
  }

  /** Writes the `count` MD5s at `digestsPtr`, which are those of the blocks from `first` on. */
  async writeDigests(run: DigestRun): Promise<void> {
    const { digestsPtr, count } = run;
    if (count === 0) return;
    const words = this.#core.words(digestsPtr, count * WORDS_OF_DIGEST);
    for (let at = 0; at < words.length; at += WORDS_OF_DIGEST) {
      if ((words[at] | words[at + 1] | words[at + 2] | words[at + 3]) === 0) this.zeroRecords++;
    }
    const hashed = this.#root?.update([this.#core.bytes(digestsPtr, count * this.#core.DIGEST_SIZE)]);
    await this.#pack(run);
    await hashed;
  }

  async #pack({ first, count, digestsPtr: beginPtr }: DigestRun): Promise<void> {
    const pieces = this.#pieces;
    for (let block = first; block < first + count;) {
      const end = Math.min(first + count, (Math.floor(block / DIGEST_GROUP) + 1) * DIGEST_GROUP);
      const digestsPtr = beginPtr + (block - first) * this.#core.DIGEST_SIZE;
      pieces.lengthBytes += this.#core.packDigest(digestsPtr, end - block, pieces.room.ptr);
      if (end % DIGEST_GROUP === 0 && pieces.lengthBytes >= PIECE_MIN_BYTES) await pieces.send();
      block = end;
    }
  }

  /** Completes the stream. */
  async finish(): Promise<void> {
    await this.#pieces.finish();
  }
}
