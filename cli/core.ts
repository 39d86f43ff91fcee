/**
 * The door to the core, the WebAssembly module built from `assembly/`; only `core/instance.ts` knows that it is one.
 *
 * The core works on bytes in a memory of its own, which never grows, so a view over it stays good and a disk library
 * may read straight into it. A place in it is an address, a `number` in bytes; `alloc` hands out regions, `bytes` and
 * `words` look at them. The core itself trusts its caller, so every range is checked here. `assembly/layout.ts` draws
 * what lies where; its numbers are read from the module and not repeated.
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
import { ALIGN_BYTES, alignUp, type CoreShare, Instance } from "./core/instance.ts";

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

/** Pages that nobody touches cost nothing, so this is a limit more than a need. */
const DEFAULT_MEMORY_BYTES = 256 * 1024 * 1024;

/** One instance of the core, and the region of its memory that it hands out. */
export class Core {
  /** Table entry: all bytes of the block are zero. */
  readonly ZERO: number;
  /** Table entry: nothing is recorded for the block. */
  readonly ABSENT: number;
  /** Bytes of a digest. */
  readonly DIGEST_SIZE: number;
  /** Bytes of the longest dump record, its content not counted. */
  readonly RECORD_HEADER_MAX: number;
  /** Bytes of the longest digest record. */
  readonly DIGEST_RECORD_MAX: number;

  readonly #instance: Instance;
  #nextPtr: number;

  /**
   * Starts a core with a memory of its own.
   *
   * @param options `memoryBytes`: size of the memory, at most 4 GiB, 256 MiB if not given; `wasm`: the bytes of another
   * build of the module (tests bring the debug build)
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
  static async load(options: { memoryBytes?: number; wasm?: Uint8Array<ArrayBuffer> } = {}): Promise<Core> {
    const { memoryBytes = DEFAULT_MEMORY_BYTES, wasm = coreWasm() } = options;
    return new Core(await Instance.create(wasm, memoryBytes));
  }

  /** Starts a core in the memory of another one, in this thread or in a worker that was posted the share. */
  static async attach(share: CoreShare): Promise<Core> {
    return new Core(await Instance.start(share));
  }

  private constructor(instance: Instance) {
    const { layout } = instance;
    this.#instance = instance;
    this.#nextPtr = instance.freePtr;
    this.ZERO = layout.ZERO;
    this.ABSENT = layout.ABSENT;
    this.DIGEST_SIZE = layout.DIGEST_SIZE;
    this.RECORD_HEADER_MAX = layout.RECORD_HEADER_MAX;
    this.DIGEST_RECORD_MAX = layout.DIGEST_RECORD_MAX;
  }

