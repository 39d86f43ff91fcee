/** A disk behind libvixDiskLib, on a server or on this machine. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { SharedMemory } from "../../../ffi/shared_memory.ts";
import { MIN_CHUNK_SECTORS } from "../../../ffi/vix/structs.ts";
import type { CallStats } from "../../../ffi/vix/calls.ts";
import { VixError } from "../../../ffi/vix/vix_error.ts";
import { DiskLibraryError } from "../../errors.ts";
import { onFile, reasonOf } from "../../files/system_errors.ts";
import type { Extent, ReadableDisk, WritableDisk } from "../disk.ts";
import { checkRange } from "../refusal.ts";
import { withoutReferences } from "../vmdk/descriptor/ddb.ts";
import type { LibraryProcess } from "./process.ts";
import { isNotSupported, isSessionOver, isTransient } from "./recovery.ts";
import { LibrarySession, type SessionSetup } from "./session.ts";
import { settleAll } from "../../settle_all.ts";
import { SECTOR_BYTES } from "../../sector.ts";

/** How a disk is opened. */
export interface VddkOptions extends SessionSetup {
  /**
   * The most bytes that one call of the library reads or writes, a multiple of 512. Hosts have limits: many
   * fail above 2 MiB.
   */
  callBytes: number;
  /** The files of a disk of this machine, as far as they are known. */
  files: readonly string[];
  /** Whether the library is asked for the allocated blocks. Other blocks are not read. */
  mapped: boolean;
}

/**
 * The bytes that one request to the library's process moves, in calls of `callBytes`. A request and its
 * answer cost this program a tenth of a millisecond or two.
 */
const SLOT_BYTES = 4 * 1024 * 1024;

/**
 * The number of slots. The library uses one of them, while others are copied from or to the core's memory or
 * wait for that.
 */
const SLOTS = 4;

/** The smallest size to which calls shrink. */
const MIN_CALL_BYTES = 64 * 1024;

const CHUNK_BYTES = MIN_CHUNK_SECTORS * SECTOR_BYTES;

/**
 * The bytes that one query of the allocated blocks covers. A query may take seconds, and its answer may have
 * an entry for every other chunk.
 */
const WINDOW_BYTES = 2 * 1024 ** 3;

/** The allocated runs of a part of the disk, in bytes and in order. */
interface AllocationWindow {
  startBytes: number;
  endBytes: number;
  runs: { startBytes: number; endBytes: number }[];
}

/** An open disk. */
export class VddkDisk implements ReadableDisk, WritableDisk {
  readonly format: string;
  readonly files: readonly string[];
  readonly fresh: boolean;
  readonly keepsMetadata = true;
  readonly overlaps = true;
  readonly path: string;
  readonly capacityBytes: number;
  readonly adapterType: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #session: LibrarySession;
  readonly #options: VddkOptions;
  readonly #memory: SharedMemory;
  readonly #slots: SlotPool;
  #callBytes: number;
  #mapped: boolean;
  #window: Promise<AllocationWindow> = Promise.resolve({ startBytes: 0, endBytes: 0, runs: [] });
  #closing?: Promise<void>;
  #isNamed = false;

  private constructor(
    { session, memory, slotBytes, options, metadata }: {
      session: LibrarySession;
      memory: SharedMemory;
      slotBytes: number;
      options: VddkOptions;
      metadata: ReadonlyMap<string, string>;
    },
  ) {
    const { capacitySectors, adapterType, transportMode } = session.info;
    this.#session = session;
    this.#memory = memory;
    this.#options = options;
    this.#slots = new SlotPool(SLOTS, slotBytes);
    this.#callBytes = options.callBytes;
    this.#mapped = options.mapped;
    this.path = options.path;
    this.files = options.files;
    this.fresh = options.create !== undefined;
    this.capacityBytes = capacitySectors * SECTOR_BYTES;
    this.adapterType = adapterType;
    this.metadata = metadata;
    this.format = `libvixDiskLib ${options.library.version}, ${transportMode || "unknown transport"}`;
  }

