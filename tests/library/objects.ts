/** Disks and archives as objects, written with nothing but the public interfaces. */

import {
  ADAPTER,
  type ArchiveBytes,
  type ArchiveObject,
  type Extent,
  type ReadableDisk,
} from "../../cli/mod.ts";

export const MIB = 1024 * 1024;

/** How a {@linkcode DrawnDisk} is drawn and read. */
export interface DrawnDiskOptions {
  /** Size in MiB. */
  mib: number;
  /** Disks of different seeds differ in all MiB that hold data. */
  seed?: number;
  /** The MiB that hold the data of another seed. */
  changed?: { mib: readonly number[]; seed: number };
  /** Called before each read. */
  onRead?: (offsetBytes: number) => void | Promise<void>;
}

/** A disk without storage: each MiB holds one byte repeated, and every fourth MiB is a hole. */
export class DrawnDisk implements ReadableDisk {
  readonly path = "drawn";
  readonly files: readonly string[] = [];
  readonly format = "drawn";
  readonly adapterType = ADAPTER.lsiLogic;
  readonly metadata: ReadonlyMap<string, string> = new Map([["geometry.heads", "16"]]);
  readonly capacityBytes: number;
  /** Bytes that were read. */
  readBytes = 0;
  /** The disk was disposed of. */
  isClosed = false;
  readonly #options: DrawnDiskOptions;

  constructor(options: DrawnDiskOptions) {
    this.#options = options;
    this.capacityBytes = options.mib * MIB;
  }

  extentAt(offsetBytes: number): Extent {
    const mib = Math.floor(offsetBytes / MIB);
    return { endBytes: (mib + 1) * MIB, zero: this.#byteOf(mib) === 0 };
  }

  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    await this.#options.onRead?.(offsetBytes);
    this.readBytes += into.length;
    for (let at = 0; at < into.length;) {
      const mib = Math.floor((offsetBytes + at) / MIB);
      const end = Math.min(into.length, (mib + 1) * MIB - offsetBytes);
      into.fill(this.#byteOf(mib), at, end);
      at = end;
    }
  }

  /** The whole content. */
  bytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.capacityBytes);
    for (let mib = 0; mib < this.#options.mib; mib++) {
      bytes.fill(this.#byteOf(mib), mib * MIB, (mib + 1) * MIB);
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    this.isClosed = true;
  }

  #byteOf(mib: number): number {
    const { changed, seed = 1 } = this.#options;
    const drawnBy = changed?.mib.includes(mib) ? changed.seed : seed;
    return mib % 4 === 3 ? 0 : 1 + (mib * 7 + drawnBy * 31) % 255;
  }
}

/** An archive in memory that counts how often it is open, and gives its bytes in odd parts. */
export class MemoryArchive implements ArchiveObject {
  readonly path: string;
  readonly #bytes: Uint8Array;
  readonly #onRead?: (offsetBytes: number) => void | Promise<void>;
  /** Readings that were opened, and those of them that are not closed. */
  openedCount = 0;
  openCount = 0;

  constructor(path: string, bytes: Uint8Array, onRead?: (offsetBytes: number) => void | Promise<void>) {
    this.path = path;
    this.#bytes = bytes;
    this.#onRead = onRead;
  }

  /** The content of a file, under its name or another one. */
  static ofFile(file: string, path: string = file): MemoryArchive {
    return new MemoryArchive(path, Deno.readFileSync(file));
  }

  open(): ArchiveBytes {
    this.openedCount++;
    this.openCount++;
    let atBytes = 0;
    return {
      read: async (into) => {
        await this.#onRead?.(atBytes);
        const part = this.#bytes.subarray(atBytes, atBytes + Math.min(into.length, 99_991));
        into.set(part);
        atBytes += part.length;
        return part.length > 0 ? part.length : null;
      },
      close: () => void this.openCount--,
    };
  }
}