  /**
   * Hands out `lenBytes` of memory, aligned to `alignBytes` (a power of two). Its content is whatever was there before.
   *
   * @throws {RangeError} if the memory is used up
   */
  alloc(lenBytes: number, alignBytes = ALIGN_BYTES): number {
    const ptr = alignUp(this.#nextPtr, alignBytes);
    const freeBytes = Math.max(0, this.#instance.endPtr - ptr);
    if (!Number.isSafeInteger(lenBytes) || lenBytes < 0 || lenBytes > freeBytes) {
      throw new RangeError(
        `Cannot allocate core memory: ${lenBytes} bytes are wanted, ${freeBytes} are free`,
      );
    }
    this.#nextPtr = ptr + lenBytes;
    return ptr;
  }

  /** Bytes of the memory. */
  get memoryBytes(): number {
    return this.#instance.memory.buffer.byteLength;
  }

  /** Remembers what is allocated now, for {@linkcode release}. */
  mark(): number {
    return this.#nextPtr;
  }

  /**
   * Takes back everything allocated since the mark.
   *
   * @throws {RangeError} if it is no mark, or was itself taken back
   */
  release(mark: number): void {
    const { freePtr } = this.#instance;
    if (!(mark >= freePtr && mark <= this.#nextPtr)) {
      throw new RangeError(
        `Cannot release core memory: ${mark} is not between ${freePtr} and ${this.#nextPtr}`,
      );
    }
    this.#nextPtr = mark;
  }

  /**
   * Allocates `lenBytes` for a core of another thread: it sees the whole memory and hands out that region.
   *
   * @throws {RangeError} if the memory is used up
   */
  share(lenBytes: number): CoreShare {
    const { module, memory } = this.#instance;
    return { module, memory, region: { ptr: this.alloc(lenBytes), length: lenBytes } };
  }

  /**
   * A view of `length` bytes at `ptr`. The memory is shared, which a few functions of the runtime refuse.
   *
   * @throws {RangeError} if the range is not in the memory
   */
  bytes(ptr: number, length: number): Uint8Array {
    this.#instance.checkRange(ptr, length);
    return new Uint8Array(this.#instance.memory.buffer, ptr, length);
  }

  /**
   * A view of `count` 32-bit words at `ptr`, a multiple of 4: a block table.
   *
   * @throws {RangeError} if the range is not in the memory or not aligned
   */
  words(ptr: number, count: number): Uint32Array {
    this.#instance.checkWords(ptr, count);
    return new Uint32Array(this.#instance.memory.buffer, ptr, count);
  }

  /**
   * Copies `from` to the start of `into`, as `into.set(from)` does; the two may overlap. Within the memory this takes a fifth of
   * the time where they do not begin at the same byte of a word.
   *
   * @throws {RangeError} if `into` is shorter
   */
  copy(from: Uint8Array, into: Uint8Array): void {
    const { memory: { buffer }, kernels } = this.#instance;
    if (from.length > into.length) {
      throw new RangeError(`Cannot copy ${from.length} bytes to where there is room for ${into.length}`);
    }
    // A view of the memory is a range of it that was checked.
    if (from.buffer !== buffer || into.buffer !== buffer) into.set(from);
    else kernels.copyBytes(into.byteOffset, from.byteOffset, from.length);
  }

  /**
   * Turns each entry of a table whose block is all zero bytes into `ZERO`; returns how many still point to data.
   *
   * @throws {RangeError} if the table, or a block it points to, is not in the memory
   */
  dropZeros(tablePtr: number, count: number, blockBytes: number): number {
    this.#instance.checkTable({ tablePtr, count, blockBytes });
    return this.#instance.kernels.dropZeros(tablePtr, count, blockBytes);
  }

  /**
   * Writes the MD5 (RFC 1321) of every block of a table to `digestsPtr`, 16 bytes each; `ZERO` and `ABSENT` give 16 zero
   * bytes. Up to twelve blocks are hashed side by side: eight or more are fastest, a lone one costs as much as four.
   *
   * @throws {RangeError} if the table, a block it points to, or the digests are not in the memory
   */
  md5Blocks(tablePtr: number, count: number, blockBytes: number, digestsPtr: number): void {
    this.#instance.checkTable({ tablePtr, count, blockBytes });
    this.#instance.checkRange(digestsPtr, count * this.DIGEST_SIZE);
    this.#instance.kernels.md5Blocks(tablePtr, count, blockBytes, digestsPtr, this.#instance.md5ScratchPtr);
  }

  /**
   * Compares two digest arrays, 16 bytes a block: the byte of a block at `changedPtr` becomes 1 where they differ, else
   * 0. Blocks that are `ABSENT` in the table, if one is given, never differ. Returns how many differ.
   *
   * @throws {RangeError} if something is not in the memory
   */
  diffDigests(aPtr: number, bPtr: number, count: number, changedPtr: number, tablePtr = 0): number {
    this.#instance.checkRange(aPtr, count * this.DIGEST_SIZE);
    this.#instance.checkRange(bPtr, count * this.DIGEST_SIZE);
    this.#instance.checkRange(changedPtr, count);
    if (tablePtr !== 0) this.#instance.checkWords(tablePtr, count);
    return this.#instance.kernels.diffDigests(tablePtr, aPtr, bPtr, count, changedPtr);
  }

  /**
   * Compares two runs by content: the byte of a block at `changedPtr` becomes 1 where they differ, else 0. `ZERO` equals
   * `ZERO` only, so zero blocks are dropped before; `ABSENT` equals `ABSENT` only. Returns how many differ.
   *
   * @throws {RangeError} if the runs are not of the same blocks, or something is not in the memory
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

  /** Packs the blocks of a run that are not `ABSENT` into dump or rdiff records. */
  packer(run: BlockRun, options: PackOptions = {}): RecordPacker {
    return new RecordPacker(this.#instance, run, options);
  }

  /**
   * Writes `count` digest records to `outPtr`, which has room for `count * DIGEST_RECORD_MAX` bytes; 16 zero bytes stand
   * for a zero block. Returns how many bytes were written.
   *
   * @throws {RangeError} if something is not in the memory
   */
  packDigest(digestsPtr: number, count: number, outPtr: number): number {
    this.#instance.checkRange(digestsPtr, count * this.DIGEST_SIZE);
    this.#instance.checkRange(outPtr, count * this.DIGEST_RECORD_MAX);
    return this.#instance.kernels.packDigest(digestsPtr, count, outPtr);
  }

  /**
   * A cursor over the records of one dump (`full`: a record for every block) or rdiff (ascending blocks) of a disk of
   * `blockCount` blocks.
   */
  recordCursor(disk: RecordedDisk): RecordCursor {
    return new RecordCursor(this.#instance, disk);
  }

  /** A cursor over the records of a digest. */
  digestCursor(): DigestCursor {
    return new DigestCursor(this.#instance);
  }
}
