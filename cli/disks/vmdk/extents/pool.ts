/**
 * The readers of the sparse extents of a disk. On a disk of very many extents, readers that were not used for
 * long are dropped and made again when they are needed.
 */

import type { ExtentReader, ExtentRun } from "./extent.ts";

/** The number of readers that are kept. A disk with fewer extents keeps all of them. */
const READER_LIMIT = 512;

/** The readers that were used last. */
export class ExtentPool {
  /** In the order of use, the oldest first. */
  readonly #readers = new Map<PooledExtent, ExtentReader>();

  readonly #known = new Map<string, ExtentReader>();

  /** The number of different extents so far. */
  get count(): number {
    return this.#known.size;
  }

  /**
   * Returns the extent `key`, whose reader `open` makes. The reader is made once here, so that its faults are
   * found when the disk is opened. Lines with the same key share one extent.
   */
  add(key: string, open: () => ExtentReader): ExtentReader {
    let extent = this.#known.get(key);
    if (extent === undefined) this.#known.set(key, extent = new PooledExtent(this, open));
    return extent;
  }

  /** Returns the reader of an extent of this pool. */
  get(extent: PooledExtent, open: () => ExtentReader): ExtentReader {
    const reader = this.#readers.get(extent) ?? open();
    this.#readers.delete(extent);
    this.#readers.set(extent, reader);
    for (const oldest of this.#readers.keys()) {
      if (this.#readers.size <= READER_LIMIT) break;
      this.#readers.delete(oldest);
    }
    return reader;
  }
}

class PooledExtent implements ExtentReader {
  readonly sizeBytes: number;
  readonly path?: string;
  readonly compressed: boolean;
  readonly #pool: ExtentPool;
  readonly #open: () => ExtentReader;

  constructor(pool: ExtentPool, open: () => ExtentReader) {
    this.#pool = pool;
    this.#open = open;
    ({ sizeBytes: this.sizeBytes, path: this.path, compressed: this.compressed } = pool.get(this, open));
  }

  runAt(offsetBytes: number): ExtentRun {
    return this.#pool.get(this, this.#open).runAt(offsetBytes);
  }

  read(into: Uint8Array, offsetBytes: number): Promise<void> {
    return this.#pool.get(this, this.#open).read(into, offsetBytes);
  }
}
