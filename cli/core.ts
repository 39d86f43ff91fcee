/**
 * The interface of the core, the WebAssembly module that is built from `assembly/`. Only `core/instance.ts`
 * depends on its being WebAssembly.
 *
 * The core works on bytes in a memory of its own. This memory never grows, so that views of it remain valid
 * and a disk library can read directly into it. Places in the memory are addresses, `number`s that count
 * bytes: `alloc` hands out regions, and `bytes` and `words` return views of them. Memory has owners: a job, or
 * a part of one, allocates from a `scope` of the core, and what it allocated ends with the scope. The core
 * trusts its caller; therefore every range is checked here. The structures in the memory are described in `assembly/layout.ts`;
 * their offsets and sizes are read from the module instead of being repeated here.
 */

import { coreWasm } from "../build/core_wasm.ts";
import {
  type BlockRun,
  DigestCursor,
  type PackOptions,
  RecordCursor,
  type RecordedDisk,
  RecordPacker,
} from "./core/cursors.ts";
import { ALIGN_BYTES, type CoreShare, Instance } from "./core/instance.ts";
import { Regions } from "./core/regions.ts";

export type {
  BlockRun,
  DigestCursor,
  PackOptions,
  PackRegion,
  RecordCursor,
  RecordedDisk,
  RecordPacker,
  RecordWindow,
  SlottedRun,
} from "./core/cursors.ts";
export type { CoreShare, Span, TakeStatus } from "./core/instance.ts";

/** A limit more than a cost: pages of the memory that are never written take up no physical memory. */
const DEFAULT_MEMORY_BYTES = 256 * 1024 * 1024;

/**
 * One instance of the core, and what is allocated of its memory: all of it, or a scope of it.
 *
 * Disposing a core gives back what was allocated from it and from its scopes. `await using` waits until
 * nothing uses this memory any more ({@linkcode hold}); `using` does not wait, and then the memory is given
 * back later, when its last use ends.
 */
export class Core implements Disposable, AsyncDisposable {
  /** Table entry of a block whose bytes are all zero. */
  readonly ZERO: number;
  /** Table entry of a block that has no record. */
  readonly ABSENT: number;
  /** Bytes of a digest, an MD5. */
  readonly DIGEST_SIZE: number;
  /** Bytes of the longest record of a dump or rdiff, without its content. */
  readonly RECORD_HEADER_MAX: number;
  /** Bytes of the longest digest record. */
  readonly DIGEST_RECORD_MAX: number;

  readonly #instance: Instance;
  /** The allocator that the core shares with all its scopes. */
  readonly #regions: Regions;
  /** Addresses of what was allocated from this core, without its scopes. */
  readonly #allocated: number[] = [];
  /** Scopes of this core that have not ended. */
  readonly #scopes = new Set<Core>();
  /** Operations that still use memory that was allocated from this core. */
  readonly #holds = new Set<Promise<unknown>>();
  /** The core that this is a scope of. */
  #parent?: Core;
  /** Set when the core is disposed; settles when its memory has been given back. */
  #ended?: Promise<void>;

  /**
   * Starts a core with a memory of its own.
   *
   * @param options `memoryBytes`: size of the memory, at most 4 GiB, 256 MiB by default; `wasm`: the bytes of
   * another build of the module (tests pass the debug build); `shared`: whether workers can use the memory,
   * by default where the host has shared memory
   * @throws {Error} if the memory is too small for the core's own data, or the runtime cannot create it
   *
   * @example
   * ```ts
   * import { Core } from "./core.ts";
   * import { assertEquals } from "@std/assert";
   *
   * const core = await Core.load();
   * const tablePtr = core.alloc(4);
   * const blockPtr = core.alloc(3);
   * const digestsPtr = core.alloc(core.DIGEST_SIZE);
   * core.bytes(blockPtr, 3).set(new TextEncoder().encode("abc"));
   * core.words(tablePtr, 1)[0] = blockPtr;
   * core.md5Blocks(tablePtr, 1, 3, digestsPtr);
   * assertEquals([...core.bytes(digestsPtr, 4)], [0x90, 0x01, 0x50, 0x98]);
   * ```
   */
  static async load(
    options: { memoryBytes?: number; wasm?: Uint8Array<ArrayBuffer>; shared?: boolean } = {},
  ): Promise<Core> {
    const { memoryBytes = DEFAULT_MEMORY_BYTES, wasm = coreWasm() } = options;
    const { shared = typeof SharedArrayBuffer === "function" } = options;
    return Core.#whole(await Instance.create(wasm, { memoryBytes, shared }));
  }

