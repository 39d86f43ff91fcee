/**
 * A VMDK: a chain of links, the top one first. The links are asked in turn. The first link that stores a run,
 * or says that it is zero, decides what the run holds.
 *
 * ```
 * snapshot 2   [ data |        | zero |         ]
 * snapshot 1   [      | data   | data |         ]
 * base         [ data | data   | data | zeros   ]
 *                 ▼       ▼       ▼       ▼
 * disk         [ of 2 |  of 1  | zero |  zero   ]
 * ```
 */

import type { Extent, MappedExtent, ReadableDisk } from "../disk.ts";
import { fileIdentity, ImageFile } from "../image_file.ts";
import { OpenImages } from "./extents/open_images.ts";
import { cannotOpen, checkRange, partNotOpened, quoted } from "../refusal.ts";
import { adapterTypeOf, contradictsContentId, inherit, withContentId } from "./descriptor/ddb.ts";
import { encryptionMetadata } from "./descriptor/encryption.ts";
import { ExtentPool } from "./extents/pool.ts";
import { EXTENT_LIMIT } from "./descriptor/descriptor.ts";
import { type Inflater, InflateRoom } from "./extents/hosted/inflate.ts";
import { kindOfVmdk, requireVmdk, type VmdkKind } from "./kind.ts";
import { type Link, type LinkRun, openLink } from "./link.ts";
import { findParent } from "./parent.ts";
import { TableCache } from "./extents/grains/table_cache.ts";

/** vSphere itself stops at about 32 snapshots. */
const LINK_LIMIT = 64;
/** The number of open files that each link adds to the limit. */
const OPEN_PER_LINK = 2;
/**
 * Runs of one kind are joined up to this length: a few batches of the pipeline, for which only a few tables
 * are read.
 */
const JOIN_BYTES = 64 << 20;

/** How a VMDK is opened; see `OpenDiskOptions` in `open.ts`. */
export interface VmdkOptions {
  allowOutside?: boolean;
  allowEncrypted?: boolean;
  inflater?: Inflater;
  warn?: (message: string) => void;
}

/** A run of the chain. */
interface ChainRun extends LinkRun {
  depth: number;
}

/** A VMDK with its parents. {@linkcode openVmdk} opens it. */
export class VmdkDisk implements ReadableDisk {
  readonly path: string;
  readonly format: string;
  readonly files: readonly string[];
  readonly capacityBytes: number;
  readonly adapterType: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly cid?: number;
  /** Inflating takes long: while one read waits for it, others can go on. */
  readonly overlaps: boolean;
  readonly #links: readonly Link[];
  readonly #images: OpenImages;
  /** The run that was found last, because callers walk through it in small steps. */
  #known: Extent & { beginBytes: number } = { beginBytes: 0, endBytes: 0, zero: false };

  /** Takes ownership of `links` and `images`. */
  constructor(links: readonly Link[], images: OpenImages) {
    const [top] = links;
    this.path = top.path;
    this.format = top.format;
    this.files = [...new Set(links.flatMap(({ files }) => files))];
    this.capacityBytes = top.descriptor.capacityBytes;
    this.cid = top.descriptor.cid;
    this.metadata = metadataOf(links);
    this.adapterType = adapterTypeOf(this.metadata);
    this.overlaps = links.some(({ compressed }) => compressed);
    this.#links = links;
    this.#images = images;
  }

  /**
   * The paths of the links, the top one first. The top has the path by which it was opened, the others the
   * paths that their children name.
   */
  get chain(): readonly string[] {
    return this.#links.map(({ path }) => path);
  }

  /**
   * Returns the position of the file `path` in the chain, 0 for the top, or -1 if it is not the descriptor of
   * a link.
   */
  depthOf(path: string): number {
    const identityOf = (path: string) => fileIdentity(Deno.statSync(path), Deno.realPathSync(path));
    const wanted = identityOf(path);
    return this.#links.findIndex((link) => identityOf(link.path) === wanted);
  }

