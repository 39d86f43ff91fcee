/** Records that are copied together to pieces: what a compressed file keeps apart, and what small blocks are fastest in. */

import type { ByteSink, Origin } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import type { Batch } from "./batch.ts";
import type { RecordOrigin, RecordSink, StoredRecords, WriteOptions } from "./record_sink.ts";
import { PIECE_MIN_BYTES, PieceWriter } from "./piece_writer.ts";

/**
 * Pieces end in front of a block that is a multiple of as many as make this. So they end at the same blocks in the dumps of
 * all generations, however many zero blocks stood in front, and one that did not change can be copied.
 */
const GROUP_BYTES = 1024 * 1024;

/** For small blocks, and files that keep pieces. */
export class RecordsInPieces implements RecordSink {
  readonly #core: Core;
  readonly #pieces: PieceWriter;
  readonly #groupBlocks: number;
  #lastGroup = 0;
  /** Where all bytes of the piece at hand were read. */
  #pieceOrigin?: Origin;

  /** `headerBytes`: what the stream begins with */
  constructor(
    core: Core,
    sink: ByteSink,
    { headerBytes, blockBytes }: { headerBytes: Uint8Array; blockBytes: number },
  ) {
    this.#core = core;
    this.#groupBlocks = Math.max(1, Math.floor(GROUP_BYTES / blockBytes));
    // A piece that has just not enough at the end of a group takes in another group.
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
      // Its blocks were copied.
      if (packer.next === batch.count) return { records, free: Promise.resolve() };
      await pieces.send(this.#pieceOrigin);
    }
  }

  async finish(): Promise<void> {
    await this.#pieces.finish();
  }

  /** The blocks from `from` to before `to` were added behind `begunBytes` of the piece. */
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
    // A block of zeros that the archive has as data is written shorter, so the lengths tell that the bytes are the same.
    if (offsets[to] - offsets[from] !== this.#pieces.lengthBytes - begunBytes) return;
    const offsetBytes = beginBytes + offsets[from] - begunBytes;
    if (begunBytes > 0 && (begun!.source !== source || begun!.offsetBytes !== offsetBytes)) return;
    this.#pieceOrigin = { source, offsetBytes };
  }
}
