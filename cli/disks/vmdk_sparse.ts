/**
 * monolithicSparse: one KDMV file with an embedded descriptor, grains stored as they are in any order.
 * The name in the extent line is ignored: files get renamed, and some writers never wrote theirs.
 */

import type { Extent, ReadableDisk } from "./disk.ts";
import type { ImageFile } from "./image_file.ts";
import { cannotOpen, checkRange } from "./refusal.ts";
import { adapterTypeOf } from "./vmdk_ddb.ts";
import { type Descriptor, parseDescriptor, refuseChild } from "./vmdk_descriptor.ts";
import { GrainTables } from "./vmdk_grains.ts";
import { parseSparseHeader, SPARSE_HEADER_BYTES, type SparseHeader } from "./vmdk_sparse_header.ts";

/** A sparse VMDK in one file; {@linkcode openSparseVmdk} opens it. */
class SparseVmdk implements ReadableDisk {
  readonly format = "monolithicSparse";
  readonly path: string;
  readonly files: readonly string[];
  readonly capacityBytes: number;
  readonly adapterType: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #image: ImageFile;
  readonly #grainBytes: number;
  readonly #tables: GrainTables;
  /** The stretch that was found last: callers walk through it in small steps. */
  #known: Extent & { beginBytes: number } = { beginBytes: 0, endBytes: 0, zero: false };

  constructor(image: ImageFile, { header, descriptor }: { header: SparseHeader; descriptor: Descriptor }) {
    this.path = image.path;
    this.files = [image.path];
    this.capacityBytes = descriptor.capacityBytes;
    this.adapterType = adapterTypeOf(descriptor.metadata);
    this.metadata = descriptor.metadata;
    this.#image = image;
    this.#grainBytes = header.grainBytes;
    this.#tables = new GrainTables(image, { header, capacityBytes: descriptor.capacityBytes });
  }

  extentAt(offsetBytes: number): Extent {
    checkRange(offsetBytes, 1, this);
    const { beginBytes, endBytes } = this.#known;
    if (offsetBytes < beginBytes || offsetBytes >= endBytes) this.#known = this.#stretchAt(offsetBytes);
    return { endBytes: this.#known.endBytes, zero: this.#known.zero };
  }

  #stretchAt(beginBytes: number): Extent & { beginBytes: number } {
    const grain = Math.floor(beginBytes / this.#grainBytes);
    const zero = this.#tables.locate(grain) === 0;
    const endBytes = Math.min(this.#tables.endOfRun(grain) * this.#grainBytes, this.capacityBytes);
    return { beginBytes, endBytes, zero };
  }

  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    checkRange(offsetBytes, into.length, this);
    for (let done = 0; done < into.length;) {
      const { fileBytes, lengthBytes } = this.#runAt(offsetBytes + done, into.length - done);
      const part = into.subarray(done, done + lengthBytes);
      if (fileBytes === 0) part.fill(0);
      else await this.#image.readBulk(part, fileBytes);
      done += lengthBytes;
    }
  }

  /** The longest run from `offsetBytes` on, up to `limitBytes`, that is zeros or lies together in the file. */
  #runAt(offsetBytes: number, limitBytes: number): { fileBytes: number; lengthBytes: number } {
    const grainBytes = this.#grainBytes;
    const inGrain = offsetBytes % grainBytes;
    let grain = Math.floor(offsetBytes / grainBytes);
    const first = this.#tables.locate(grain);
    let lengthBytes = grainBytes - inGrain;
    for (let expected = first; lengthBytes < limitBytes; lengthBytes += grainBytes) {
      if (first !== 0) expected += grainBytes;
      if (this.#tables.locate(++grain) !== expected) break;
    }
    return { fileBytes: first === 0 ? 0 : first + inGrain, lengthBytes: Math.min(lengthBytes, limitBytes) };
  }

  [Symbol.dispose](): void {
    this.#image[Symbol.dispose]();
  }
}

/**
 * Opens a sparse VMDK; the disk takes over `image` unless this throws. `warn` hears of a file that was not closed.
 * @throws {FormatError} if the file is damaged or of a kind that is not read
 */
export function openSparseVmdk(
  image: ImageFile,
  { warn }: { warn?: (message: string) => void } = {},
): ReadableDisk {
  const { path, sizeBytes: fileBytes } = image;
  if (fileBytes < SPARSE_HEADER_BYTES) throw cannotOpen(path, `the file ends after ${fileBytes} bytes`);
  const bytes = new Uint8Array(SPARSE_HEADER_BYTES);
  image.read(bytes, 0);
  const header = parseSparseHeader(bytes, { path, fileBytes });
  if (header.compressed) throw cannotOpen(path, "it is streamOptimized, which is not read yet");
  if (header.directoryOffsetBytes === undefined) {
    throw cannotOpen(
      path,
      "the grain directory is said to be in a footer, which only compressed files have",
      {
        offsetBytes: 56,
      },
    );
  }
  const descriptor = readEmbeddedDescriptor(image, header);
  const disk = new SparseVmdk(image, { header, descriptor });
  if (header.uncleanShutdown) {
    warn?.(`Disk "${path}" was not closed by its last writer, it may be incomplete`);
  }
  return disk;
}

function readEmbeddedDescriptor(image: ImageFile, header: SparseHeader): Descriptor {
  const { path } = image;
  const { offsetBytes, sizeBytes } = header.descriptor ?? { offsetBytes: 0, sizeBytes: 0 };
  const bytes = new Uint8Array(sizeBytes);
  image.read(bytes, offsetBytes);
  // Here the text ends at the first NUL, whatever an earlier and longer one has left behind it.
  const nul = bytes.indexOf(0);
  // qemu-img leaves room for a descriptor in the pieces of a split disk, and does not fill it.
  if (sizeBytes === 0 || nul === 0) {
    throw cannotOpen(path, "it is an extent of a split disk, open the descriptor that names it instead");
  }
  const descriptor = parseDescriptor(nul < 0 ? bytes : bytes.subarray(0, nul), {
    path,
    beginBytes: offsetBytes,
  });
  refuseChild(descriptor, path);

  const [extent, ...more] = descriptor.extents;
  if (more.length > 0) throw cannotOpen(path, "the embedded descriptor has several extents");
  if (extent.type !== "SPARSE" || extent.access === "NOACCESS") {
    throw cannotOpen(path, `the embedded descriptor has an extent ${extent.access} of type ${extent.type}`);
  }
  // VirtualBox rounds the header's capacity up and keeps the exact number in the line.
  if (descriptor.capacityBytes > header.capacityBytes) {
    throw cannotOpen(
      path,
      `the extent line has ${descriptor.capacityBytes} bytes, the header only ${header.capacityBytes}`,
    );
  }
  return descriptor;
}
