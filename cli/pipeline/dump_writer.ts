/**
 * Writes batches to a dump or rdiff. The core makes the records, and one of two classes assembles them and
 * writes them to the file.
 */

import type { ByteSink } from "../archive/bytes.ts";
import { type DumpHeader, dumpHeaderBytes } from "../archive/header.ts";
import type { Core } from "../core.ts";
import type { Batch } from "./batch.ts";
import type { RecordSink, WriteOptions } from "./record_sink.ts";
import { RecordsInPieces } from "./records_in_pieces.ts";
import { RecordsInPlace } from "./records_in_place.ts";

/**
 * Blocks of at least this size are written from the memory in which they lie. Smaller ones are copied to
 * pieces first, which is faster for them.
 */
const IN_PLACE_BYTES = 64 * 1024;

/** Writes the records of one dump or rdiff. */
export class DumpWriter {
  /** The number of records written so far, and the number of those of zero blocks. */
  records = 0;
  zeroRecords = 0;
  readonly #core: Core;
  readonly #recordSink: RecordSink;

  /** Writes the header first, unless the sink holds the beginning of a dump that is resumed. */
  constructor(core: Core, sink: ByteSink, header: DumpHeader) {
    const headerBytes = sink.offsetBytes > 0 ? new Uint8Array(0) : dumpHeaderBytes(header);
    const { blockBytes } = header;
    this.#core = core;
    this.#recordSink = blockBytes >= IN_PLACE_BYTES && sink.writeParts !== undefined
      ? new RecordsInPlace(core, sink, headerBytes)
      : new RecordsInPieces(core, sink, { headerBytes, blockBytes });
  }

  /**
   * Writes the blocks of a batch that are not absent. The memory of the batch may be changed when the promise
   * resolves.
   */
  async write(batch: Batch, options: WriteOptions = {}): Promise<void> {
    await this.store(batch, options);
    await batch.free;
  }

  /**
   * Writes the blocks of a batch that are not absent. The next batch may be stored when the promise resolves,
   * but the memory of this one may be changed only when its `free` resolves, because a hash may still read
   * it.
   */
  async store(batch: Batch, options: WriteOptions = {}): Promise<void> {
    const { selectPtr } = options;
    this.zeroRecords += batch.countZeros(selectPtr && this.#core.bytes(selectPtr, batch.count) || undefined);
    const { records, free } = await this.#recordSink.store(batch, options);
    this.records += records;
    batch.usedBy(free);
  }

  /** Resolves when all records so far are in the file, where they can be read without the rest. */
  async flush(): Promise<void> {
    await this.#recordSink.flush();
  }

  /** Completes the stream. */
  async finish(): Promise<void> {
    await this.#recordSink.finish();
  }
}
