/**
 * Writes blocks from the memory in which they lie. Only the headers of the records have memory of their own.
 */

import type { ByteSink, Origin, Written } from "../archive/bytes.ts";
import type { Core, Span } from "../core.ts";
import type { Batch } from "./batch.ts";
import type { RecordOrigin, RecordSink, StoredRecords, WriteOptions } from "./record_sink.ts";

/**
 * Writes records without copying their blocks: for large blocks, and for files that do not keep separate
 * writes apart.
 */
export class RecordsInPlace implements RecordSink {
  readonly #core: Core;
  readonly #sink: ByteSink;
  /** The first bytes of the stream; undefined once they are written. */
  #headerBytes?: Uint8Array;
  /**
   * The memory for the headers of the records, one region for each batch. It is in use as long as the batch.
   */
  readonly #rooms = new Map<Batch, Span>();

  /** @param headerBytes the first bytes of the stream */
  constructor(core: Core, sink: ByteSink, headerBytes: Uint8Array) {
    this.#core = core;
    this.#sink = sink;
    this.#headerBytes = headerBytes;
  }

  async store(batch: Batch, { selectPtr = 0, origin }: WriteOptions): Promise<StoredRecords> {
    await this.#start();
    const room = this.#roomOf(batch);
    const { tablePtr, table, blockBytes, first, count } = batch;
    let records = 0;
    let usedBytes = 0;
    let last: Written | undefined;
    for (let from = 0, to: number; from < count; from = to) {
      to = origin === undefined ? count : stretchEnd(origin.changed, from);
      const run = { tablePtr: tablePtr + from * 4, count: to - from, blockBytes, first: first + from };
      const packer = this.#core.packer(run, selectPtr === 0 ? {} : { selectPtr: selectPtr + from });
      const parts: Uint8Array[] = [];
      const begunBytes = usedBytes;
      let contentBytes = 0;
      const between = () => ({
        ptr: room.ptr + usedBytes,
        length: room.length - usedBytes,
        inPlace: true,
      });
      while (packer.next < run.count && packer.pack(between())) {
        records += packer.records;
        parts.push(this.#core.bytes(room.ptr + usedBytes, packer.packedBytes));
        usedBytes += packer.packedBytes;
        if (packer.content < 0) continue;
        parts.push(this.#core.bytes(table[from + packer.content], blockBytes));
        contentBytes += blockBytes;
      }
      if (parts.length === 0) continue;
      const lenBytes = usedBytes - begunBytes + contentBytes;
      last = this.#sink.writeParts!(parts, originOf(origin, { from, to, lenBytes }));
    }
    // Writes are stored and become free in their order, so the last one stands for all. If it cannot be
    // stored, this waits until no hash reads the batch.
    await last?.stored.catch(() => last!.free);
    return { records, free: last?.free ?? Promise.resolve() };
  }

  async flush(): Promise<void> {
    await this.#start();
    await this.#sink.flush();
  }

  async finish(): Promise<void> {
    await this.#start();
    await this.#sink.finish();
  }

  #roomOf(batch: Batch): Span {
    let room = this.#rooms.get(batch);
    if (room === undefined) {
      const length = batch.capacity * this.#core.RECORD_HEADER_MAX;
      this.#rooms.set(batch, room = { ptr: this.#core.alloc(length), length });
    }
    return room;
  }

  async #start(): Promise<void> {
    const headerBytes = this.#headerBytes;
    this.#headerBytes = undefined;
    if (headerBytes !== undefined) await this.#sink.write(headerBytes);
  }
}

/** Returns the end of the run of blocks from `from` on that are all changed or all unchanged. */
function stretchEnd(changed: Uint8Array, from: number): number {
  const end = changed.indexOf(1 - changed[from], from);
  return end < 0 ? changed.length : end;
}

/**
 * Returns the origin of records that can be copied. Their bytes must be the same: a zero block that the
 * archive has as data is written as a shorter record, so a comparison of the lengths is enough.
 */
function originOf(
  origin: RecordOrigin | undefined,
  { from, to, lenBytes }: { from: number; to: number; lenBytes: number },
): Origin | undefined {
  if (origin === undefined || origin.changed[from] !== 0) return undefined;
  const { source, beginBytes, offsets } = origin;
  if (offsets[to] - offsets[from] !== lenBytes) return undefined;
  return { source, offsetBytes: beginBytes + offsets[from] };
}
