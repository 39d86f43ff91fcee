/** An open disk, as methods that throw {@linkcode VixError}. */

import { SECTOR_BYTES } from "../../cli/sector.ts";
import type { VixCalls } from "./calls.ts";
import { cString, OutPointer, textAt } from "./native_strings.ts";
import { BLOCK_LIST, INFO } from "./structs.ts";
import { VIX, VixError } from "./vix_error.ts";

/** The properties of a disk. */
export interface DiskInfo {
  capacitySectors: number;
  adapterType: number;
  transportMode: string;
}

/** An open disk. */
export class DiskHandle {
  readonly #calls: VixCalls;
  readonly #pointer: Deno.PointerValue;

  constructor(calls: VixCalls, pointer: Deno.PointerValue) {
    this.#calls = calls;
    this.#pointer = pointer;
  }

  info(): DiskInfo {
    const { symbols } = this.#calls;
    const out = new OutPointer();
    this.#calls.check("GetInfo", () => symbols.VixDiskLib_GetInfo(this.#pointer, out.room));
    const pointer = out.value!;
    try {
      const view = new Deno.UnsafePointerView(pointer);
      return {
        capacitySectors: Number(view.getBigUint64(INFO.capacity)),
        adapterType: view.getInt32(INFO.adapterType),
        transportMode: textAt(this.#calls.optional("VixDiskLib_GetTransportMode")?.(this.#pointer) ?? null),
      };
    } finally {
      this.#calls.optional("VixDiskLib_FreeInfo")?.(pointer);
    }
  }

  /** Reads `sectors` from `startSector` on to the memory at `into`. */
  read(into: Deno.PointerValue, { startSector, sectors }: SectorRange): void {
    this.#calls.check(
      "Read",
      () => this.#calls.symbols.VixDiskLib_Read(this.#pointer, BigInt(startSector), BigInt(sectors), into),
      sectors * SECTOR_BYTES,
    );
  }

  /** Writes `sectors` from the memory at `from`. */
  write(from: Deno.PointerValue, { startSector, sectors }: SectorRange): void {
    const write = this.#calls.needed("VixDiskLib_Write");
    this.#calls.check(
      "Write",
      () => write(this.#pointer, BigInt(startSector), BigInt(sectors), from),
      sectors * SECTOR_BYTES,
    );
  }

  flush(): void {
    const flush = this.#calls.needed("VixDiskLib_Flush");
    this.#calls.check("Flush", () => flush(this.#pointer));
  }

  /**
   * Returns the runs of allocated sectors as `[start, count]`. The start and the length of the range must be
   * multiples of `chunkSectors`, which is 128 at least.
   * @throws {VixError} if the library cannot tell; with code 6 if it is older than 6.7
   */
  allocated({ startSector, sectors }: SectorRange, chunkSectors: number): [number, number][] {
    const { VixDiskLib_QueryAllocatedBlocks: query, VixDiskLib_FreeBlockList: free } = this.#calls.symbols;
    const call = "QueryAllocatedBlocks";
    if (!query || !free) {
      throw new VixError({ call, code: VIX.notSupported, text: "The library is older than 6.7" });
    }
    const out = new OutPointer();
    this.#calls.check(
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

  /**
   * Returns all metadata of the disk.
   * @throws {VixError} with the code for "not supported", if the library has no metadata
   */
  metadata(): [string, string][] {
    const getKeys = this.#calls.needed("VixDiskLib_GetMetadataKeys");
    const readValue = this.#calls.needed("VixDiskLib_ReadMetadata");
    const keys = this.#sized(
      "GetMetadataKeys",
      (into, length, needed) => getKeys(this.#pointer, into, length, needed),
    );
    const pairs: [string, string][] = [];
    // Each key ends with a zero byte, and the list with another one.
    for (const key of new TextDecoder().decode(keys ?? new Uint8Array(0)).split("\0")) {
      if (key === "") continue;
      const value = this.#sized(
        "ReadMetadata",
        (into, length, needed) => readValue(this.#pointer, cString(key), into, length, needed),
      );
      if (value !== undefined) pairs.push([key, new TextDecoder().decode(value).replace(/\0.*$/s, "")]);
    }
    return pairs;
  }

  writeMetadata(key: string, value: string): void {
    const write = this.#calls.needed("VixDiskLib_WriteMetadata");
    this.#calls.check("WriteMetadata", () => write(this.#pointer, cString(key), cString(value)));
  }

  close(): void {
    this.#calls.check("Close", () => this.#calls.symbols.VixDiskLib_Close(this.#pointer));
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
    const code = this.#calls.code(call, () => run(null, 0n, needed));
    if (code === VIX.keyNotFound) return undefined;
    if (code !== VIX.ok && code !== VIX.bufferTooSmall) throw this.#calls.error(call, code);
    const length = Number(needed[0]);
    if (length > MAX_METADATA_BYTES) {
      throw new VixError({ call, code: VIX.bufferTooSmall, text: `It wants to give ${length} bytes` });
    }
    const into = new Uint8Array(length);
    if (length > 0) this.#calls.check(call, () => run(into, BigInt(length), needed));
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