  /** Returns the content id of the link at a position in the chain, 0 for the top. */
  cidOf(depth: number): number | undefined {
    return this.#links[depth].descriptor.cid;
  }

  extentAt(offsetBytes: number): Extent {
    checkRange(offsetBytes, 1, this);
    const { beginBytes, endBytes } = this.#known;
    if (offsetBytes < beginBytes || offsetBytes >= endBytes) this.#known = this.#join(offsetBytes);
    return { endBytes: this.#known.endBytes, zero: this.#known.zero };
  }

  #join(beginBytes: number): Extent & { beginBytes: number } {
    const first = this.#runAt(beginBytes);
    const zero = first.holding !== "data";
    let { endBytes } = first;
    while (endBytes < this.capacityBytes && endBytes - beginBytes < JOIN_BYTES) {
      const next = this.#runAt(endBytes);
      if ((next.holding !== "data") !== zero) break;
      ({ endBytes } = next);
    }
    return { beginBytes, endBytes, zero };
  }

  mapAt(offsetBytes: number): MappedExtent {
    checkRange(offsetBytes, 1, this);
    const { endBytes, depth, holding, fileBytes, reader } = this.#runAt(offsetBytes);
    const shared = { endBytes, depth, present: holding !== "absent", zero: holding !== "data" };
    return shared.zero ? shared : { ...shared, path: reader.path, fileBytes };
  }

  /**
   * Returns whether one of the upper `linkCount` links says what the run at `offsetBytes` holds, and where
   * the run ends.
   */
  namedAt(offsetBytes: number, linkCount: number): { endBytes: number; named: boolean } {
    checkRange(offsetBytes, 1, this);
    const { endBytes, holding } = this.#runAt(offsetBytes, linkCount);
    return { endBytes, named: holding !== "absent" };
  }

  #runAt(offsetBytes: number, linkCount = this.#links.length): ChainRun {
    let endBytes = this.capacityBytes;
    for (let depth = 0;; depth++) {
      const run = this.#links[depth].runAt(offsetBytes);
      endBytes = Math.min(endBytes, run.endBytes);
      if (run.holding !== "absent" || depth === linkCount - 1) return { ...run, endBytes, depth };
    }
  }

  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    checkRange(offsetBytes, into.length, this);
    const reads: Promise<void>[] = [];
    try {
      for (let done = 0; done < into.length;) {
        const at = offsetBytes + done;
        const { endBytes, holding, reader, extentBytes } = this.#runAt(at);
        const part = into.subarray(done, Math.min(into.length, endBytes - offsetBytes));
        done += part.length;
        if (holding !== "data") part.fill(0);
        else if (reader.compressed) reads.push(reader.read(part, at - extentBytes));
        else await reader.read(part, at - extentBytes);
      }
    } finally {
      // Every read is waited for, even if one fails, because `into` is in use until then.
      await Promise.allSettled(reads);
    }
    await Promise.all(reads);
  }

  [Symbol.dispose](): void {
    for (const link of this.#links) link[Symbol.dispose]();
    this.#images[Symbol.dispose]();
  }
}

/**
 * Opens the VMDK that `image` is, with its parents. Takes ownership of `image` unless this throws.
 * @throws {FormatError} if a file is damaged or of a kind that is not read, or a parent does not fit its
 * child
 */
