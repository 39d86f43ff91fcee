/**
 * The running WebAssembly module, its own data in the memory, and the checks that the core itself leaves out.
 */

import { withUnsharedMemory } from "./unshared.ts";

const PAGE_BYTES = 64 * 1024;
/** Default alignment: a cache line. The widest stride of every kernel is a multiple of it. */
export const ALIGN_BYTES = 64;

/**
 * The constants that `assembly/layout.ts` exports: marks, sizes, statuses, offsets of the cursors' fields.
 */
interface Layout {
  ZERO: number;
  ABSENT: number;
  DIGEST_SIZE: number;
  RECORD_HEADER_MAX: number;
  DIGEST_RECORD_MAX: number;
  HEAP_BASE: number;
  MD5_SCRATCH_SIZE: number;
  MORE: number;
  NO_CONTENT: number;
  BAD: number;
  REACHED: number;
  CONTENT: number;
  PACK_FIRST_BLOCK: number;
  PACK_GROUP_BLOCKS: number;
  PACK_IN_PLACE: number;
  PACK_LAST_GROUP: number;
  PACK_TABLE_PTR: number;
  PACK_SELECT_PTR: number;
  PACK_STOP_LEN: number;
  PACK_NEXT: number;
  PACK_CONTENT: number;
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
  TAKE_OFFSETS_PTR: number;
  TAKE_PEEK_BLOCK: number;
  TAKE_SRC_PTR: number;
  TAKE_SRC_LEN: number;
  TAKE_SRC_OFFSET: number;
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

/** The functions that `assembly/index.ts` exports. Addresses and lengths count bytes. */
interface Kernels {
  copyBytes(toPtr: number, fromPtr: number, len: number): void;
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

/** A region of the core's memory: an address and a length in bytes. */
export interface Span {
  /** Address of the first byte. */
  ptr: number;
  /** Length in bytes. */
  length: number;
}

/**
 * Why a cursor stopped.
 *
 * - `more`: the window has no further whole record; nothing is left in it, or the beginning of a record
 * - `reached`: all records that the caller asked for have been taken
 * - `content`: the header of a data record is consumed, but its content extends past the window; the caller
 *   copies it
 * - `bad`: the bytes that follow cannot be the next record, however the stream goes on
 */
export type TakeStatus = "more" | "reached" | "content" | "bad";

/** What is needed to start another core in the same memory. It can be posted to a worker. */
export interface CoreShare {
  /** The compiled module. */
  readonly module: WebAssembly.Module;
  /** The memory that all cores share. */
  readonly memory: WebAssembly.Memory;
  /** The region that belongs to the new core alone, for its own data and for what it allocates. */
  readonly region: Span;
}

/** A running module, its own data in the memory, and the checks that the core itself leaves out. */
export class Instance implements CoreShare {
  /** The compiled module. */
  readonly module: WebAssembly.Module;
  /** The memory that all cores share. */
  readonly memory: WebAssembly.Memory;
  /** The region that belongs to this core alone. */
  readonly region: Span;
  /** The functions of the module. */
  readonly kernels: Kernels;
  /** The constants of the module. */
  readonly layout: Layout;
  /** Address of the scratch memory of `md5Blocks`. */
  readonly md5ScratchPtr: number;
  /** One cursor serves all callers: each call sets all fields that it needs, and calls do not overlap. */
  readonly cursor: CursorFields;
  /** Address of the first byte after the core's own data, from which on the region can be allocated. */
  readonly freePtr: number;
  /** Address of the end of the region. */
  readonly endPtr: number;
  readonly #memoryBytes: number;
  readonly #statusNames: TakeStatus[] = [];

