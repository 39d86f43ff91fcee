/** A new flat VMDK: a descriptor, and one file with the bytes of the disk. For ESXi it is called `vmfs`. */

import { basename } from "@std/path/posix/basename";
import { onFile } from "../../../files/system_errors.ts";
import type { WritableDisk } from "../../disk.ts";
import { createImage, type ImageFile, type OpenOutput } from "../../image_file.ts";
import { checkRange } from "../../refusal.ts";
import { standingAlone } from "../descriptor/ddb.ts";
import { formatDescriptor } from "../descriptor/write.ts";

/** The properties of a new disk. */
export interface NewFlatVmdk {
  createType: "monolithicFlat" | "vmfs";
  /** The size in bytes, a multiple of 512. */
  capacityBytes: number;
  adapterType: number;
  metadata: ReadonlyMap<string, string>;
  cid: number;
  openOutput: OpenOutput;
}

class FreshFlatVmdk implements WritableDisk {
  readonly format: string;
  readonly fresh = true;
  readonly keepsMetadata = true;
  readonly path: string;
  readonly files: readonly string[];
  readonly capacityBytes: number;
  readonly #disk: NewFlatVmdk;
  readonly #data: ImageFile;
  readonly #descriptor: Deno.FsFile;
  readonly #extentName: string;

  constructor(
    path: string,
    files: { data: ImageFile; descriptor: Deno.FsFile; extentName: string },
    disk: NewFlatVmdk,
  ) {
    this.path = path;
    this.format = disk.createType;
    this.files = [path, files.data.path];
    this.capacityBytes = disk.capacityBytes;
    this.#disk = disk;
    this.#data = files.data;
    this.#descriptor = files.descriptor;
    this.#extentName = files.extentName;
    this.writeMetadata(disk.metadata);
  }

  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    checkRange(offsetBytes, from.length, this);
    await this.#data.write(from, offsetBytes);
  }

  /** Replaces the metadata, as `standingAlone` in `descriptor/ddb.ts` returns them. */
  writeMetadata(metadata: ReadonlyMap<string, string>): void {
    const all = standingAlone(metadata, this.#disk);
    const text = formatDescriptor(
      { ...this.#disk, extentName: this.#extentName, metadata: all },
      this.path,
    );
    onFile("write", this.path, () => {
      this.#descriptor.truncateSync(0);
      this.#descriptor.seekSync(0, Deno.SeekMode.Start);
      for (let done = 0; done < text.length;) done += this.#descriptor.writeSync(text.subarray(done));
    });
  }

  sync(): void {
    this.#data.sync();
    onFile("sync", this.path, () => this.#descriptor.syncSync());
  }

  [Symbol.dispose](): void {
    this.#data[Symbol.dispose]();
  }
}

/**
 * Makes the VMDK `path`, a name that ends in `.vmdk`. Opens `X-flat.vmdk` first and `X.vmdk` second.
 * @throws {UsageError} if the name or `metadata` cannot be written in a descriptor
 */
export async function createFlatVmdk(path: string, disk: NewFlatVmdk): Promise<WritableDisk> {
  const extentPath = path.replace(/\.vmdk$/i, "-flat.vmdk");
  const extent = await disk.openOutput(extentPath);
  const data = createImage(extent, { path: extentPath, sizeBytes: disk.capacityBytes });
  const descriptor = await disk.openOutput(path);
  return new FreshFlatVmdk(path, { data, descriptor, extentName: basename(extentPath) }, disk);
}
