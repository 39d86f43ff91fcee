/** A new VMDK that is one file of grains, written from its beginning to its end. */

import { basename } from "@std/path/posix/basename";
import { SECTOR_BYTES } from "../../../sector.ts";
import type { WritableDisk } from "../../disk.ts";
import { GrainCollector, type GrainStore } from "./grain_collector.ts";
import { checkRange } from "../../refusal.ts";
import { standingAlone } from "../descriptor/ddb.ts";
import { formatEmbeddedDescriptor } from "../descriptor/write.ts";
import { DESCRIPTOR_SECTORS } from "./sparse_header.ts";

/** The properties of a new disk. */
export interface NewGrainVmdk {
  createType: "monolithicSparse" | "streamOptimized";
  /** The size in bytes, a multiple of 512 up to 64 TiB. */
  capacityBytes: number;
  adapterType: number;
  metadata: ReadonlyMap<string, string>;
  cid: number;
}

/** The file that the grains are written to. */
export interface GrainFile extends GrainStore, Disposable {
  /** Writes the rest of the file around the grains, the header last, and syncs it. */
  finish(descriptor: Uint8Array): Promise<void>;
  /** Returns when no write is under way any more; the last ones may have failed. */
  settle?(): Promise<void>;
}

class FreshGrainVmdk implements WritableDisk, AsyncDisposable {
  readonly fresh = true;
  readonly keepsMetadata = true;
  readonly path: string;
  readonly files: readonly string[];
  readonly format: string;
  readonly capacityBytes: number;
  readonly #disk: NewGrainVmdk;
  readonly #file: GrainFile;
  readonly #grains: GrainCollector;
  #descriptor: Uint8Array;
  #complete = false;

  constructor(
    path: string,
    disk: NewGrainVmdk,
    { file, descriptor }: { file: GrainFile; descriptor: Uint8Array },
  ) {
    this.path = path;
    this.files = [path];
    this.format = disk.createType;
    this.capacityBytes = disk.capacityBytes;
    this.#disk = disk;
    this.#descriptor = descriptor;
    this.#file = file;
    this.#grains = new GrainCollector(path, this.#file);
  }

  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    checkRange(offsetBytes, from.length, this);
    this.#assertOpen();
    await this.#grains.write(from, offsetBytes);
  }

  /** Replaces the metadata, as `standingAlone` in `descriptor/ddb.ts` returns them. */
  writeMetadata(metadata: ReadonlyMap<string, string>): void {
    this.#assertOpen();
    this.#descriptor = describe(this.path, { ...this.#disk, metadata });
  }

  /** Completes the file. Nothing can be written afterwards. */
  async sync(): Promise<void> {
    if (this.#complete) return;
    await this.#grains.flush();
    await this.#file.finish(this.#descriptor);
    this.#complete = true;
  }

  #assertOpen(): void {
    if (this.#complete) throw new TypeError(`Cannot write disk "${this.path}": it is complete`);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.settle?.();
    this[Symbol.dispose]();
  }
}

function describe(path: string, disk: NewGrainVmdk): Uint8Array {
  const metadata = standingAlone(disk.metadata, disk);
  return formatEmbeddedDescriptor(
    { ...disk, extentName: basename(path), metadata },
    { path, sizeBytes: DESCRIPTOR_SECTORS * SECTOR_BYTES },
  );
}

/**
 * Makes the VMDK `path`. `openFile` is called when it is known that the disk can be described.
 * @throws {UsageError} if the name or the metadata cannot be written in a descriptor
 */
export async function createGrainVmdk(
  path: string,
  disk: NewGrainVmdk,
  openFile: () => Promise<GrainFile>,
): Promise<WritableDisk & AsyncDisposable> {
  const descriptor = describe(path, disk);
  return new FreshGrainVmdk(path, disk, { file: await openFile(), descriptor });
}