  /**
   * Starts another core in the memory of the core that returned `share`, in this thread or in a worker that
   * received the share as a message. The new core allocates from the region of the share.
   *
   * @throws {RangeError} if the region is too small for the core's own data
   */
  static async attach(share: CoreShare): Promise<Core> {
    return Core.#whole(await Instance.start(share));
  }

  static #whole(instance: Instance): Core {
    return new Core(instance, new Regions(instance.freePtr, instance.endPtr));
  }

  private constructor(instance: Instance, regions: Regions) {
    const { layout } = instance;
    this.#instance = instance;
    this.#regions = regions;
    this.ZERO = layout.ZERO;
    this.ABSENT = layout.ABSENT;
    this.DIGEST_SIZE = layout.DIGEST_SIZE;
    this.RECORD_HEADER_MAX = layout.RECORD_HEADER_MAX;
    this.DIGEST_RECORD_MAX = layout.DIGEST_RECORD_MAX;
  }

  /**
   * Allocates `lenBytes` of memory at an address that is a multiple of `alignBytes`, a power of two. The
   * memory is not cleared. It belongs to this core until that is disposed.
   *
   * @throws {RangeError} if the memory is used up
   * @throws {Error} if the core was disposed
   */
  alloc(lenBytes: number, alignBytes = ALIGN_BYTES): number {
    this.#assertAlive();
    const ptr = this.#regions.allocate(lenBytes, alignBytes);
    this.#allocated.push(ptr);
    return ptr;
  }

  /** Size of the whole memory in bytes. */
  get memoryBytes(): number {
    return this.#instance.memory.buffer.byteLength;
  }

  /** Bytes of the memory that are allocated now, from any scope. */
  get usedBytes(): number {
    return this.#regions.usedBytes;
  }

  /**
   * Returns the same core with memory of its own: what is allocated from the scope is given back when the
   * scope is disposed, and when this core is.
   *
   * @throws {Error} if the core was disposed
   *
   * @example
   * ```ts
   * import { Core } from "./core.ts";
   * import { assertEquals } from "@std/assert";
   *
   * await using core = await Core.load();
   * const before = core.usedBytes;
   * {
   *   using scope = core.scope();
   *   scope.alloc(1000);
   *   assertEquals(core.usedBytes, before + 1000);
   * }
   * assertEquals(core.usedBytes, before);
   * ```
   */
  scope(): Core {
    this.#assertAlive();
    const scope = new Core(this.#instance, this.#regions);
    scope.#parent = this;
    this.#scopes.add(scope);
    return scope;
  }

  /**
   * Keeps the memory that was allocated from this core until `operation`, which reads or writes some of it,
   * has settled, even if the core is disposed before. Returns `operation`.
   */
  hold<T>(operation: Promise<T>): Promise<T> {
    const settled = operation.then(() => {}, () => {}).then(() => void this.#holds.delete(settled));
    this.#holds.add(settled);
    return operation;
  }

  /** Gives the memory back, at once or as soon as nothing uses it. */
  [Symbol.dispose](): void {
    void this.#end();
  }

  /** Gives the memory back, and waits until nothing uses it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  #end(): Promise<void> {
    if (this.#ended !== undefined) return this.#ended;
    for (const scope of this.#scopes) scope[Symbol.dispose]();
    if (this.#isInUse) return this.#ended = this.#freeAfterUse();
    this.#free();
    return this.#ended = Promise.resolve();
  }

  /** Whether an operation uses memory that was allocated from this core or from one of its scopes. */
  get #isInUse(): boolean {
    return this.#holds.size > 0 || this.#scopes.size > 0;
  }

  async #freeAfterUse(): Promise<void> {
    // An operation may begin another one before it settles, as a reader does that orders its next part.
    while (this.#isInUse) {
      await Promise.all([...this.#holds, ...Array.from(this.#scopes, (scope) => scope.#ended)]);
    }
    this.#free();
  }

  #free(): void {
    for (const ptr of this.#allocated.splice(0)) this.#regions.free(ptr);
    if (this.#parent !== undefined) this.#parent.#scopes.delete(this);
  }

  #assertAlive(): void {
    if (this.#ended !== undefined) throw new Error("Cannot use core memory: its scope has ended");
  }

  /**
   * Allocates `lenBytes` for another core, which {@linkcode attach} starts. That core reaches the whole
   * memory and allocates from this region. The memory must be a shared one.
   *
   * @throws {RangeError} if the memory is used up
   */
  share(lenBytes: number): CoreShare {
    const { module, memory } = this.#instance;
    return { module, memory, region: { ptr: this.alloc(lenBytes), length: lenBytes } };
  }

  /**
   * Returns a view of `length` bytes at `ptr`. The memory is a `SharedArrayBuffer`, unless the core was loaded
   * without shared memory; a few functions of the runtime refuse views of one.
   *
   * @throws {RangeError} if the range is not in the memory
   */
  bytes(ptr: number, length: number): Uint8Array {
    this.#instance.checkRange(ptr, length);
    return new Uint8Array(this.#instance.memory.buffer, ptr, length);
  }

  /**
   * Returns a view of `count` 32-bit words at `ptr`, which is how block tables are read and written.
   *
   * @throws {RangeError} if the range is not in the memory, or `ptr` is not a multiple of 4
   */
  words(ptr: number, count: number): Uint32Array {
    this.#instance.checkWords(ptr, count);
    return new Uint32Array(this.#instance.memory.buffer, ptr, count);
  }

  /**
   * Copies `from` to the start of `into`, as `into.set(from)` does; the two may overlap. If both lie in the
   * memory and are aligned differently within a word, this takes a fifth of the time that `set` takes.
   *
   * @throws {RangeError} if `into` is shorter than `from`
   */
  copy(from: Uint8Array, into: Uint8Array): void {
    const { memory: { buffer }, kernels } = this.#instance;
    if (from.length > into.length) {
      throw new RangeError(`Cannot copy ${from.length} bytes: the target has room for ${into.length}`);
    }
    // No range check is needed: views of the memory come from `bytes`, which has checked their ranges.
    if (from.buffer !== buffer || into.buffer !== buffer) into.set(from);
    else kernels.copyBytes(into.byteOffset, from.byteOffset, from.length);
  }

  /**
   * Replaces each entry of a table whose block is all zeros with `ZERO`; returns how many point to data then.
   *
   * @throws {RangeError} if the table, or a block it points to, is not in the memory
   */
  dropZeros(tablePtr: number, count: number, blockBytes: number): number {
    this.#instance.checkTable({ tablePtr, count, blockBytes });
    return this.#instance.kernels.dropZeros(tablePtr, count, blockBytes);
  }

  /**
   * Writes the MD5 (RFC 1321) of every block of a table to `digestsPtr`, 16 bytes for each; for `ZERO` and
   * `ABSENT` entries 16 zero bytes. Up to twelve blocks are hashed side by side: calls with eight or more are
   * the fastest, and one block takes as long as four.
   *
   * @throws {RangeError} if the table, a block it points to, or the digests are not in the memory
   */
  md5Blocks(tablePtr: number, count: number, blockBytes: number, digestsPtr: number): void {
    this.#instance.checkTable({ tablePtr, count, blockBytes });
    this.#instance.checkRange(digestsPtr, count * this.DIGEST_SIZE);
    this.#instance.kernels.md5Blocks(tablePtr, count, blockBytes, digestsPtr, this.#instance.md5ScratchPtr);
  }

  /**
   * Compares two digest arrays with 16 bytes for each of `count` blocks. The byte of each block at
   * `changedPtr` becomes 1 if its digests differ, else 0. If a table is given, blocks that are `ABSENT` in it
   * count as equal. Returns how many blocks differ.
   *
   * @throws {RangeError} if one of the arrays is not in the memory
   */
  diffDigests(aPtr: number, bPtr: number, count: number, changedPtr: number, tablePtr = 0): number {
    this.#instance.checkRange(aPtr, count * this.DIGEST_SIZE);
    this.#instance.checkRange(bPtr, count * this.DIGEST_SIZE);
    this.#instance.checkRange(changedPtr, count);
    if (tablePtr !== 0) this.#instance.checkWords(tablePtr, count);
    return this.#instance.kernels.diffDigests(tablePtr, aPtr, bPtr, count, changedPtr);
  }

  /**
   * Compares the content of two runs of the same blocks. The byte of each block at `changedPtr` becomes 1 if
   * its contents differ, else 0. Returns how many blocks differ. `ZERO` equals only `ZERO`, and `ABSENT` only
   * `ABSENT`; so the caller calls {@linkcode dropZeros} for both runs first.
   *
   * @throws {RangeError} if the runs are not of the same blocks, or one of the regions is not in the memory
   */
  diffBlocks(a: BlockRun, b: BlockRun, changedPtr: number): number {
    const { count, blockBytes } = a;
    if (a.first !== b.first || count !== b.count || blockBytes !== b.blockBytes) {
      const [shownA, shownB] = [a, b].map((run) =>
        `${run.count} x ${run.blockBytes} bytes from block ${run.first}`
      );
      throw new RangeError(`Cannot compare runs of different blocks: ${shownA}, and ${shownB}`);
    }
    this.#instance.checkTable(a);
    this.#instance.checkTable(b);
    this.#instance.checkRange(changedPtr, count);
    return this.#instance.kernels.diffBlocks(a.tablePtr, b.tablePtr, count, blockBytes, changedPtr);
  }

  /**
   * Returns a packer that writes the blocks of a run, but for `ABSENT` ones, as records of a dump or rdiff.
   */
  packer(run: BlockRun, options: PackOptions = {}): RecordPacker {
    return new RecordPacker(this.#instance, run, options);
  }

  /**
   * Writes `count` digests, 16 bytes each, as records of a digest to `outPtr`, which has room for
   * `count * DIGEST_RECORD_MAX` bytes. A digest of 16 zero bytes stands for a zero block. Returns how many
   * bytes were written.
   *
   * @throws {RangeError} if the digests or the room for the records are not in the memory
   */
  packDigest(digestsPtr: number, count: number, outPtr: number): number {
    this.#instance.checkRange(digestsPtr, count * this.DIGEST_SIZE);
    this.#instance.checkRange(outPtr, count * this.DIGEST_RECORD_MAX);
    return this.#instance.kernels.packDigest(digestsPtr, count, outPtr);
  }

  /**
   * Returns a cursor that reads the records of a dump (`full`: a record for every block) or of an rdiff
   * (ascending blocks with gaps) of a disk of `blockCount` blocks.
   */
  recordCursor(disk: RecordedDisk): RecordCursor {
    return new RecordCursor(this.#instance, disk);
  }

  /** Returns a cursor that reads the records of a digest. */
  digestCursor(): DigestCursor {
    return new DigestCursor(this.#instance);
  }
}