export function openVmdk(image: ImageFile, kind: VmdkKind, options: VmdkOptions = {}): VmdkDisk {
  const { allowOutside, allowEncrypted, inflater } = options;
  const warn = options.warn && once(options.warn);
  using scope = new DisposableStack();
  const images = scope.use(new OpenImages());
  const shared = {
    cache: new TableCache(),
    room: new InflateRoom(inflater),
    extents: new ExtentPool(),
    warn,
  };
  const linkOptions = { allowOutside, allowEncrypted, images, shared };

  const seen = new Set([image.identity()]);
  const links = [openLink(image, kind, linkOptions)];
  let extentCount = links[0].descriptor.extents.length;
  for (let child = links[0]; child.descriptor.parentCid !== undefined; child = links[links.length - 1]) {
    const path = findParent(nameOfParent(child), { path: child.path, allowOutside });
    const parentImage = openParentImage(path, child);
    const undo = new DisposableStack();
    undo.use(parentImage);
    try {
      const identity = parentImage.identity();
      if (seen.has(identity)) {
        const names = [...links.map((link) => link.path), path].map(quoted).join(" -> ");
        throw cannotOpen(image.path, `the parents form a loop: ${names}`);
      }
      if (seen.add(identity).size > LINK_LIMIT) {
        throw cannotOpen(image.path, `it has ${LINK_LIMIT} links or more above its base`);
      }
      const parent = openLink(parentImage, requireVmdk(path, kindOfVmdk(parentImage)), linkOptions);
      checkFit(child, parent);
      if ((extentCount += parent.descriptor.extents.length) > EXTENT_LIMIT) {
        throw cannotOpen(image.path, `it and its parents have more than ${EXTENT_LIMIT} extents`);
      }
      scope.use(parent);
      links.push(parent);
      undo.move();
    } finally {
      undo.dispose();
    }
    images.allowMore(OPEN_PER_LINK);
  }
  if (warn !== undefined && contradictsContentId(links[0].descriptor)) warn(contentIdWarning(links[0]));
  scope.move();
  return new VmdkDisk(links, images);
}

/**
 * Returns the metadata of a chain: the disk data base with a `longContentID` that agrees with the CID, and the keys
 * of an encrypted disk.
 */
function metadataOf(links: readonly Link[]): ReadonlyMap<string, string> {
  const descriptors = links.map(({ descriptor }) => descriptor);
  const [{ cid }] = descriptors;
  const inherited = inherit(descriptors.map(({ metadata }) => metadata));
  const kept = encryptionMetadata(descriptors.map(({ encryption }) => encryption));
  const metadata = contradictsContentId({ metadata: inherited, cid })
    ? withContentId(inherited, cid!)
    : inherited;
  return kept.size === 0 ? metadata : new Map([...metadata, ...kept]);
}

function contentIdWarning({ path, descriptor }: Link): string {
  return `Disk "${path}": its longContentID does not end with its CID ${
    hex(descriptor.cid)
  }; it is corrected or ` +
    "left out in the metadata of a dump";
}

/** Passes each message on only once, because the readers of a large disk are made repeatedly. */
function once(warn: (message: string) => void): (message: string) => void {
  const said = new Set<string>();
  return (message) => {
    if (!said.has(message)) warn(message);
    said.add(message);
  };
}

function nameOfParent({ descriptor, path }: Link): string {
  const { parentCid, parentName = "" } = descriptor;
  if (parentName !== "") return parentName;
  throw cannotOpen(
    path,
    `it is a snapshot of a disk with CID ${hex(parentCid)}, but does not name that disk`,
  );
}

function openParentImage(path: string, child: Link): ImageFile {
  try {
    return new ImageFile(Deno.openSync(path), path);
  } catch (cause) {
    throw partNotOpened(child.path, { name: `the parent ${quoted(path)}`, path, cause });
  }
}

function checkFit(child: Link, parent: Link): void {
  const { parentCid, capacityBytes } = child.descriptor;
  const name = quoted(parent.path);
  if (parent.descriptor.cid !== parentCid) {
    const found = parent.descriptor.cid === undefined ? "no CID" : `CID ${hex(parent.descriptor.cid)}`;
    throw cannotOpen(
      child.path,
      `the parent ${name} has ${found}, ${hex(parentCid)} is wanted: it was changed after the child was made`,
      { expected: hex(parentCid), found: hex(parent.descriptor.cid) },
    );
  }
  if (parent.descriptor.capacityBytes !== capacityBytes) {
    throw cannotOpen(
      child.path,
      `the parent ${name} has ${parent.descriptor.capacityBytes} bytes, the child ${capacityBytes}`,
    );
  }
}

function hex(cid: number | undefined): string {
  return cid === undefined ? "none" : cid.toString(16).padStart(8, "0");
}
