/**
 * Copies records to pieces. Compressed files need it, because they keep pieces apart, and small blocks are
 * written faster this way.
 */

import type { ByteSink, Origin } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import type { Batch } from "./batch.ts";
import type { RecordOrigin, RecordSink, StoredRecords, WriteOptions } from "./record_sink.ts";
import { PIECE_MIN_BYTES, PieceWriter } from "./piece_writer.ts";

/**
 * Pieces end before a block whose number is a multiple of the number of blocks in this many bytes. Therefore
 * they end at the same blocks in the dumps of all generations, however many zero blocks there are, and a
 * piece whose blocks did not change can be copied.
 */
const GROUP_BYTES = 1024 * 1024;

/** Writes records by copying them to pieces: for small blocks, and for files that keep pieces apart. */
export class RecordsInPieces implements RecordSink {
  readonly #core: Core;
  readonly #pieces: PieceWriter;
  readonly #groupBlocks: number;
  #lastGroup = 0;
  /** The place from which all bytes of the current piece were read; undefined if there is no such place. */
  #pieceOrigin?: Origin;

  /** @param options.headerBytes the first bytes of the stream */
  constructor(
    core: Core,
    sink: ByteSink,
    { headerBytes, blockBytes }: { headerBytes: Uint8Array; blockBytes: number },
  ) {
    this.#core = core;
    this.#groupBlocks = Math.max(1, Math.floor(GROUP_BYTES / blockBytes));
    // A piece that is a little too short at the end of a group gets another group.
    const longestGroup = this.#groupBlocks * (core.RECORD_HEADER_MAX + blockBytes);
    this.#pieces = new PieceWriter(core, sink, headerBytes.length + PIECE_MIN_BYTES + longestGroup);
    this.#pieces.append(headerBytes);
  }

  async store(batch: Batch, { selectPtr, origin }: WriteOptions): Promise<StoredRecords> {
    const pieces = this.#pieces;
    const packer = this.#core.packer(batch, { selectPtr, groupBlocks: this.#groupBlocks });
    let records = 0;
    for (;;) {
      const from = packer.next;
      const begunBytes = pieces.lengthBytes;
      const packed = packer.pack({
        ...pieces.room,
        stopBytes: Math.max(0, PIECE_MIN_BYTES - begunBytes),
        lastGroup: this.#lastGroup,
      });
      if (packed) {
        records += packer.records;
        this.#lastGroup = packer.lastGroup;
        pieces.lengthBytes += packer.packedBytes;
        this.#noteOrigin(origin, { from, to: packer.next, begunBytes });
      }
      // The blocks were copied, so the memory of the batch is free.
      if (packer.next === batch.count) return { records, free: Promise.resolve() };
      await pieces.send(this.#pieceOrigin);
    }
  }

  async flush(): Promise<void> {
    this.#pieceOrigin = undefined;
    await this.#pieces.flush();
  }

  async finish(): Promise<void> {
    await this.#pieces.finish();
  }

  /**
   * Updates the origin of the current piece after the blocks from `from` to before `to` were added at
   * `begunBytes`.
   */
  #noteOrigin(
    origin: RecordOrigin | undefined,
    { from, to, begunBytes }: { from: number; to: number; begunBytes: number },
  ): void {
    const begun = this.#pieceOrigin;
    this.#pieceOrigin = undefined;
    if (origin === undefined || (begunBytes > 0 && begun === undefined)) return;
    const { source, beginBytes, offsets, changed } = origin;
    const changedAt = changed.indexOf(1, from);
    if (changedAt >= 0 && changedAt < to) return;
    // Records can be copied only if their bytes are the same. A zero block that the archive has as data is
    // written as a shorter record, so a comparison of the lengths is enough.
    if (offsets[to] - offsets[from] !== this.#pieces.lengthBytes - begunBytes) return;
    const offsetBytes = beginBytes + offsets[from] - begunBytes;
    if (begunBytes > 0 && (begun!.source !== source || begun!.offsetBytes !== offsetBytes)) return;
    this.#pieceOrigin = { source, offsetBytes };
  }
}
