/**
 * Opens existing disks for reading or writing, and decides of which kind they are.
 *
 * The name decides: a file named `*.vmdk` must be a VMDK, and every other file is raw. The content of a raw
 * disk belongs to its guest, which could write a descriptor into the first sector that names files of the
 * host. So the content alone never makes a VMDK of a file. A raw disk that begins like a VMDK is refused
 * until the caller states the format.
 */

import { FileError, UsageError } from "../errors.ts";
import type { ReadableDisk, WritableDisk } from "./disk.ts";
import { ImageFile } from "./image_file.ts";
import { RawDisk } from "./raw.ts";
import { cannotOpen, systemReason } from "./refusal.ts";
import type { VmdkDisk } from "./vmdk/disk.ts";
import type { Inflater } from "./vmdk/extents/hosted/inflate.ts";
import {
  kindOf,
  kindOfVmdk,
  readDescriptorFile,
  readsAsDescriptor,
  requireVmdk,
  type VmdkKind,
} from "./vmdk/kind.ts";

/** How a disk is opened. */
export interface OpenDiskOptions {
  /** The format of the disk, whatever its name. */
  format?: "raw" | "vmdk";
  /** Accept a descriptor whose extents or parents lie outside its folder. */
  allowOutside?: boolean;
  /** Accept a VMDK whose descriptor says that its content is encrypted. */
  allowEncrypted?: boolean;
  /** The threads that inflate compressed grains. Without them the calling thread does it. */
  inflater?: Inflater;
  /** Called with one sentence for each oddity that does not stop the reading. */
  warn?: (message: string) => void;
}

/**
 * Opens a raw disk, or a VMDK with its parents, for reading.
 * @throws {FormatError} if the file is damaged or of a kind that is not read
 * @throws {UsageError} if the file is not what its name says, or not the one to open
 * @throws {Error} if the system does not open it; `cause` is its error
 *
 * @example
 * ```ts
 * import { openForReading } from "./open.ts";
 *
 * using disk = await openForReading("deno.json", { format: "raw" });
 * const { endBytes, zero } = await disk.extentAt(0);
 * if (!zero) await disk.read(new Uint8Array(endBytes), 0);
 * ```
 */
export async function openForReading(path: string, options: OpenDiskOptions = {}): Promise<ReadableDisk> {
  using scope = new DisposableStack();
  const image = scope.use(await openImage(path));
  const kind = await decideKind(image, options, "read");
  // The readers of VMDKs are loaded only when a VMDK is opened.
  const disk = kind === "raw"
    ? new RawDisk(image)
    : (await import("./vmdk/disk.ts")).openVmdk(image, kind, options);
  scope.move();
  return disk;
}

/**
 * Opens a VMDK as a chain, whose links can be asked separately.
 * @throws as {@linkcode openForReading}
 */
export async function openChain(path: string, options: OpenDiskOptions = {}): Promise<VmdkDisk> {
  using scope = new DisposableStack();
  const image = scope.use(await openImage(path));
  const kind = await decideKind(image, options, "read");
  if (kind === "raw") throw new UsageError(`Cannot open "${path}" as a chain of VMDKs: it is a raw disk`);
  const disk = (await import("./vmdk/disk.ts")).openVmdk(image, kind, options);
  scope.move();
  return disk;
}

/**
 * Opens a raw disk or a flat VMDK for writing in place; `fresh` is false.
 * @throws {FormatError} if the file is damaged or of a kind that is not read
 * @throws {UsageError} if the disk cannot be written, or as for {@linkcode openForReading}
 * @throws {Error} if the system does not open it; `cause` is its error
 */
export async function openForWriting(path: string, options: OpenDiskOptions = {}): Promise<WritableDisk> {
  using scope = new DisposableStack();
  const image = scope.use(await openImage(path, { write: true }));
  const kind = await decideKind(image, options, "written");
  if (kind === "descriptor") {
    const { openFlatVmdk } = await import("./vmdk/flat.ts");
    return openFlatVmdk(readDescriptorFile(image), { ...options, path });
  }
  if (kind === "sparse") {
    throw new UsageError(
      `Cannot open disk "${path}" for writing: it is a sparse VMDK, only raw disks and flat VMDKs are written in place`,
    );
  }
  scope.move();
  return new RawDisk(image);
}

async function openImage(path: string, { write = false } = {}): Promise<ImageFile> {
  try {
    const info = await Deno.stat(path);
    if (info.isDirectory) throw new Error("it is a directory");
    // The kind of file is checked first, because opening a FIFO waits for its other end. Windows does not
    // report devices.
    if (!info.isFile && info.isBlockDevice === false) {
      throw new Error("it is no regular file and no block device");
    }
    return new ImageFile(await Deno.open(path, { read: true, write }), path, { write });
  } catch (cause) {
    throw new FileError({ action: "open disk", path, reason: systemReason(cause) }, { cause });
  }
}

/** Decides as what the file is read or `written`; warns of a raw disk that looks like another format. */
async function decideKind(
  image: ImageFile,
  { format, warn }: OpenDiskOptions,
  action: "read" | "written",
): Promise<"raw" | VmdkKind> {
  const { path } = image;
  if (image.sizeBytes === 0) throw cannotOpen(path, "the file is empty");
  if (format === "raw") return "raw";

  // Loaded for disks that are not VMDKs only.
  const foreign = () => import("./foreign.ts");
  if (format === "vmdk" || /\.vmdk$/i.test(path)) {
    const kind = kindOfVmdk(image);
    return requireVmdk(path, kind, { hint: kind === undefined ? (await foreign()).foreignHint(image) : "" });
  }
  if (kindOf(image) === undefined) {
    if (warn === undefined) return "raw";
    const { foreignWarning } = await foreign();
    const warning = foreignWarning(image, { isDescriptor: readsAsDescriptor(image), action });
    if (warning !== undefined) warn(warning);
    return "raw";
  }
  throw new UsageError(
    `Cannot open disk "${path}": it begins like a VMDK and is not called one, ` +
      `say --format raw to take its bytes as they are or --format vmdk to read it as a VMDK` +
      (await foreign()).foreignHint(image),
  );
}