  /**
   * Opens a disk.
   * @throws {DiskLibraryError} if the library, the server or the disk cannot be used
   */
  static async open(options: VddkOptions): Promise<VddkDisk> {
    await using scope = new AsyncDisposableStack();
    const slotBytes = Math.max(SLOT_BYTES, options.callBytes);
    const lenBytes = SLOTS * slotBytes;
    const memory = scope.use(openMemory(lenBytes, options.path));
    const session = await LibrarySession.open(options, { path: memory.path, lenBytes });
    scope.defer(() => session.leave());
    const pairs = await readMetadata(session, options);
    const damaged = pairs.filter((pair) => pair.join("").includes("\ufffd")).map(([key]) => key);
    if (damaged.length > 0) {
      options.onEvent({ kind: "remark", text: `metadata are no UTF-8: ${damaged.join(", ")}` });
    }
    const disk = new VddkDisk({ session, memory, slotBytes, options, metadata: new Map(pairs) });
    disk.#checkSize();
    disk.#compareTransport();
    scope.move();
    return disk;
  }

  /** The transport mode by which the library reaches the disk. */
  get transportMode(): string {
    return this.#session.info.transportMode;
  }

  /** Whether the disk must be read back to know that everything was written. */
  get isDoubtful(): boolean {
    return this.#session.isDoubtful;
  }

  /** The calls of the library until the disk was closed. */
  get stats(): Readonly<Record<string, CallStats>> {
    return this.#session.stats;
  }

