/** The images of a repository: a file with the bytes of a disk, and a descriptor that makes it a flat VMDK. */

import { join } from "@std/path/posix/join";
import { ImageFile } from "../../disks/image_file.ts";
import { RawDisk } from "../../disks/raw.ts";
import { standingAlone } from "../../disks/vmdk/descriptor/ddb.ts";
import { formatDescriptor } from "../../disks/vmdk/descriptor/write.ts";
import { FileError, formatError, UsageError } from "../../errors.ts";
import { createFile, isRegularFile } from "../../files/stable_files.ts";
import { onFile, reasonOf } from "../../files/system_errors.ts";
import type { GenerationDisk } from "../../repository/documents.ts";
import { filesOfDisk } from "../../repository/names.ts";
import { SECTOR_BYTES } from "../../sector.ts";

/** Content ids from here on have a meaning of their own. */
const RESERVED_CID = 0xfffffffe;

/** Returns the length of the image of a disk: a VMDK has whole sectors. */
export function imageBytes(capacityBytes: number): number {
  return Math.ceil(capacityBytes / SECTOR_BYTES) * SECTOR_BYTES;
}

/** Makes an image that is all zeros. */
export function createImageAt(path: string, capacityBytes: number): RawDisk {
  const file = createFile(path);
  try {
    onFile("create disk", path, () => file.truncateSync(imageBytes(capacityBytes)));
    return new RawDisk(new ImageFile(file, path, { write: true }), { fresh: true });
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Opens an image of a disk. @throws {FormatError} if it does not have the length of the disk */
export function openImageAt(
  path: string,
  { capacityBytes }: { capacityBytes: number },
  { write = false } = {},
): RawDisk {
  let disk: RawDisk;
  try {
    if (!isRegularFile(path)) throw new Error("no such file");
    disk = new RawDisk(new ImageFile(Deno.openSync(path, { read: true, write }), path, { write }));
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
    throw new FileError({ action: "open image", path, reason: reasonOf(cause) }, { cause });
  }
  if (disk.capacityBytes === imageBytes(capacityBytes)) return disk;
  const found = `one of ${disk.capacityBytes} bytes`;
  disk[Symbol.dispose]();
  throw formatError("image", { path, expected: `a file of ${imageBytes(capacityBytes)} bytes`, found });
}

/**
 * Returns the descriptor that the image of a disk has in a generation. It follows from the seal alone, so that
 * it can be written again and checked. The content id is a part of the root: it changes when the content does.
 */
export function descriptorOf(disk: GenerationDisk): Uint8Array {
  const { key, adapterType, root } = disk;
  const capacityBytes = imageBytes(disk.capacityBytes);
  const cid = parseInt(root.slice(0, 8), 16) % RESERVED_CID;
  const { descriptor, extent } = filesOfDisk(key);
  const format = (metadata: ReadonlyMap<string, string>) =>
    formatDescriptor({
      createType: "monolithicFlat",
      cid,
      capacityBytes,
      extentName: extent,
      metadata: standingAlone(metadata, { capacityBytes, adapterType, cid }),
    }, descriptor);
  try {
    return format(new Map(Object.entries(disk.metadata)));
  } catch (error) {
    // The seal keeps the metadata of a disk that a descriptor cannot express.
    if (error instanceof UsageError) return format(new Map());
    throw error;
  }
}

/** Returns the path of the descriptor of an image. */
export function descriptorPath(folder: string, key: string): string {
  return join(folder, filesOfDisk(key).descriptor);
}
