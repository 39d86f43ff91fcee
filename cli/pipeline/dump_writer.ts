/** Batch to dump or rdiff. The core writes the records; how they come together is for one of two ways to say. */

import type { ByteSink } from "../archive/bytes.ts";
import { type DumpHeader, dumpHeaderBytes } from "../archive/header.ts";
import type { Core } from "../core.ts";
import type { Batch } from "./batch.ts";
import type { RecordSink, WriteOptions } from "./record_sink.ts";
import { RecordsInPieces } from "./records_in_pieces.ts";
import { RecordsInPlace } from "./records_in_place.ts";

/** From this size on, blocks go to the file from where they lie; smaller ones are copied together first. */
const IN_PLACE_BYTES = 64 * 1024;

/** Writes the records of one dump or rdiff. */
export class DumpWriter {
  /** Records written so far, and how many of them are of zero blocks. */
  records = 0;
  zeroRecords = 0;
  readonly #core: Core;
  readonly #way: RecordSink;

  /** Begins with the header, unless the sink goes on with a dump that has blocks already. */
  constructor(core: Core, sink: ByteSink, header: DumpHeader) {
    const headerBytes = sink.offsetBytes > 0 ? new Uint8Array(0) : dumpHeaderBytes(header);
    const { blockBytes } = header;
    this.#core = core;
    this.#way = blockBytes >= IN_PLACE_BYTES && sink.writeParts !== undefined
      ? new RecordsInPlace(core, sink, headerBytes)
      : new RecordsInPieces(core, sink, { headerBytes, blockBytes });
  }

  /** Writes the blocks of the batch that are not absent, and is done with it when it resolves. */
  async write(batch: Batch, options: WriteOptions = {}): Promise<void> {
    await this.store(batch, options);
    await batch.free;
  }

  /** The same, but a hash may still be at the batch until its `free` resolves, while the next one is stored. */
  async store(batch: Batch, options: WriteOptions = {}): Promise<void> {
    const { selectPtr } = options;
    this.zeroRecords += batch.countZeros(selectPtr && this.#core.bytes(selectPtr, batch.count) || undefined);
    const { records, free } = await this.#way.store(batch, options);
    this.records += records;
    batch.usedBy(free);
  }

  /** Completes the stream. */
  async finish(): Promise<void> {
    await this.#way.finish();
  }
}