  async extentAt(offsetBytes: number): Promise<Extent> {
    checkRange(offsetBytes, 1, this);
    if (!this.#mapped) return { endBytes: this.capacityBytes, zero: false };
    // Several callers may ask at a time, about windows that lie side by side.
    let window = await this.#window;
    while (offsetBytes < window.startBytes || offsetBytes >= window.endBytes) {
      window = await (this.#window = this.#windowFrom(offsetBytes));
    }
    return extentIn(window, offsetBytes);
  }

  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    await this.#transfer(into, offsetBytes, {
      action: "read",
      move: async (call, part, memoryBytes) => {
        await call("read");
        await this.#memory.read(part, memoryBytes);
      },
    });
  }

  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    await this.#transfer(from, offsetBytes, {
      action: "write",
      move: async (call, part, memoryBytes) => {
        await this.#memory.write(part, memoryBytes);
        this.#session.noteWrite();
        await call("write");
      },
    });
  }

  async writeMetadata(metadata: ReadonlyMap<string, string>): Promise<void> {
    const action = `Cannot write the metadata of disk "${this.path}"`;
    const pairs = [...withoutReferences(metadata)];
    await this.#session.attempt((process) => process.call("writeMetadata", { pairs }), { action });
  }

  async sync(): Promise<void> {
    await this.#session.flush(`Cannot write disk "${this.path}" to its end`);
  }

  /**
   * Gives a new disk its name.
   * @throws {DiskLibraryError} if that fails; see `LibrarySession.name`
   */
  async name(options: { aside?: string }): Promise<void> {
    await this.#session.name(options);
    this.#isNamed = true;
  }

  /**
   * Closes the disk and ends the library.
   * @throws {DiskLibraryError} if the disk was written and cannot be closed
   */
  async close(): Promise<void> {
    await (this.#closing ??= this.#session.close());
  }

  /** Leaves the disk as it is. The library ends in order. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing === undefined) await (this.#closing = this.#session.leave());
    if (!this.#isNamed && this.#options.create) this.#removeLeftovers(this.#options.create.path);
    this.#memory[Symbol.dispose]();
  }

  /** Deletes the files of a disk that was not completed. Its name is random, and so are the names of its files. */
  #removeLeftovers(path: string): void {
    const folder = dirname(path);
    const start = basename(path, ".vmdk");
    const attempt = <T>(action: string, at: string, call: () => T): T | undefined => {
      try {
        return onFile(action, at, call);
      } catch (error) {
        const text = `a part of disk "${this.path}" is left behind: ${reasonOf(error)}`;
        this.#options.onEvent({ kind: "warning", text });
      }
    };
    const names = attempt("list", folder, () => [...Deno.readDirSync(folder)].map(({ name }) => name)) ?? [];
    for (const left of names.filter((name) => name.startsWith(start)).map((name) => join(folder, name))) {
      attempt("remove", left, () => Deno.removeSync(left));
    }
  }

  /** The same, without waiting for it. */
  [Symbol.dispose](): void {
    void this[Symbol.asyncDispose]();
  }

  /** Moves all parts of `bytes` at the same time, as far as there are slots. */
  async #transfer(bytes: Uint8Array, offsetBytes: number, way: TransferWay): Promise<void> {
    checkRange(offsetBytes, bytes.length, this);
    if (offsetBytes % SECTOR_BYTES !== 0 || bytes.length % SECTOR_BYTES !== 0) {
      throw new RangeError(
        `Cannot ${way.action} ${bytes.length} bytes at byte ${offsetBytes}: no whole sectors`,
      );
    }
    const size = this.#slots.slotBytes;
    const parts: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size);
      parts.push(this.#slots.use((slot) => this.#transferPart(part, offsetBytes + at, { way, slot })));
    }
    await settleAll(parts);
  }

  /** Moves a part through a slot. */
  async #transferPart(
    part: Uint8Array,
    offsetBytes: number,
    { way, slot }: { way: TransferWay; slot: number },
  ): Promise<void> {
    const call = (name: "read" | "write") =>
      this.#ask(name, { memoryBytes: slot, offsetBytes, lenBytes: part.length });
    await way.move(call, part, slot);
  }

  /** Lets the library move bytes, in smaller calls if the host has no memory for them. */
  async #ask(
    name: "read" | "write",
    { memoryBytes, offsetBytes, lenBytes }: { memoryBytes: number; offsetBytes: number; lenBytes: number },
  ): Promise<void> {
    const { path } = this;
    let done = 0;
    const ask = async (process: LibraryProcess) => {
      const callBytes = this.#callBytes;
      const { sectors, failed } = await process.call(name, {
        startSector: (offsetBytes + done) / SECTOR_BYTES,
        sectors: (lenBytes - done) / SECTOR_BYTES,
        memoryBytes: memoryBytes + done,
        callSectors: callBytes / SECTOR_BYTES,
      }, { calls: Math.ceil((lenBytes - done) / callBytes) });
      done += sectors * SECTOR_BYTES;
      if (failed === undefined) return;
      const error = new VixError(failed);
      if (callBytes > MIN_CALL_BYTES && this.#session.isOutOfMemory(error)) this.#shrink(callBytes, error);
      else throw error;
    };
    const action = {
      get action() {
        return `Cannot ${name} disk "${path}" at byte ${offsetBytes + done}`;
      },
    };
    while (done < lenBytes) await this.#session.attempt(ask, action);
  }

  #shrink(callBytes: number, error: VixError): void {
    const half = Math.max(MIN_CALL_BYTES, Math.ceil(callBytes / 2 / SECTOR_BYTES) * SECTOR_BYTES);
    // Another part may have failed in the same way.
    if (this.#callBytes <= half) return;
    this.#callBytes = half;
    this.#options.onEvent({
      kind: "downgrade",
      text:
        `the host has no memory for transfers of ${callBytes} bytes, going on with ${half}: ${error.message}`,
    });
  }

  /**
   * Asks which blocks are allocated from `offsetBytes` on. If the library cannot tell, all of them count as
   * allocated.
   */
  async #windowFrom(offsetBytes: number): Promise<AllocationWindow> {
    const startBytes = Math.floor(offsetBytes / CHUNK_BYTES) * CHUNK_BYTES;
    const wantedBytes = Math.min(WINDOW_BYTES, this.capacityBytes - startBytes);
    const lenBytes = Math.floor(wantedBytes / CHUNK_BYTES) * CHUNK_BYTES;
    const all = { startBytes, endBytes: this.capacityBytes };
    // The library answers for whole chunks only; the rest at the end of the disk counts as allocated.
    if (lenBytes === 0 || !this.#mapped) return { ...all, runs: [all] };
    const startSector = startBytes / SECTOR_BYTES;
    const sectors = lenBytes / SECTOR_BYTES;
    try {
      const runs = await this.#session.attempt(
        (process) => process.call("allocated", { startSector, sectors, chunkSectors: MIN_CHUNK_SECTORS }),
        {
          action: `Cannot ask for the allocated blocks of disk "${this.path}" from byte ${startBytes} on`,
          accepts: (error) => error instanceof VixError && !isSessionOver(error) && !isTransient(error),
        },
      );
      return windowOf(runs, { startBytes, endBytes: startBytes + lenBytes });
    } catch (error) {
      if (!(error instanceof VixError)) throw error;
      if (this.#mapped) {
        this.#mapped = false;
        const text = `allocated blocks are not known, all blocks are read: ${error.message}`;
        this.#options.onEvent({ kind: "downgrade", text });
      }
      return { ...all, runs: [all] };
    }
  }

  /**
   * Checks the size of the disk.
   * @throws {DiskLibraryError} if it is not a safe integer above 0
   */
  #checkSize(): void {
    if (Number.isSafeInteger(this.capacityBytes) && this.capacityBytes > 0) return;
    throw new DiskLibraryError(
      `Cannot open disk "${this.path}": the library says that it has ${
        this.capacityBytes / SECTOR_BYTES
      } sectors`,
    );
  }

  /**
   * Reports if the library uses another transport mode than the preferred one, which it does without an
   * error.
   */
  #compareTransport(): void {
    const { modes, onEvent } = this.#options;
    const wished = modes?.split(":")[0];
    if (wished === undefined || this.transportMode === "" || wished === this.transportMode) return;
    onEvent({
      kind: "downgrade",
      text: `transport mode ${wished} is not available, ${this.transportMode} is used`,
    });
  }
}

