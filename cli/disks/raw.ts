/** A raw disk: the bytes of the disk are the bytes of a file or of a block device. */

import { UsageError } from "../errors.ts";
import { ADAPTER, type Extent, type MappedExtent, type ReadableDisk, type WritableDisk } from "./disk.ts";
import { createImage, type ImageFile } from "./image_file.ts";
import { checkRange } from "./refusal.ts";

/** A raw image or block device of any length from 1 byte on. */
export class RawDisk implements ReadableDisk, WritableDisk {
  readonly format = "raw";
  readonly keepsMetadata = false;
  readonly adapterType = ADAPTER.unknown;
  readonly metadata: ReadonlyMap<string, string> = new Map();
  readonly path: string;
  readonly files: readonly string[];
  readonly capacityBytes: number;
  readonly fresh: boolean;
  readonly #image: ImageFile;

  /** Takes ownership of `image`. `fresh` says that the image contains only holes. */
  constructor(image: ImageFile, { fresh = false }: { fresh?: boolean } = {}) {
    this.path = image.path;
    this.files = [image.path];
    this.capacityBytes = image.sizeBytes;
    this.fresh = fresh;
    this.#image = image;
  }

  extentAt(offsetBytes: number): Extent {
    checkRange(offsetBytes, 1, this);
    return this.#image.extentAt(offsetBytes);
  }

  mapAt(offsetBytes: number): MappedExtent {
    const { endBytes, zero } = this.extentAt(offsetBytes);
    const shared = { endBytes, depth: 0, present: true, zero };
    return zero ? shared : { ...shared, path: this.path, fileBytes: offsetBytes };
  }

  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    checkRange(offsetBytes, into.length, this);
    await this.#image.readBulk(into, offsetBytes);
  }

  async write(from: Uint8Array, offsetBytes: number): Promise<void> {
    checkRange(offsetBytes, from.length, this);
    await this.#image.write(from, offsetBytes);
  }

  /** The disk itself: an image that is written is open for reading as well. */
  get held(): WritableDisk["held"] {
    return this;
  }

  async writeZeros(offsetBytes: number, lenBytes: number): Promise<void> {
    checkRange(offsetBytes, lenBytes, this);
    await this.#image.writeZeros(offsetBytes, lenBytes);
  }

  /** Accepts only an empty map, because a raw disk cannot store metadata. */
  writeMetadata(metadata: ReadonlyMap<string, string>): void {
    if (metadata.size === 0) return;
    throw new UsageError(`Cannot write metadata to disk "${this.path}": a raw disk has no place for them`);
  }

  sync(): void {
    this.#image.sync();
  }

  [Symbol.dispose](): void {
    this.#image[Symbol.dispose]();
  }
}

/**
 * Makes a raw disk of `capacityBytes`, which is one hole, in the empty file `file`. `path` is its name for
 * messages.
 */
export function createRawDisk(
  file: Deno.FsFile,
  { path, capacityBytes }: { path: string; capacityBytes: number },
): WritableDisk {
  return new RawDisk(createImage(file, { path, sizeBytes: capacityBytes }), { fresh: true });
}
