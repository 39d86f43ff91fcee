/**
 * One link of a chain: a descriptor, in a file of its own or embedded in a hosted sparse file, and its
 * extents, which follow each other on the disk.
 */

import type { ImageFile } from "../image_file.ts";
import type { OpenImages } from "./extents/open_images.ts";
import { cannotOpen } from "../refusal.ts";
import { type Descriptor, endsOfFlatExtents, parseDescriptor } from "./descriptor/descriptor.ts";
import { checkEncryption } from "./descriptor/encryption.ts";
import type { ExtentReader, ExtentRun } from "./extents/extent.ts";
import { ExtentFiles } from "./extents/files.ts";
import { type HostedHeader, openHostedExtent, readHostedHeader } from "./extents/hosted/open.ts";
import { openExtent, type Shared, warnOfUncleanShutdown } from "./extents/open.ts";
import { readDescriptorFile, type VmdkKind } from "./kind.ts";

/** How a link is opened. */
export interface LinkOptions {
  /** Accept extents outside the folder of the descriptor. */
  allowOutside?: boolean;
  /** Accept descriptors that say that the content of the disk is encrypted. */
  allowEncrypted?: boolean;
  images: OpenImages;
  shared: Shared;
}

/** A run of a link, and the extent that it belongs to. */
export interface LinkRun extends ExtentRun {
  reader: ExtentReader;
  /** The first byte of the extent on the disk. */
  extentBytes: number;
}

/**
 * The values of createType that are reported. The value comes from a file and goes to a terminal, so unknown
 * words are not printed.
 */
const FORMATS = [
  "monolithicFlat",
  "monolithicSparse",
  "twoGbMaxExtentFlat",
  "2GbMaxExtentFlat",
  "twoGbMaxExtentSparse",
  "2GbMaxExtentSparse",
  "streamOptimized",
  "vmfs",
  "vmfsPreallocated",
  "vmfsEagerZeroedThick",
  "vmfsThin",
  "vmfsThick",
  "vmfsSparse",
  "seSparse",
  "vmfsSeSparse",
];

/** Returns the word by which a createType is reported. */
export function formatOf({ createType }: Pick<Descriptor, "createType">): string {
  const wanted = createType.toLowerCase();
  return FORMATS.find((known) => known.toLowerCase() === wanted) ?? "custom";
}

/** A link of a chain. */
export class Link implements Disposable {
  readonly path: string;
  readonly format: string;
  /** The paths of all files of the link. */
  readonly files: readonly string[];
  readonly descriptor: Descriptor;
  readonly #extents: readonly { reader: ExtentReader; beginBytes: number; endBytes: number }[];
  readonly #resource?: Disposable;

  /** Takes ownership of `resource`. */
  constructor({ path, format, files, descriptor, readers, resource }: {
    path: string;
    format: string;
    files: readonly string[];
    descriptor: Descriptor;
    readers: readonly ExtentReader[];
    resource?: Disposable;
  }) {
    this.path = path;
    this.format = format;
    this.files = files;
    this.descriptor = descriptor;
    let beginBytes = 0;
    this.#extents = readers.map((reader) => {
      const extent = { reader, beginBytes, endBytes: beginBytes + reader.sizeBytes };
      beginBytes = extent.endBytes;
      return extent;
    });
    this.#resource = resource;
  }

  /** Whether any data of the link are compressed. */
  get compressed(): boolean {
    return this.#extents.some(({ reader }) => reader.compressed);
  }

  /** Returns the run that begins at `offsetBytes` of the disk. */
  runAt(offsetBytes: number): LinkRun {
    const { reader, beginBytes } = this.#extents[this.#indexAt(offsetBytes)];
    const run = reader.runAt(offsetBytes - beginBytes);
    return { ...run, endBytes: run.endBytes + beginBytes, reader, extentBytes: beginBytes };
  }

  #indexAt(offsetBytes: number): number {
    let low = 0;
    let high = this.#extents.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#extents[middle].endBytes <= offsetBytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  [Symbol.dispose](): void {
    this.#resource?.[Symbol.dispose]();
  }
}

/**
 * Opens the link that `image` is, and all of its files. Takes ownership of `image` unless this throws.
 * @throws {FormatError} if a file is damaged or of a kind that is not read
 */
export function openLink(image: ImageFile, kind: VmdkKind, options: LinkOptions): Link {
  return kind === "descriptor" ? openDescriptorLink(image, options) : openHostedLink(image, options);
}

function openDescriptorLink(image: ImageFile, options: LinkOptions): Link {
  const { path } = image;
  const { allowOutside, allowEncrypted, images, shared } = options;
  const { warn } = shared;
  const descriptor = parseDescriptor(readDescriptorFile(image), { path, warn });
  checkEncryption(descriptor.encryption, { path, allowEncrypted, warn });
  const files = new ExtentFiles({ path, allowOutside, images, warn });
  const readers = descriptor.extents.map((line) => openExtent(line, { path, files, shared }));
  files.warnOfUnused(endsOfFlatExtents(descriptor.extents));
  return new Link({
    path,
    format: formatOf(descriptor),
    files: [path, ...files.paths],
    descriptor,
    readers,
    resource: image,
  });
}

/**
 * Opens a link in one file. The file name in the extent line is ignored: files get renamed, and some writers
 * never wrote the name of theirs.
 */
function openHostedLink(image: ImageFile, { allowEncrypted, shared }: LinkOptions): Link {
  const { path, sizeBytes } = image;
  const file = { path, sizeBytes, image: () => image };
  const header = readHostedHeader(file);
  const descriptor = readEmbeddedDescriptor(image, { header, warn: shared.warn });
  checkEncryption(descriptor.encryption, { path, allowEncrypted, warn: shared.warn });
  const reader = openHostedExtent(file, header, { ...shared, sizeBytes: descriptor.capacityBytes });
  if (header.uncleanShutdown) warnOfUncleanShutdown(path, shared);
  const format = header.compressed ? "streamOptimized" : "monolithicSparse";
  return new Link({ path, format, files: [path], descriptor, readers: [reader], resource: image });
}

function readEmbeddedDescriptor(
  image: ImageFile,
  { header, warn }: { header: HostedHeader; warn?: (message: string) => void },
): Descriptor {
  const { path } = image;
  const { offsetBytes, sizeBytes } = header.descriptor ?? { offsetBytes: 0, sizeBytes: 0 };
  const bytes = new Uint8Array(sizeBytes);
  image.read(bytes, offsetBytes);
  // An embedded text ends at the first NUL; behind it may stand the rest of an earlier, longer text.
  const nul = bytes.indexOf(0);
  // In the pieces of a split disk qemu-img reserves room for a descriptor and does not fill it.
  if (sizeBytes === 0 || nul === 0) {
    throw cannotOpen(path, "it is an extent of a split disk, open the descriptor that names it instead");
  }
  const descriptor = parseDescriptor(nul < 0 ? bytes : bytes.subarray(0, nul), {
    path,
    beginBytes: offsetBytes,
    warn,
  });
  const [extent, ...more] = descriptor.extents;
  if (more.length > 0) throw cannotOpen(path, "the embedded descriptor has several extents");
  if (extent.type !== "SPARSE" || extent.access === "NOACCESS") {
    throw cannotOpen(path, `the embedded descriptor has an extent ${extent.access} of type ${extent.type}`);
  }
  return descriptor;
}
