/**
 * libvixDiskLib: the functions that backup and restore use, as methods that throw {@linkcode VixError}.
 *
 * All calls are synchronous and must be made on one thread, the one that called `init`: the library requires
 * open, close and allocation queries on one thread, and never two calls at a time on a disk (Virtual Disk
 * Programming Guide, "Multiple Threads and VixDiskLib"). Offsets and lengths are sectors of 512 bytes, as
 * safe integers.
 */

import { SECTOR_BYTES } from "../../cli/sector.ts";
import { openLibrary } from "../open_library.ts";
import { ConnectParams, type Target } from "./connect_params.ts";
import { cString, cStringOrNull, OutPointer, textAt } from "./native_strings.ts";
import {
  BLOCK_LIST,
  CREATE_PARAMS,
  DISK_MONOLITHIC_FLAT,
  HW_VERSION,
  INFO,
  OPEN_READ_ONLY,
} from "./structs.ts";
import { SYMBOLS, type VixSymbols } from "./symbols.ts";
import { codeOf, VIX, VixError } from "./vix_error.ts";

/** The version for which the program is written. Every library from 6.5 to 9 accepts it. */
const API_MAJOR = 6;
const API_MINOR = 5;

/** How the library starts. */
export interface InitOptions {
  /** The root of the unpacked tree, to which the library appends the folders of its plug-ins. */
  libDir: string;
  configFile?: string;
  /**
   * The address of a `void (const char *fmt, va_list args)` that may be called on any thread; with NULL the
   * library writes to a log file of its own.
   */
  log: Deno.PointerValue;
}

/** The calls of one function, for the summary. */
export interface CallStats {
  calls: number;
  bytes: number;
  milliseconds: number;
}

/** The properties of a disk. */
export interface DiskInfo {
  capacitySectors: number;
  adapterType: number;
  transportMode: string;
}

/** A loaded library. */
export class VixDiskLib {
  readonly symbols: VixSymbols;
  /** The calls of each function, whose name has no prefix. */
  readonly stats: Map<string, CallStats> = new Map();

  /**
   * Loads the library.
   * @throws {Error} if the system does not load it, or it lacks a function that every version since 6.5 has
   */
  constructor(path: string) {
    this.symbols = openLibrary(path, SYMBOLS).symbols;
  }

  /** Returns the functions that this library does not have. */
  missing(): string[] {
    return Object.keys(SYMBOLS).filter((name) => this.symbols[name as keyof VixSymbols] === null);
  }

  init({ libDir, configFile, log }: InitOptions): void {
    const [dir, config] = [cString(libDir), cStringOrNull(configFile)];
    this.check(
      "InitEx",
      () => this.symbols.VixDiskLib_InitEx(API_MAJOR, API_MINOR, log, log, log, dir, config),
    );
  }

  exit(): void {
    this.time("Exit", () => this.symbols.VixDiskLib_Exit());
  }

  /** Returns the names of the transport modes, separated by colons, the preferred first. */
  transportModes(): string {
    return textAt(this.time("ListTransportModes", () => this.symbols.VixDiskLib_ListTransportModes()));
  }

  /**
   * Tells vCenter that a backup of the machine has begun. A single ESXi host does not support this and
   * returns an error.
   */
  prepareForAccess(params: ConnectParams, identity: string): void {
    this.check(
      "PrepareForAccess",
      () => this.symbols.VixDiskLib_PrepareForAccess(params.pointer, cString(identity)),
    );
  }

  endAccess(params: ConnectParams, identity: string): void {
    this.check("EndAccess", () => this.symbols.VixDiskLib_EndAccess(params.pointer, cString(identity)));
  }

  /**
   * Removes what a connection left on this machine, and hot-added disks of earlier runs. `params` must not
   * name a machine.
   */
  cleanup(params: ConnectParams): void {
    this.check("Cleanup", () => this.symbols.VixDiskLib_Cleanup(params.pointer, null, null));
  }

  params(target: Target, options?: { withVm?: boolean }): ConnectParams {
    return new ConnectParams(this.symbols, target, options);
  }

  /**
   * Connects to a server, or without `params` to the local machine. `params` must exist until after the
   * disconnection.
   */
  connect(
    params: ConnectParams | undefined,
    { readOnly, snapshot, modes }: { readOnly: boolean; snapshot?: string; modes?: string },
  ): Connection {
    const out = new OutPointer();
    const [snapshotText, modesText] = [cStringOrNull(snapshot), cStringOrNull(modes)];
    this.check("ConnectEx", () =>
      this.symbols.VixDiskLib_ConnectEx(
        params?.pointer ?? null,
        readOnly ? 1 : 0,
        snapshotText,
        modesText,
        out.room,
      ));
    return new Connection(this, out.value);
  }

