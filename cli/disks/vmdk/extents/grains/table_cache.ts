/** A cache of parts of grain directories and grain tables, limited in bytes, for all files of a disk. */

/** Enough for the tables of 64 GiB with grains of 64 KiB, or of 256 MiB with grains of one sector. */
const CACHE_BYTES = 8 << 20;

/** The owner of parts; each owner numbers its parts separately. */
export type TableOwner = object;

interface Recent {
  owner?: TableOwner;
  index: number;
  part: Float64Array;
}

const NONE: Recent = { index: -1, part: new Float64Array() };

/** Decoded parts in the order of their use, the oldest first. */
export class TableCache {
  readonly #limitBytes: number;
  #usedBytes = 0;
  readonly #numbers = new WeakMap<TableOwner, number>();
  #ownerCount = 0;
  readonly #parts = new Map<string, Float64Array>();
  /**
   * The two parts that were requested last, usually a page of a directory and a table. They are found without
   * the map.
   */
  #recent: Recent = NONE;
  #lessRecent: Recent = NONE;
  /** The raw bytes of the tables that were read last. Tables that lie behind each other are read together. */
  #ahead?: { owner: TableOwner; beginBytes: number; bytes: Uint8Array };

  constructor(limitBytes: number = CACHE_BYTES) {
    this.#limitBytes = limitBytes;
  }

  /** Returns part number `index` of `owner`, which `load` makes if it is not in the cache. */
  get(owner: TableOwner, index: number, load: () => Float64Array): Float64Array {
    if (this.#recent.owner !== owner || this.#recent.index !== index) {
      const wanted = this.#lessRecent.owner === owner && this.#lessRecent.index === index
        ? this.#lessRecent
        : { owner, index, part: this.#find(owner, index, load) };
      this.#lessRecent = this.#recent;
      this.#recent = wanted;
    }
    return this.#recent.part;
  }

  #find(owner: TableOwner, index: number, load: () => Float64Array): Float64Array {
    let number = this.#numbers.get(owner);
    if (number === undefined) this.#numbers.set(owner, number = this.#ownerCount++);
    const key = `${number}:${index}`;
    let part = this.#parts.get(key);
    if (part === undefined) {
      part = load();
      this.#usedBytes += sizeOf(part);
    } else {
      this.#parts.delete(key);
    }
    this.#parts.set(key, part);
    for (const [oldest, part] of this.#parts) {
      if (this.#usedBytes <= this.#limitBytes || oldest === key) break;
      this.#parts.delete(oldest);
      this.#usedBytes -= sizeOf(part);
    }
    return part;
  }

  /**
   * Returns `lengthBytes` of a file from `beginBytes` on, from the bytes that were read last or from those
   * that `read` returns.
   */
  raw(
    owner: TableOwner,
    { beginBytes, lengthBytes, read }: {
      beginBytes: number;
      lengthBytes: number;
      read: () => Uint8Array;
    },
  ): Uint8Array {
    let ahead = this.#ahead;
    const at = ahead?.owner === owner ? beginBytes - ahead.beginBytes : -1;
    if (ahead === undefined || at < 0 || at + lengthBytes > ahead.bytes.length) {
      this.#ahead = ahead = { owner, beginBytes, bytes: read() };
      return ahead.bytes.subarray(0, lengthBytes);
    }
    return ahead.bytes.subarray(at, at + lengthBytes);
  }
}

/**
 * Returns the memory that a part takes. A small part takes more for its administration than for its entries.
 */
function sizeOf({ byteLength }: Float64Array): number {
  return byteLength + 512;
}
