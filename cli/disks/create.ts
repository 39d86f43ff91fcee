/** Makes new disks for a restore. The file name decides their kind unless the caller states one. */

import { basename } from "@std/path/posix/basename";
import { extname } from "@std/path/posix/extname";
import { UsageError } from "../errors.ts";
import { SECTOR_BYTES } from "../sector.ts";
import type { WritableDisk } from "./disk.ts";
import type { OpenOutput } from "./image_file.ts";
import { createRawDisk } from "./raw.ts";
import { CAPACITY_LIMIT_BYTES } from "./vmdk/descriptor/descriptor.ts";
import { cidOf, drawCid } from "./vmdk/descriptor/ddb.ts";
import type { NewVmdkFormat } from "./vmdk/descriptor/write.ts";
import { createFlatVmdk } from "./vmdk/create/flat.ts";
import type { GrainPacking } from "./vmdk/create/stream.ts";

/** The kinds of disks that can be made. */
export type NewDiskFormat = "raw" | NewVmdkFormat;

/** The properties of a new disk. */
export interface CreateOptions {
  /** The size in bytes, at least 1; for a VMDK a multiple of 512, up to 64 TiB. */
  capacityBytes: number;
  /** One of `ADAPTER` in `disk.ts`. */
  adapterType: number;
  /** The disk data base of a VMDK. Keys that a new disk needs are added. */
  metadata?: ReadonlyMap<string, string>;
  /** The kind of the disk, whatever its name. */
  format?: NewDiskFormat;
  /**
   * The content id of a VMDK, a number of 32 bits. The default is the one in the metadata, or else a random
   * one.
   */
  cid?: number;
  /**
   * The threads that deflate the grains of a streamOptimized VMDK. Without them the calling thread does it.
   */
  packing?: GrainPacking;
}

const FORMATS: Readonly<Record<string, NewDiskFormat>> = {
  ".vmdk": "monolithicFlat",
  ".raw": "raw",
  ".img": "raw",
};

/**
 * Makes the disk `path`, which is all zeros and `fresh`.
 *
 * A flat VMDK consists of two files. `X-flat.vmdk` is opened first and `X.vmdk`, the descriptor, second, so
 * that files that are renamed in this order show the descriptor last. A sparse VMDK is written from its
 * beginning to its end, and is complete only when `sync` has returned. The files that `openOutput` returns
 * remain the caller's to close.
 * @throws {UsageError} if the name does not tell the kind, or the kind cannot have the capacity
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
 *   using disk = await createDisk(`${folder}/new.vmdk`, options, openOutput);
 *   await disk.write(new Uint8Array(512).fill(1), 1024);
 *   await disk.sync();
 * }
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function createDisk(
  path: string,
  options: CreateOptions,
  openOutput: OpenOutput,
): Promise<WritableDisk> {
  const { capacityBytes, adapterType, metadata = new Map(), packing } = options;
  const format = options.format ?? FORMATS[extname(path).toLowerCase()];
  if (format === undefined) {
    throw new UsageError(
      `Cannot create disk "${path}": the name must end in .vmdk (a flat VMDK), .raw or .img (a raw disk)`,
    );
  }
  if (format === "raw") return createRawDisk(await openOutput(path), { path, capacityBytes });

  refuseForVmdk(path, capacityBytes);
  const cid = options.cid ?? cidOf(metadata) ?? drawCid();
  const disk = { capacityBytes, adapterType, metadata, cid, openOutput };
  switch (format) {
    case "monolithicFlat":
    case "vmfs":
      return await createFlatVmdk(path, { ...disk, createType: format });
    // The writers of sparse VMDKs are loaded only when they are needed.
    case "monolithicSparse":
      return await (await import("./vmdk/create/sparse.ts")).createSparseVmdk(path, disk);
    case "streamOptimized":
      return await (await import("./vmdk/create/stream.ts")).createStreamVmdk(path, { ...disk, packing });
  }
}

/**
 * Checks the name and the size of a new VMDK.
 * @throws {UsageError} if no VMDK can have them
 */
function refuseForVmdk(path: string, capacityBytes: number): void {
  const refuse = (reason: string) => new UsageError(`Cannot create disk "${path}": ${reason}`);
  if (extname(path).toLowerCase() !== ".vmdk") throw refuse("the name of a VMDK must end in .vmdk");
  if (capacityBytes % SECTOR_BYTES !== 0) {
    const name = basename(path, extname(path));
    throw refuse(
      `${capacityBytes} bytes are no whole number of sectors, which a VMDK must have; ` +
        `use the name "${name}.raw" for a raw disk`,
    );
  }
  if (capacityBytes > CAPACITY_LIMIT_BYTES) throw refuse(`a VMDK has at most ${CAPACITY_LIMIT_BYTES} bytes`);
}
