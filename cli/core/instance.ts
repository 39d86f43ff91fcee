/** The running WebAssembly module: its memory, its workspace in it, and the checks that the core leaves to the door. */

const PAGE_BYTES = 64 * 1024;
/** One stride of every kernel is a whole number of these, and a cache line. */
export const ALIGN_BYTES = 64;

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

/** The functions of `assembly/index.ts`. Addresses and lengths are bytes. */
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

/** What another thread needs to work in the same memory; can be posted to a worker. */
export interface CoreShare {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** The region that is the other's own, for its scratch and whatever it allocates. */
  readonly region: Span;
}

/** The running module, its workspace in the memory, and the checks that the core leaves to the door. */
export class Instance implements CoreShare {
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

  /** Starts the module `wasm` with a memory of its own. */
  static async create(wasm: Uint8Array<ArrayBuffer>, memoryBytes: number): Promise<Instance> {
    const pages = Math.ceil(memoryBytes / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const module = await WebAssembly.compile(wasm);
    return await Instance.start({ module, memory, region: { ptr: 0, length: memory.buffer.byteLength } });
  }

  /** Starts the module again in the memory of another instance. */
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

/** The next multiple of `alignBytes`. */
export function alignUp(ptr: number, alignBytes: number): number {
  return Math.ceil(ptr / alignBytes) * alignBytes;
}

/** Constants leave the module as immutable globals, which JavaScript takes for signed numbers. */
function readLayout(exports: WebAssembly.Exports): Layout {
  const globals = Object.entries(exports).filter(([, value]) => value instanceof WebAssembly.Global);
  return Object.fromEntries(
    globals.map(([name, value]) => [name, (value as WebAssembly.Global).value >>> 0]),
  ) as unknown as Layout;
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