  /**
   * Compiles the module `wasm` and starts it with a memory of its own, whose size is `memoryBytes` rounded up
   * to whole pages of 64 KiB. Without `shared` no other thread can reach the memory.
   *
   * @throws {Error} if the memory is too small for the core's own data, or the runtime cannot create it
   */
  static async create(
    wasm: Uint8Array<ArrayBuffer>,
    { memoryBytes, shared }: { memoryBytes: number; shared: boolean },
  ): Promise<Instance> {
    const pages = Math.ceil(memoryBytes / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
    const module = await WebAssembly.compile(shared ? wasm : withUnsharedMemory(wasm));
    return await Instance.start({ module, memory, region: { ptr: 0, length: memory.buffer.byteLength } });
  }

  /**
   * Starts the module once more, in the memory of another instance.
   *
   * @throws {RangeError} if the region is too small for the core's own data
   */
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

  /** Returns the name of a status of `assembly/layout.ts`. */
  statusName(status: number): TakeStatus {
    return this.#statusNames[status];
  }

  /**
   * Checks that `length` bytes at `ptr` are in the memory.
   *
   * @throws {RangeError} if they are not
   */
  checkRange(ptr: number, length: number): void {
    if (Number.isSafeInteger(ptr) && Number.isSafeInteger(length)) {
      if (ptr >= 0 && length >= 0 && ptr + length <= this.#memoryBytes) return;
    }
    throw new RangeError(
      `Cannot reach core memory: ${length} bytes at ${ptr}, the memory has ${this.#memoryBytes}`,
    );
  }

  /**
   * Checks that `count` 32-bit words at `ptr` are in the memory, and aligned.
   *
   * @throws {RangeError} if they are not
   */
  checkWords(ptr: number, count: number): void {
    this.checkRange(ptr, count * 4);
    if (ptr % 4 !== 0) {
      throw new RangeError(`Cannot reach core memory: words at ${ptr}, which is not a multiple of 4`);
    }
  }

  /**
   * Checks that a table and every block that it points to are in the memory. This takes about 4 ns for each
   * block, which is little: hashing a block of 512 bytes takes 160 ns.
   *
   * @throws {RangeError} if one of them is not
   */
  checkTable({ tablePtr, count, blockBytes }: { tablePtr: number; count: number; blockBytes: number }): void {
    this.checkWords(tablePtr, count);
    this.checkRange(0, blockBytes);
    const lastPtr = this.#memoryBytes - blockBytes;
    for (const entry of new Uint32Array(this.memory.buffer, tablePtr, count)) {
      if (entry > lastPtr && entry !== this.layout.ABSENT) this.checkRange(entry, blockBytes);
    }
  }
}

/** The fields of a cursor: the structure in the memory that passes arguments to the core and results back. */
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

  /** Reads a 64-bit field that holds a safe integer. Two words are faster than a `bigint`. */
  getInteger(offset: number): number {
    return this.#words[offset / 4 + 1] * 2 ** 32 + this.#words[offset / 4];
  }

  /**
   * Writes a 64-bit field.
   *
   * @throws {RangeError} if `value` is not a safe integer, or negative
   */
  setInteger(offset: number, value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`Cannot use ${value} as a number of blocks`);
    }
    this.#words[offset / 4] = value % 2 ** 32;
    this.#words[offset / 4 + 1] = value / 2 ** 32;
  }
}

/** Returns the lowest multiple of `alignBytes` that is not below `ptr`. */
export function alignUp(ptr: number, alignBytes: number): number {
  return Math.ceil(ptr / alignBytes) * alignBytes;
}

/** Reads the exported constants: immutable globals, whose unsigned values JavaScript sees as signed ones. */
function readLayout(exports: WebAssembly.Exports): Layout {
  const globals = Object.entries(exports).filter(([, value]) => value instanceof WebAssembly.Global);
  return Object.fromEntries(
    globals.map(([name, value]) => [name, (value as WebAssembly.Global).value >>> 0]),
  ) as unknown as Layout;
}

/**
 * Reports a failed assertion, which only the debug build has. AssemblyScript passes strings as addresses of
 * UTF-16 text, whose length in bytes is in the word before it.
 *
 * @throws {TypeError} always
 */
function abort(memory: WebAssembly.Memory, [messagePtr, filePtr, line, column]: number[]): never {
  const text = (ptr: number) => {
    const lenBytes = new DataView(memory.buffer).getUint32(ptr - 4, true);
    return new TextDecoder("utf-16le").decode(new Uint8Array(memory.buffer, ptr, lenBytes).slice());
  };
  throw new TypeError(
    `Assertion failed in the core: ${text(messagePtr)} (${text(filePtr)}:${line}:${column})`,
  );
}
