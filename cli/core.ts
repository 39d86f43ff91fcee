/**
 * The door to the core, the WebAssembly module built from `assembly/`: the only file that knows it is one.
 *
 * The core works on bytes in a memory of its own, which never grows, so a view over it stays good and a disk library
 * may read straight into it. A place in it is an address, a `number` in bytes; `alloc` hands out regions, `bytes` and
 * `words` look at them. The core itself trusts its caller, so every range is checked here. `assembly/layout.ts` draws
 * what lies where; its numbers are read from the module and not repeated.
 */

import { coreWasm } from "../build/core_wasm.ts";

const PAGE_BYTES = 64 * 1024;
/** Pages that nobody touches cost nothing, so this is a limit more than a need. */
const DEFAULT_MEMORY_BYTES = 128 * 1024 * 1024;
/** One stride of every kernel is a whole number of these, and a cache line. */
const ALIGN_BYTES = 64;

/** The exported constants of `assembly/layout.ts`: marks, sizes, statuses, offsets of cursor fields. */
interface Layout {
  ZERO: number;
  ABSENT: number;
  DIGEST_SIZE: number;
  RECORD_HEADER_MAX: number;
  DIGEST_RECORD_MAX: number;
  HEAP_BASE: number;
  MD5_SCRATCH_SIZE: number;
  MORE: number;
  BAD: number;
  REACHED: number;
  CONTENT: number;
  PACK_FIRST_BLOCK: number;
  PACK_TABLE_PTR: number;
  PACK_SELECT_PTR: number;
  PACK_NEXT: number;
  PACK_COUNT: number;
  PACK_BLOCK_LEN: number;
  PACK_OUT_PTR: number;
  PACK_OUT_CAP: number;
  PACK_OUT_LEN: number;
  PACK_CURSOR_SIZE: number;
  TAKE_NEXT_BLOCK: number;
  TAKE_DISK_BLOCKS: number;
  TAKE_TO_BLOCK: number;
  TAKE_FIRST_BLOCK: number;
  TAKE_PEEK_BLOCK: number;
  TAKE_SRC_PTR: number;
  TAKE_SRC_LEN: number;
  TAKE_BLOCK_LEN: number;
  TAKE_FULL: number;
  TAKE_TABLE_PTR: number;
  TAKE_SLOTS_PTR: number;
  TAKE_CONSUMED: number;
  TAKE_RECORDS: number;
  TAKE_DATA_RECORDS: number;
  TAKE_CURSOR_SIZE: number;
  DIGEST_CONSUMED: number;
  DIGEST_STATUS: number;
  DIGEST_CURSOR_SIZE: number;
}

/** The functions of `assembly/index.ts`. Addresses and lengths are bytes. */
interface Kernels {
  dropZeros(tablePtr: number, count: number, blockLen: number): number;
  md5Blocks(tablePtr: number, count: number, blockLen: number, outPtr: number, scratchPtr: number): void;
  diffDigests(tablePtr: number, aPtr: number, bPtr: number, count: number, changedPtr: number): number;
  diffBlocks(
    tableAPtr: number,
    tableBPtr: number,
    count: number,
    blockLen: number,
    changedPtr: number,
  ): number;
  packRecords(cursorPtr: number): number;
  packDigest(digestPtr: number, count: number, outPtr: number): number;
  takeRecords(cursorPtr: number): number;
  takeDigest(srcPtr: number, srcLen: number, count: number, digestPtr: number, cursorPtr: number): number;
}

/** A run of consecutive blocks and the table that says where each one lies. */
export interface BlockRun {
  /** Address of the table, aligned to 4: an address, `Core.ZERO` or `Core.ABSENT` for each block. */
  readonly tablePtr: number;
  /** Blocks of the run. */
  readonly count: number;
  /** Bytes of a block, at least 1. */
  readonly blockBytes: number;
  /** Number of the first block, a safe integer. */
  readonly first: number;
}

/** A run whose blocks have places of their own: block `first + i` at `slotsPtr + i * blockBytes`. */
export interface SlottedRun extends BlockRun {
  readonly slotsPtr: number;
}

/** A region of the core's memory: an address and a length in bytes. */
export interface Span {
  ptr: number;
  length: number;
}

/**
 * Why a cursor stopped.
 *
 * - `more`: the window holds no further whole record; what is left is the beginning of one, or nothing
 * - `reached`: all that was asked for has come
 * - `content`: a data record's header is consumed, but its content reaches beyond the window: the caller moves it
 * - `bad`: what follows cannot be the next record, however the window goes on
 */
export type TakeStatus = "more" | "reached" | "content" | "bad";

