/** One link of a chain: a descriptor, alone or embedded in a hosted sparse file, and its extents, one behind the other. */

import type { ImageFile } from "../image_file.ts";
import type { OpenImages } from "./extents/open_images.ts";
import { cannotOpen } from "../refusal.ts";
import { type Descriptor, parseDescriptor } from "./descriptor/descriptor.ts";
import type { ExtentReader, Stretch } from "./extents/extent.ts";
import { ExtentFiles } from "./extents/files.ts";
import { type HostedHeader, openHostedExtent, readHostedHeader } from "./extents/hosted/open.ts";
import { openExtent, type Shared, warnOfUncleanShutdown } from "./extents/open.ts";
import { readDescriptorFile, type VmdkKind } from "./kind.ts";

/** What a link is opened with. */
export interface LinkOptions {
  /** Accept extents outside the descriptor's folder. */
  allowOutside?: boolean;
  images: OpenImages;
  shared: Shared;
}

/** A stretch of a link, and the extent that it belongs to. */
export interface LinkStretch extends Stretch {
  reader: ExtentReader;
  /** The first byte of the extent on the disk. */
  extentBytes: number;
}

/** createType is only reported, and only if it is a word we know: it comes from the file and goes to a terminal. */
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

/** What is reported of a createType. */
export function formatOf({ createType }: Pick<Descriptor, "createType">): string {
  const wanted = createType.toLowerCase();
  return FORMATS.find((known) => known.toLowerCase() === wanted) ?? "custom";
}

/** A link of a chain. */
export class Link implements Disposable {
  readonly path: string;
  readonly format: string;
  /** Every file that it consists of. */
  readonly files: readonly string[];
  readonly descriptor: Descriptor;
  readonly #extents: readonly { reader: ExtentReader; beginBytes: number; endBytes: number }[];
  readonly #resource?: Disposable;

  /** Takes over `resource`. */
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

  /** Whether data of it are compressed. */
  get compressed(): boolean {
    return this.#extents.some(({ reader }) => reader.compressed);
  }

  /** The stretch that begins at `offsetBytes` of the disk. */
  stretchAt(offsetBytes: number): LinkStretch {
    const { reader, beginBytes } = this.#extents[this.#indexAt(offsetBytes)];
    const stretch = reader.stretchAt(offsetBytes - beginBytes);
    return { ...stretch, endBytes: stretch.endBytes + beginBytes, reader, extentBytes: beginBytes };
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
 * Opens the link that `image` is, and all of its files. Takes over `image`, unless this throws.
 * @throws {FormatError} if one of them is damaged or of a kind that is not read
 */
export function openLink(image: ImageFile, kind: VmdkKind, options: LinkOptions): Link {
  return kind === "descriptor" ? openDescriptorLink(image, options) : openHostedLink(image, options);
}

function openDescriptorLink(image: ImageFile, { allowOutside, images, shared }: LinkOptions): Link {
  const { path } = image;
  const descriptor = parseDescriptor(readDescriptorFile(image), { path });
  const files = new ExtentFiles({ path, allowOutside, images });
  const readers = descriptor.extents.map((line) => openExtent(line, { path, files, shared }));
  return new Link({
    path,
    format: formatOf(descriptor),
    files: [path, ...files.paths],
    descriptor,
    readers,
    resource: image,
  });
}

/** One file; the name in the extent line is ignored: files get renamed, and some writers never wrote theirs. */
function openHostedLink(image: ImageFile, { shared }: LinkOptions): Link {
  const { path, sizeBytes } = image;
  const file = { path, sizeBytes, image: () => image };
  const header = readHostedHeader(file);
  const descriptor = readEmbeddedDescriptor(image, header);
  const reader = openHostedExtent(file, header, { ...shared, sizeBytes: descriptor.capacityBytes });
  if (header.uncleanShutdown) warnOfUncleanShutdown(path, shared);
  const format = header.compressed ? "streamOptimized" : "monolithicSparse";
  return new Link({ path, format, files: [path], descriptor, readers: [reader], resource: image });
}

function readEmbeddedDescriptor(image: ImageFile, header: HostedHeader): Descriptor {
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
  const [extent, ...more] = descriptor.extents;
  if (more.length > 0) throw cannotOpen(path, "the embedded descriptor has several extents");
  if (extent.type !== "SPARSE" || extent.access === "NOACCESS") {
    throw cannotOpen(path, `the embedded descriptor has an extent ${extent.access} of type ${extent.type}`);
  }
  return descriptor;
}