/** Reads the metadata of a disk; a library that has none gives an empty list, and a warning if the disk is read. */
async function readMetadata(
  session: LibrarySession,
  { path, readOnly, onEvent }: VddkOptions,
): Promise<[string, string][]> {
  try {
    return await session.attempt((process) => process.call("metadata", {}), {
      action: `Cannot read the metadata of disk "${path}"`,
      accepts: isNotSupported,
    });
  } catch (error) {
    if (!isNotSupported(error)) throw error;
    const text = `the library does not give the metadata of disk "${path}", a dump has none: ${
      (error as Error).message
    }`;
    if (readOnly) onEvent({ kind: "warning", text });
    return [];
  }
}

/** The direction in which bytes are moved. */
interface TransferWay {
  action: "read" | "write";
  /** Moves a part. `call` lets the library read or write the slot at `memoryBytes`. */
  move(
    call: (name: "read" | "write") => Promise<unknown>,
    part: Uint8Array,
    memoryBytes: number,
  ): Promise<void>;
}

/** The parts of the shared memory that transfers use. A transfer waits if all of them are in use. */
class SlotPool {
  readonly slotBytes: number;
  readonly #free: number[];
  readonly #waiting: ((memoryBytes: number) => void)[] = [];

  constructor(count: number, slotBytes: number) {
    this.slotBytes = slotBytes;
    this.#free = Array.from({ length: count }, (_, i) => i * slotBytes);
  }

  /** Passes a slot to `work`, in the order of the calls. */
  async use(work: (memoryBytes: number) => Promise<void>): Promise<void> {
    const slot = this.#free.pop() ?? await new Promise<number>((resolve) => this.#waiting.push(resolve));
    try {
      await work(slot);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(slot);
      else this.#free.push(slot);
    }
  }
}

/**
 * Makes a window of the runs that a library returns, which may come in any order, touch, overlap, or exceed
 * the window.
 */
export function windowOf(
  runs: readonly [number, number][],
  { startBytes, endBytes }: { startBytes: number; endBytes: number },
): AllocationWindow {
  const window: AllocationWindow = { startBytes, endBytes, runs: [] };
  for (const [startSector, sectors] of runs.toSorted(([a], [b]) => a - b)) {
    const from = Math.max(startBytes, startSector * SECTOR_BYTES);
    const to = Math.min(endBytes, (startSector + sectors) * SECTOR_BYTES);
    if (from >= to) continue;
    const last = window.runs.at(-1);
    if (last !== undefined && from <= last.endBytes) last.endBytes = Math.max(last.endBytes, to);
    else window.runs.push({ startBytes: from, endBytes: to });
  }
  return window;
}

/** Returns the run of the window that begins at `offsetBytes`. */
function extentIn({ endBytes, runs }: AllocationWindow, offsetBytes: number): Extent {
  // The first run that ends behind the offset.
  let [low, high] = [0, runs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs[middle].endBytes <= offsetBytes) low = middle + 1;
    else high = middle;
  }
  const run = runs[low];
  if (run === undefined) return { endBytes, zero: true };
  return run.startBytes <= offsetBytes
    ? { endBytes: run.endBytes, zero: false }
    : { endBytes: run.startBytes, zero: true };
}

function openMemory(lenBytes: number, path: string): SharedMemory {
  try {
    return new SharedMemory(lenBytes);
  } catch (cause) {
    throw new DiskLibraryError(`Cannot open disk "${path}": ${(cause as Error).message}`, { cause });
  }
}
