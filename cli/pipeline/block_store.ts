/** Blocks that were found, in a file until they are written. */

/** Blocks with a number that are kept at most: each takes some hundred bytes of memory. */
const MAX_KEPT = 2 ** 18;

/** A file for blocks until they are written, in no order that anybody else knows. */
export type Scratch = Pick<Deno.FsFile, "readSync" | "writeSync" | "seekSync">;

/** Blocks in a file. */
export class BlockStore {
  readonly #open: () => Scratch;
  readonly #blockBytes: number;
  #file?: Scratch;
  #count = 0;

  constructor(open: () => Scratch, blockBytes: number) {
    this.#open = open;
    this.#blockBytes = blockBytes;
  }

  /** Writes a block behind the others; returns its place. */
  keep(content: Uint8Array): number {
    const file = this.#file ??= this.#open();
    file.seekSync(this.#count * this.#blockBytes, Deno.SeekMode.Start);
    for (let done = 0; done < content.length;) done += file.writeSync(content.subarray(done));
    return this.#count++;
  }

  load(place: number, into: Uint8Array): void {
    const file = this.#file!;
    file.seekSync(place * this.#blockBytes, Deno.SeekMode.Start);
    for (let done = 0; done < into.length;) {
      const got = file.readSync(into.subarray(done));
      if (got === null) throw new Error("Cannot salvage: the file for blocks that were found became shorter");
      done += got;
    }
  }
}

/** Blocks of a store by their numbers, as many as fit into memory with their digests. */
export class KeptBlocks {
  readonly #store: BlockStore;
  readonly #kept = new Map<number, { place: number; digest: Uint8Array }>();

  constructor(store: BlockStore) {
    this.#store = store;
  }

  has(block: number): boolean {
    return this.#kept.has(block);
  }

  /** False if there are too many already. */
  keep(block: number, { content, digest }: { content: Uint8Array; digest: Uint8Array }): boolean {
    if (this.#kept.size >= MAX_KEPT) return false;
    this.#kept.set(block, { place: this.#store.keep(content), digest });
    return true;
  }

  placeOf(block: number): number | undefined {
    return this.#kept.get(block)?.place;
  }

  digestOf(block: number): Uint8Array | undefined {
    return this.#kept.get(block)?.digest;
  }
}
