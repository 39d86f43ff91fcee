/** Reads the generation to which a chain leads as a disk, from its beginning to its end. */

import type { Core } from "../core.ts";
import type { Extent, ReadableDisk } from "../disks/disk.ts";
import { Batch, SMALL_BATCH_BYTES } from "./batch.ts";
import { assertPadding, type Chain } from "./chain.ts";

/**
 * A disk that is read in ascending order: a chain is a stream. What was passed cannot be read again, except in
 * the run of blocks that was read last.
 */
export class ChainDisk implements ReadableDisk {
  readonly path: string;
  readonly files: readonly string[] = [];
  readonly format = "archives";
  readonly capacityBytes: number;
  readonly adapterType: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #chain: Chain;
  readonly #batch: Batch;

  /**
   * @param core its memory holds some blocks until it ends
   * @param chain begins with a dump or a disk
   * @param known adapter type and metadata that count instead of those of the chain
   */
  constructor(
    core: Core,
    chain: Chain,
    known: { adapterType?: number; metadata?: Record<string, string> } = {},
  ) {
    const { header, readers } = chain;
    this.path = readers[readers.length - 1].path;
    this.capacityBytes = header.capacityBytes;
    this.adapterType = known.adapterType ?? header.adapterType;
    this.metadata = known.metadata === undefined ? header.metadata : new Map(Object.entries(known.metadata));
    this.#chain = chain;
    this.#batch = new Batch(core, header.blockBytes, SMALL_BATCH_BYTES);
  }

  /** Returns the rest of the block, which is zero if the archives say so. */
  async extentAt(offsetBytes: number): Promise<Extent> {
    const batch = this.#batch;
    const block = Math.floor(offsetBytes / batch.blockBytes);
    await this.#reach(block);
    let end = block + 1;
    const isZero = (at: number) => batch.table[at - batch.first] === batch.core.ZERO;
    while (end < batch.end && isZero(end) === isZero(block)) end++;
    return { endBytes: Math.min(end * batch.blockBytes, this.capacityBytes), zero: isZero(block) };
  }

  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    const { blockBytes, core } = this.#batch;
    for (let done = 0; done < into.length;) {
      const block = Math.floor((offsetBytes + done) / blockBytes);
      await this.#reach(block);
      const inBlock = offsetBytes + done - block * blockBytes;
      const part = into.subarray(done, done + blockBytes - inBlock);
      if (this.#batch.table[block - this.#batch.first] === core.ZERO) part.fill(0);
      else part.set(this.#batch.slots(block, block + 1).subarray(inBlock, inBlock + part.length));
      done += part.length;
    }
  }

  async #reach(block: number): Promise<void> {
    const batch = this.#batch;
    if (block < batch.first) {
      throw new RangeError(
        `Cannot read block ${block} of "${this.path}" again: block ${batch.first} was read`,
      );
    }
    if (block < batch.end) return;
    batch.start(block, this.#chain.header.blockCount);
    await this.#chain.take(batch);
    assertPadding(batch, this.#chain);
  }

  [Symbol.dispose](): void {}
}