  /** Renames a closed local disk. */
  rename(from: string, to: string): void {
    this.check("Rename", () => this.symbols.VixDiskLib_Rename(cString(from), cString(to)));
  }

  /**
   * Makes a call.
   * @throws {VixError} unless `run` returns 0
   */
  check(call: string, run: () => bigint, bytes = 0): void {
    const code = this.code(call, run, bytes);
    if (code !== VIX.ok) throw this.error(call, code);
  }

  /** Returns the error of a call that returned `code`. */
  error(call: string, code: number): VixError {
    return new VixError({ call, code, text: this.#text(BigInt(code)) });
  }

  /** The same as {@linkcode check}, but returns the code. */
  code(call: string, run: () => bigint, bytes = 0): number {
    return codeOf(this.time(call, run, bytes));
  }

  /** Counts and times a call; every call goes through it. */
  time<Result>(call: string, run: () => Result, bytes = 0): Result {
    let stats = this.stats.get(call);
    if (stats === undefined) this.stats.set(call, stats = { calls: 0, bytes: 0, milliseconds: 0 });
    const start = performance.now();
    try {
      return run();
    } finally {
      stats.calls++;
      stats.bytes += bytes;
      stats.milliseconds += performance.now() - start;
    }
  }

  #text(error: bigint): string {
    const pointer = this.symbols.VixDiskLib_GetErrorText(error, null);
    if (pointer === null) return "no text";
    try {
      return textAt(pointer);
    } finally {
      this.symbols.VixDiskLib_FreeErrorText(pointer);
    }
  }
}

/** A connection. Its disks must be closed before it is. */
export class Connection {
  readonly #library: VixDiskLib;
  readonly #pointer: Deno.PointerValue;

  constructor(library: VixDiskLib, pointer: Deno.PointerValue) {
    this.#library = library;
    this.#pointer = pointer;
  }

  open(path: string, { readOnly }: { readOnly: boolean }): DiskHandle {
    const out = new OutPointer();
    const text = cString(path);
    this.#library.check(
      "Open",
      () =>
        this.#library.symbols.VixDiskLib_Open(this.#pointer, text, readOnly ? OPEN_READ_ONLY : 0, out.room),
    );
    return new DiskHandle(this.#library, out.value);
  }

  /** Makes a local disk of one flat extent. */
  create(
    path: string,
    { capacitySectors, adapterType }: { capacitySectors: number; adapterType: number },
  ): void {
    // Fields that this program does not know are zero.
    const params = new DataView(new ArrayBuffer(CREATE_PARAMS.size));
    params.setInt32(CREATE_PARAMS.diskType, DISK_MONOLITHIC_FLAT, true);
    params.setInt32(CREATE_PARAMS.adapterType, adapterType, true);
    params.setUint16(CREATE_PARAMS.hwVersion, HW_VERSION, true);
    params.setBigUint64(CREATE_PARAMS.capacity, BigInt(capacitySectors), true);
    const text = cString(path);
    this.#library.check(
      "Create",
      () =>
        this.#library.symbols.VixDiskLib_Create(
          this.#pointer,
          text,
          new Uint8Array(params.buffer),
          null,
          null,
        ),
    );
  }

  /** Deletes a local disk with all of its files. */
  unlink(path: string): void {
    this.#library.check(
      "Unlink",
      () => this.#library.symbols.VixDiskLib_Unlink(this.#pointer, cString(path)),
    );
  }

  disconnect(): void {
    this.#library.check("Disconnect", () => this.#library.symbols.VixDiskLib_Disconnect(this.#pointer));
  }
}

/** An open disk. */
export class DiskHandle {
  readonly #library: VixDiskLib;
  readonly #pointer: Deno.PointerValue;

  constructor(library: VixDiskLib, pointer: Deno.PointerValue) {
    this.#library = library;
    this.#pointer = pointer;
  }

  info(): DiskInfo {
    const { symbols } = this.#library;
    const out = new OutPointer();
    this.#library.check("GetInfo", () => symbols.VixDiskLib_GetInfo(this.#pointer, out.room));
    const pointer = out.value!;
    try {
      const view = new Deno.UnsafePointerView(pointer);
      return {
        capacitySectors: Number(view.getBigUint64(INFO.capacity)),
        adapterType: view.getInt32(INFO.adapterType),
        transportMode: textAt(symbols.VixDiskLib_GetTransportMode(this.#pointer)),
      };
    } finally {
      symbols.VixDiskLib_FreeInfo(pointer);
    }
  }

  /** Reads `sectors` from `startSector` on to the memory at `into`. */
  read(into: Deno.PointerValue, { startSector, sectors }: SectorRange): void {
    this.#library.check(
      "Read",
      () => this.#library.symbols.VixDiskLib_Read(this.#pointer, BigInt(startSector), BigInt(sectors), into),
      sectors * SECTOR_BYTES,
    );
  }

  /** Writes `sectors` from the memory at `from`. */
  write(from: Deno.PointerValue, { startSector, sectors }: SectorRange): void {
    this.#library.check(
      "Write",
      () => this.#library.symbols.VixDiskLib_Write(this.#pointer, BigInt(startSector), BigInt(sectors), from),
      sectors * SECTOR_BYTES,
    );
  }

