/** Records whose blocks are written from where they lie, with what stands between them in a region of its own. */

import type { ByteSink, Origin } from "../archive/bytes.ts";
import type { Core } from "../core.ts";
import type { Batch } from "./batch.ts";
import type { RecordOrigin, RecordSink, WriteOptions } from "./dump_writer.ts";

/** For large blocks, and files that do not show what was one write. */
export class RecordsInPlace implements RecordSink {
  readonly #core: Core;
  readonly #sink: ByteSink;
  /** Until the first batch comes. */
  #headerBytes?: Uint8Array;
  /** Room for what stands in front of the blocks of a batch; it is free again when the batch is. */
  #betweenPtr = 0;
  #betweenBytes = 0;

  /** `headerBytes`: what the stream begins with */
  constructor(core: Core, sink: ByteSink, headerBytes: Uint8Array) {
    this.#core = core;
    this.#sink = sink;
    this.#headerBytes = headerBytes;
  }

  async write(batch: Batch, { selectPtr = 0, origin }: WriteOptions): Promise<number> {
    await this.#start();
    if (this.#betweenBytes === 0) {
      this.#betweenBytes = batch.capacity * this.#core.RECORD_HEADER_MAX;
      this.#betweenPtr = this.#core.alloc(this.#betweenBytes);
    }
    const { tablePtr, table, blockBytes, first, count } = batch;
    let records = 0;
    let usedBytes = 0;
    let stored: Promise<void> | undefined;
    for (let from = 0, to: number; from < count; from = to) {
      to = origin === undefined ? count : stretchEnd(origin.changed, from);
      const run = { tablePtr: tablePtr + from * 4, count: to - from, blockBytes, first: first + from };
      const packer = this.#core.packer(run, selectPtr === 0 ? {} : { selectPtr: selectPtr + from });
      const parts: Uint8Array[] = [];
      const begunBytes = usedBytes;
      let contentBytes = 0;
      const between = () => ({
        ptr: this.#betweenPtr + usedBytes,
        length: this.#betweenBytes - usedBytes,
        inPlace: true,
      });
      while (packer.next < run.count && packer.pack(between())) {
        records += packer.records;
        parts.push(this.#core.bytes(this.#betweenPtr + usedBytes, packer.packedBytes));
        usedBytes += packer.packedBytes;
        if (packer.content < 0) continue;
        parts.push(this.#core.bytes(table[from + packer.content], blockBytes));
        contentBytes += blockBytes;
      }
      if (parts.length === 0) continue;
      const lenBytes = usedBytes - begunBytes + contentBytes;
      stored = this.#sink.writeParts!(parts, originOf(origin, { from, to, lenBytes }));
    }
    // Writes are stored in order: with the last one, the batch is free.
    await stored;
    return records;
  }

  async finish(): Promise<void> {
    await this.#start();
    await this.#sink.finish();
  }

  async #start(): Promise<void> {
    const headerBytes = this.#headerBytes;
    this.#headerBytes = undefined;
    if (headerBytes !== undefined) await this.#sink.write(headerBytes);
  }
}

/** End of the stretch from `from` on in which all blocks are changed, or none is. */
function stretchEnd(changed: Uint8Array, from: number): number {
  const end = changed.indexOf(1 - changed[from], from);
  return end < 0 ? changed.length : end;
}

/** A block of zeros that the archive has as data is written shorter, so the lengths tell that the bytes are the same. */
function originOf(
  origin: RecordOrigin | undefined,
  { from, to, lenBytes }: { from: number; to: number; lenBytes: number },
): Origin | undefined {
  if (origin === undefined || origin.changed[from] !== 0) return undefined;
  const { source, beginBytes, offsets } = origin;
  if (offsets[to] - offsets[from] !== lenBytes) return undefined;
  return { source, offsetBytes: beginBytes + offsets[from] };
}
