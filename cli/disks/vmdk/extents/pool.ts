/** For disks of very many pieces: their readers are made again when they are needed, a few are kept. */

import type { ExtentReader, Stretch } from "./extent.ts";

/** Readers kept: a disk of fewer extents keeps them all. */
const READER_LIMIT = 512;

/** The readers that were used last. */
export class ExtentPool {
  /** In the order of use, the oldest first. */
  readonly #readers = new Map<PooledExtent, ExtentReader>();

  readonly #known = new Map<string, ExtentReader>();

  /** Different extents so far. */
  get count(): number {
    return this.#known.size;
  }

  /**
   * The extent `key` whose reader `open` makes; it is made once here, so that what is wrong with it is known at once. Lines
   * with one key share it.
   */
  add(key: string, open: () => ExtentReader): ExtentReader {
    let extent = this.#known.get(key);
    if (extent === undefined) this.#known.set(key, extent = new PooledExtent(this, open));
    return extent;
  }

  /** The reader of one of its extents. */
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

  stretchAt(offsetBytes: number): Stretch {
    return this.#pool.get(this, this.#open).stretchAt(offsetBytes);
  }

  read(into: Uint8Array, offsetBytes: number): Promise<void> {
    return this.#pool.get(this, this.#open).read(into, offsetBytes);
  }
}