  flush(): void {
    this.#library.check("Flush", () => this.#library.symbols.VixDiskLib_Flush(this.#pointer));
  }

  /**
   * Returns the runs of allocated sectors as `[start, count]`. The start and the length of the range must be
   * multiples of `chunkSectors`, which is 128 at least.
   * @throws {VixError} if the library cannot tell; with code 6 if it is older than 6.7
   */
  allocated({ startSector, sectors }: SectorRange, chunkSectors: number): [number, number][] {
    const { VixDiskLib_QueryAllocatedBlocks: query, VixDiskLib_FreeBlockList: free } = this.#library.symbols;
    const call = "QueryAllocatedBlocks";
    if (!query || !free) {
      throw new VixError({ call, code: VIX.notSupported, text: "The library is older than 6.7" });
    }
    const out = new OutPointer();
    this.#library.check(
      call,
      () => query(this.#pointer, BigInt(startSector), BigInt(sectors), BigInt(chunkSectors), out.room),
    );
    const pointer = out.value!;
    try {
      const view = new Deno.UnsafePointerView(pointer);
      const count = view.getUint32(BLOCK_LIST.count);
      const runs: [number, number][] = [];
      for (let i = 0; i < count; i++) {
        const at = BLOCK_LIST.blocks + i * BLOCK_LIST.blockSize;
        runs.push([Number(view.getBigUint64(at)), Number(view.getBigUint64(at + 8))]);
      }
      return runs;
    } finally {
      free(pointer);
    }
  }

  /** Returns all metadata of the disk. */
  metadata(): [string, string][] {
    const { symbols } = this.#library;
    const keys = this.#sized(
      "GetMetadataKeys",
      (into, length, needed) => symbols.VixDiskLib_GetMetadataKeys(this.#pointer, into, length, needed),
    );
    const pairs: [string, string][] = [];
    // Each key ends with a zero byte, and the list with another one.
    for (const key of new TextDecoder().decode(keys ?? new Uint8Array(0)).split("\0")) {
      if (key === "") continue;
      const value = this.#sized(
        "ReadMetadata",
        (into, length, needed) =>
          symbols.VixDiskLib_ReadMetadata(this.#pointer, cString(key), into, length, needed),
      );
      if (value !== undefined) pairs.push([key, new TextDecoder().decode(value).replace(/\0.*$/s, "")]);
    }
    return pairs;
  }

  writeMetadata(key: string, value: string): void {
    this.#library.check(
      "WriteMetadata",
      () => this.#library.symbols.VixDiskLib_WriteMetadata(this.#pointer, cString(key), cString(value)),
    );
  }

  close(): void {
    this.#library.check("Close", () => this.#library.symbols.VixDiskLib_Close(this.#pointer));
  }

  /**
   * Asks for the length first, and then for the bytes. Returns undefined for a key that does not exist any
   * more.
   */
  #sized(
    call: string,
    run: (
      into: Uint8Array<ArrayBuffer> | null,
      length: bigint,
      needed: BigUint64Array<ArrayBuffer>,
    ) => bigint,
  ): Uint8Array | undefined {
    const needed = new BigUint64Array(1);
    const code = this.#library.code(call, () => run(null, 0n, needed));
    if (code === VIX.keyNotFound) return undefined;
    if (code !== VIX.ok && code !== VIX.bufferTooSmall) throw this.#library.error(call, code);
    const length = Number(needed[0]);
    if (length > MAX_METADATA_BYTES) {
      throw new VixError({ call, code: VIX.bufferTooSmall, text: `It wants to give ${length} bytes` });
    }
    const into = new Uint8Array(length);
    if (length > 0) this.#library.check(call, () => run(into, BigInt(length), needed));
    return into;
  }
}

/** The limit of metadata; no disk has more, and a larger number is not a length. */
const MAX_METADATA_BYTES = 4 * 1024 * 1024;

/** A run of sectors of a disk. */
export interface SectorRange {
  startSector: number;
  sectors: number;
}
