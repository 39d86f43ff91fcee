/** The interface between `DumpWriter` and the two classes that assemble records and write them to a file. */

import type { ByteSource } from "../archive/bytes.ts";
import type { Batch } from "./batch.ts";

/** Which blocks of a batch are written, and from where their records may be copied. */
export interface WriteOptions {
  /** The address of one byte for each block. Blocks whose byte is 0 are left out. */
  selectPtr?: number;
  /** An archive that was read and may hold the same records, so that they can be copied from there. */
  origin?: RecordOrigin;
}

/** The places of the records of a batch in an archive that was read. */
export interface RecordOrigin {
  readonly source: ByteSource;
  /** The offset in the stream of `source` from which `offsets` are counted. */
  readonly beginBytes: number;
  /** The offset of the record of each block, and after these the end of the last record. */
  readonly offsets: Uint32Array;
  /** One byte for each block: 0 if the block to write is the one that was read. */
  readonly changed: Uint8Array;
}

/** The records of a batch that were handed to a sink. */
export interface StoredRecords {
  records: number;
  /** Resolves when the memory of the batch is no longer in use. */
  free: Promise<void>;
}

/** Assembles records and writes them to a file. */
export interface RecordSink {
  /** Writes the blocks of a batch that are not absent. Resolves when the next batch may be written. */
  store(batch: Batch, options: WriteOptions): Promise<StoredRecords>;
  /** Resolves when all records so far are in the file, where they can be read without the rest. */
  flush(): Promise<void>;
  /** Completes the stream. */
  finish(): Promise<void>;
}