/** The disk that an archive was made of, as its header tells. */
export interface RecordedDisk {
  /** Bytes of a block, at least 1. */
  readonly blockBytes: number;
  /** Blocks of the disk, a safe integer. */
  readonly blockCount: number;
  /** The archive is a dump and has a record for every block; false for an rdiff. */
  readonly full: boolean;
}

/** What another thread needs to work in the same memory; can be posted to a worker. */
export interface CoreShare {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** The region that is the other's own, for its scratch and whatever it allocates. */
  readonly region: Span;
}

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
   * @param options `memoryBytes`: size of the memory, at most 4 GiB, 128 MiB if not given; `wasm`: the bytes of another
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
    const pages = Math.ceil((options.memoryBytes ?? DEFAULT_MEMORY_BYTES) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const module = await WebAssembly.compile(options.wasm ?? coreWasm());
    return new Core(
      await Instance.start({ module, memory, region: { ptr: 0, length: memory.buffer.byteLength } }),
    );
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

  /**
   * Packs the blocks of a run that are not `ABSENT` into dump or rdiff records in the region `out`. With `selectPtr`, one
   * byte a block, only those whose byte is not 0.
   *
   * @throws {RangeError} if `out` has less than `RECORD_HEADER_MAX + blockBytes` bytes, or is not in the memory
   */
  packer(run: BlockRun, out: Span & { selectPtr?: number }): RecordPacker {
    return new RecordPacker(this.#instance, run, out);
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

/** Packs one run, a region at a time: `while (packer.pack()) write(core.bytes(out.ptr, packer.packedBytes))`. */
export class RecordPacker {
  /** Records of the last `pack`. */
  records = 0;
  /** Bytes of the last `pack`. */
  packedBytes = 0;
  readonly #instance: Instance;
  readonly #run: BlockRun;
  readonly #out: Span & { selectPtr?: number };
  /** Position in the run. */
  #next = 0;

  /** Made by {@linkcode Core.packer}. */
  constructor(instance: Instance, run: BlockRun, out: Span & { selectPtr?: number }) {
    const wantedBytes = instance.layout.RECORD_HEADER_MAX + run.blockBytes;
    if (out.length < wantedBytes) {
      throw new RangeError(
        `Cannot pack records: ${wantedBytes} bytes of room are wanted, ${out.length} are given`,
      );
    }
    this.#instance = instance;
    this.#run = run;
    this.#out = out;
  }

  /**
   * Fills the region with the next records; false if there are none.
   *
   * @throws {RangeError} if a region, the table, or a block it points to, is not in the memory
   */
  pack(): boolean {
    const { layout: k, cursor, kernels } = this.#instance;
    const { first, tablePtr, count, blockBytes } = this.#run;
    const { ptr, length, selectPtr = 0 } = this.#out;
    this.#instance.checkTable(this.#run);
    this.#instance.checkRange(selectPtr, count);
    this.#instance.checkRange(ptr, length);
    cursor.setInteger(k.PACK_FIRST_BLOCK, first);
    cursor.set(k.PACK_TABLE_PTR, tablePtr);
    cursor.set(k.PACK_SELECT_PTR, selectPtr);
    cursor.set(k.PACK_NEXT, this.#next);
    cursor.set(k.PACK_COUNT, count);
    cursor.set(k.PACK_BLOCK_LEN, blockBytes);
    cursor.set(k.PACK_OUT_PTR, ptr);
    cursor.set(k.PACK_OUT_CAP, length);
    this.records = kernels.packRecords(cursor.ptr);
    this.packedBytes = cursor.get(k.PACK_OUT_LEN);
    this.#next = cursor.get(k.PACK_NEXT);
    return this.records > 0;
  }
}

/** Takes the records of one dump or rdiff, a window of its bytes at a time. */
export class RecordCursor {
  /** Bytes of the last window that are used up. */
  consumed = 0;
  /** Records of the last window, and those of them with data; at `content` the one at hand is not among them. */
  records = 0;
  dataRecords = 0;
  /** Lowest block that the next record may have. */
  nextBlock = 0;
  /** At `reached` and `content`, the block of the record at hand. */
  peekedBlock = 0;
  readonly #instance: Instance;
  readonly #disk: RecordedDisk;

  /** Made by {@linkcode Core.recordCursor}. */
  constructor(instance: Instance, disk: RecordedDisk) {
    this.#instance = instance;
    this.#disk = disk;
  }

  /**
   * Takes the records of the run's blocks from a window. Entries of the table that are `ABSENT` get theirs, data copied to
   * the block's slot; records of other entries, and of blocks before the run, are passed over, all of them if `tablePtr`
   * is 0. A call costs about 0.1 µs, a small record 0.03 µs.
   *
   * @param window `ptr`, `length`: bytes that begin with a record; `nextBlock`: lowest block it may have
   * @throws {RangeError} if the run's block size is not the archive's, or something is not in the memory
   */
  take(run: SlottedRun, window: Span & { nextBlock: number }): TakeStatus {
    const { layout: k, cursor, kernels } = this.#instance;
    const { first, count, tablePtr, slotsPtr } = run;
    const { blockBytes, blockCount, full } = this.#disk;
    if (run.blockBytes !== blockBytes || !(blockBytes > 0)) {
      throw new RangeError(
        `Cannot take records: blocks of ${run.blockBytes} bytes are wanted, they have ${blockBytes}`,
      );
    }
    this.#instance.checkRange(window.ptr, window.length);
    if (tablePtr !== 0) {
      this.#instance.checkWords(tablePtr, count);
      this.#instance.checkRange(slotsPtr, count * blockBytes);
    }
    cursor.setInteger(k.TAKE_NEXT_BLOCK, window.nextBlock);
    cursor.setInteger(k.TAKE_DISK_BLOCKS, blockCount);
    cursor.setInteger(k.TAKE_TO_BLOCK, first + count);
    cursor.setInteger(k.TAKE_FIRST_BLOCK, first);
    cursor.set(k.TAKE_SRC_PTR, window.ptr);
    cursor.set(k.TAKE_SRC_LEN, window.length);
    cursor.set(k.TAKE_BLOCK_LEN, blockBytes);
    cursor.set(k.TAKE_FULL, full ? 1 : 0);
    cursor.set(k.TAKE_TABLE_PTR, tablePtr);
    cursor.set(k.TAKE_SLOTS_PTR, slotsPtr);
    const status = this.#instance.statusName(kernels.takeRecords(cursor.ptr));
    this.consumed = cursor.get(k.TAKE_CONSUMED);
    this.records = cursor.get(k.TAKE_RECORDS);
    this.dataRecords = cursor.get(k.TAKE_DATA_RECORDS);
    this.nextBlock = cursor.getInteger(k.TAKE_NEXT_BLOCK);
    this.peekedBlock = cursor.getInteger(k.TAKE_PEEK_BLOCK);
    return status;
  }
}

/** Takes the records of a digest, a window of its bytes at a time. */
export class DigestCursor {
  /** Bytes of the last window that are used up. */
  consumed = 0;
  /** Records of the last window. */
  records = 0;
  readonly #instance: Instance;

  /** Made by {@linkcode Core.digestCursor}. */
  constructor(instance: Instance) {
    this.#instance = instance;
  }

  /**
   * Takes up to `count` digests from a window to `digestsPtr`, 16 bytes each, all zero for a zero block; `reached` when all
   * of them came. A record whose MD5 is 16 zero bytes is `bad`: it would read as a zero block.
   *
   * @throws {RangeError} if something is not in the memory
   */
  take(digestsPtr: number, window: Span & { count: number }): Exclude<TakeStatus, "content"> {
    const { layout: k, cursor, kernels } = this.#instance;
    const { ptr, length, count } = window;
    this.#instance.checkRange(ptr, length);
    this.#instance.checkRange(digestsPtr, count * k.DIGEST_SIZE);
    this.records = kernels.takeDigest(ptr, length, count, digestsPtr, cursor.ptr);
    this.consumed = cursor.get(k.DIGEST_CONSUMED);
    return this.#instance.statusName(cursor.get(k.DIGEST_STATUS)) as Exclude<TakeStatus, "content">;
  }
}

/** The running module, its workspace in the memory, and the checks that the core leaves to the door. */
class Instance implements CoreShare {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly region: Span;
  readonly kernels: Kernels;
  readonly layout: Layout;
  readonly md5ScratchPtr: number;
  /** Every call fills in all it needs and no call waits for another, so this one serves them all. */
  readonly cursor: CursorFields;
  /** What is left of the region behind the workspace. */
  readonly freePtr: number;
  readonly endPtr: number;
  readonly #memoryBytes: number;
  readonly #statusNames: TakeStatus[] = [];

  static async start(share: CoreShare): Promise<Instance> {
    const env = { memory: share.memory, abort: (...where: number[]) => abort(share.memory, where) };
    return new Instance(share, (await WebAssembly.instantiate(share.module, { env })).exports);
  }

  private constructor({ module, memory, region }: CoreShare, exports: WebAssembly.Exports) {
    const layout = readLayout(exports);
    this.module = module;
    this.memory = memory;
    this.region = region;
    this.kernels = exports as unknown as Kernels;
    this.layout = layout;
    this.#memoryBytes = memory.buffer.byteLength;
    this.#statusNames[layout.MORE] = "more";
    this.#statusNames[layout.REACHED] = "reached";
    this.#statusNames[layout.CONTENT] = "content";
    this.#statusNames[layout.BAD] = "bad";

    const cursorBytes = Math.max(layout.PACK_CURSOR_SIZE, layout.TAKE_CURSOR_SIZE, layout.DIGEST_CURSOR_SIZE);
    this.md5ScratchPtr = alignUp(Math.max(region.ptr, layout.HEAP_BASE), ALIGN_BYTES);
    const cursorPtr = alignUp(this.md5ScratchPtr + layout.MD5_SCRATCH_SIZE, ALIGN_BYTES);
    this.freePtr = alignUp(cursorPtr + cursorBytes, ALIGN_BYTES);
    this.endPtr = region.ptr + region.length;
    if (this.freePtr > this.endPtr) {
      throw new RangeError(`Cannot start the core: ${region.length} bytes of memory are too few`);
    }
    this.cursor = new CursorFields(memory, cursorPtr, cursorBytes);
  }

  statusName(status: number): TakeStatus {
    return this.#statusNames[status];
  }

  checkRange(ptr: number, length: number): void {
    if (Number.isSafeInteger(ptr) && Number.isSafeInteger(length)) {
      if (ptr >= 0 && length >= 0 && ptr + length <= this.#memoryBytes) return;
    }
    throw new RangeError(
      `Cannot reach core memory: ${length} bytes at ${ptr}, the memory has ${this.#memoryBytes}`,
    );
  }

  checkWords(ptr: number, count: number): void {
    this.checkRange(ptr, count * 4);
    if (ptr % 4 !== 0) throw new RangeError(`Cannot reach core memory: words at ${ptr}, no multiple of 4`);
  }

  /** A table and every block it points to: some 4 ns a block, where hashing 512 bytes takes 160. */
  checkTable({ tablePtr, count, blockBytes }: { tablePtr: number; count: number; blockBytes: number }): void {
    this.checkWords(tablePtr, count);
    this.checkRange(0, blockBytes);
    const lastPtr = this.#memoryBytes - blockBytes;
    for (const entry of new Uint32Array(this.memory.buffer, tablePtr, count)) {
      if (entry > lastPtr && entry !== this.layout.ABSENT) this.checkRange(entry, blockBytes);
    }
  }
}

/** The fields of the cursor that the core is handed. */
class CursorFields {
  readonly ptr: number;
  readonly #words: Uint32Array;

  constructor(memory: WebAssembly.Memory, ptr: number, lenBytes: number) {
    this.ptr = ptr;
    this.#words = new Uint32Array(memory.buffer, ptr, lenBytes / 4);
  }

  get(offset: number): number {
    return this.#words[offset / 4];
  }

  set(offset: number, value: number): void {
    this.#words[offset / 4] = value;
  }

  /** A 64-bit field that holds a safe integer: two words are faster than a `bigint`. */
  getInteger(offset: number): number {
    return this.#words[offset / 4 + 1] * 2 ** 32 + this.#words[offset / 4];
  }

  /** @throws {RangeError} if it is no safe integer, or negative */
  setInteger(offset: number, value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`Cannot use ${value} as a number of blocks`);
    }
    this.#words[offset / 4] = value % 2 ** 32;
    this.#words[offset / 4 + 1] = value / 2 ** 32;
  }
}

function alignUp(ptr: number, alignBytes: number): number {
  return Math.ceil(ptr / alignBytes) * alignBytes;
}

/** Constants leave the module as immutable globals. */
function readLayout(exports: WebAssembly.Exports): Layout {
  const globals = Object.entries(exports).filter(([, value]) => value instanceof WebAssembly.Global);
  return Object.fromEntries(
    globals.map(([name, value]) => [name, (value as WebAssembly.Global).value]),
  ) as Layout;
}

/** A failed assertion of the debug build: strings are UTF-16 with their length in bytes in the word before. */
function abort(memory: WebAssembly.Memory, [messagePtr, filePtr, line, column]: number[]): never {
  const text = (ptr: number) => {
    const lenBytes = new DataView(memory.buffer).getUint32(ptr - 4, true);
    return new TextDecoder("utf-16le").decode(new Uint8Array(memory.buffer, ptr, lenBytes).slice());
  };
  throw new TypeError(
    `Cannot go on in the core: not true that ${text(messagePtr)} (${text(filePtr)}:${line}:${column})`,
  );
}
