/** Makes new disks for a restore; the name says of which kind. */

import { basename } from "@std/path/posix/basename";
import { extname } from "@std/path/posix/extname";
import { UsageError } from "../errors.ts";
import type { WritableDisk } from "./disk.ts";
import { createRawDisk } from "./raw.ts";
import { CAPACITY_LIMIT_BYTES } from "./vmdk_descriptor.ts";
import { cidOf, drawCid } from "./vmdk_ddb.ts";
import { createFlatVmdk } from "./vmdk_flat_create.ts";

/** Kinds of disks that are made. */
export type NewDiskFormat = "raw" | "monolithicFlat";

/** The new disk. */
export interface CreateOptions {
  /** At least 1; for a VMDK a multiple of 512, up to 64 TiB. */
  capacityBytes: number;
  /** One of `ADAPTER` in `disk.ts`. */
  adapterType: number;
  /** First disk data base of a VMDK; what a new disk needs beyond it is added. */
  metadata?: ReadonlyMap<string, string>;
  /** Overrides what the name says. */
  format?: NewDiskFormat;
  /** Content id of a VMDK, 32 bits; if not given, the one that the metadata name, else drawn. */
  cid?: number;
}

const FORMATS: Readonly<Record<string, NewDiskFormat>> = {
  ".vmdk": "monolithicFlat",
  ".raw": "raw",
  ".img": "raw",
};

/**
 * Makes the disk `path`, all zeros and `fresh`. A VMDK takes two files: first `X-flat.vmdk`, then `X.vmdk`, the
 * descriptor, so that files renamed in the order of opening show the descriptor last.
 *
 * `openOutput` gets a final name and returns an empty file, open for reading and writing, that will have it; the file
 * stays the caller's to close.
 * @throws {UsageError} if the name says no kind, or the kind cannot have the capacity
 *
 * @example
 * ```ts
 * import { createDisk } from "./create.ts";
 * import { ADAPTER } from "./disk.ts";
 *
 * const folder = Deno.makeTempDirSync();
 * const openOutput = (path: string) => Deno.openSync(path, { read: true, write: true, createNew: true });
 * {
 *   const options = { capacityBytes: 2 ** 20, adapterType: ADAPTER.lsiLogic };
 *   using disk = createDisk(`${folder}/new.vmdk`, options, openOutput);
 *   await disk.write(new Uint8Array(512).fill(1), 1024);
 *   await disk.sync();
 * }
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export function createDisk(
  path: string,
  options: CreateOptions,
  openOutput: (path: string) => Deno.FsFile,
): WritableDisk {
  const { capacityBytes, adapterType, metadata = new Map() } = options;
  const cid = options.cid ?? cidOf(metadata) ?? drawCid();
  const format = options.format ?? FORMATS[extname(path).toLowerCase()];
  if (format === undefined) {
    throw new UsageError(
      `Cannot create disk "${path}": the name must end in .vmdk (a flat VMDK), .raw or .img (a raw disk)`,
    );
  }
  if (format === "raw") return createRawDisk(openOutput(path), { path, capacityBytes });

  if (extname(path).toLowerCase() !== ".vmdk") {
    throw new UsageError(`Cannot create disk "${path}": the name of a VMDK must end in .vmdk`);
  }
  if (capacityBytes % 512 !== 0) {
    throw new UsageError(
      `Cannot create disk "${path}": ${capacityBytes} bytes are no whole number of sectors, which a VMDK must have; ` +
        `use the name "${basename(path, extname(path))}.raw" for a raw disk`,
    );
  }
  if (capacityBytes > CAPACITY_LIMIT_BYTES) {
    throw new UsageError(`Cannot create disk "${path}": a VMDK has at most ${CAPACITY_LIMIT_BYTES} bytes`);
  }
  return createFlatVmdk(path, { capacityBytes, adapterType, metadata, cid, openOutput });
}
