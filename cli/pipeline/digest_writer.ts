/** Batch to digest. */

import type { ByteSink, PassingHash } from "../archive/bytes.ts";
import { type DigestHeader, digestHeaderBytes } from "../archive/header.ts";
import type { Core } from "../core.ts";
import type { Batch } from "./batch.ts";
import { PIECE_MIN_BYTES, PieceWriter } from "./piece_writer.ts";

/** Pieces of digests end in front of a block that is a multiple of this: 672 KiB, if no block is zero. */
const DIGEST_GROUP = 32 * 1024;

/** Writes the records of a digest. */
export class DigestWriter {
  /** Records of zero blocks so far. */
  zeroRecords = 0;
  readonly #root?: PassingHash;
  readonly #core: Core;
  readonly #pieces: PieceWriter;

  /** `root` hears the MD5s of all blocks. */
  constructor(core: Core, sink: ByteSink, header: DigestHeader, { root }: { root?: PassingHash } = {}) {
    this.#root = root;
    const headerBytes = digestHeaderBytes(header);
    const longestGroup = DIGEST_GROUP * core.DIGEST_RECORD_MAX;
    this.#core = core;
    this.#pieces = new PieceWriter(core, sink, headerBytes.length + PIECE_MIN_BYTES + longestGroup);
    this.#pieces.append(headerBytes);
  }

  /** Writes the digests of all blocks of the batch; none may be absent. */
  async write(batch: Batch): Promise<void> {
    const pieces = this.#pieces;
    this.zeroRecords += batch.countZeros();
    const told = batch.updateHash(this.#root);
    for (let block = batch.first; block < batch.end;) {
      const end = Math.min(batch.end, (Math.floor(block / DIGEST_GROUP) + 1) * DIGEST_GROUP);
      const digestsPtr = batch.digestsPtr + (block - batch.first) * this.#core.DIGEST_SIZE;
      pieces.lengthBytes += this.#core.packDigest(digestsPtr, end - block, pieces.room.ptr);
      if (end % DIGEST_GROUP === 0 && pieces.lengthBytes >= PIECE_MIN_BYTES) await pieces.send();
      block = end;
    }
    await told;
  }

  /** Completes the stream. */
  async finish(): Promise<void> {
    await this.#pieces.finish();
  }
}
