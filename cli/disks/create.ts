/** Makes new disks for a restore. Where the caller does not say of which kind, the name does. */

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

/** Kinds of disks that are made. */
export type NewDiskFormat = "raw" | NewVmdkFormat;

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
  /** Who deflates the grains of a streamOptimized VMDK; this thread if nobody is named. */
  packing?: GrainPacking;
}

const FORMATS: Readonly<Record<string, NewDiskFormat>> = {
  ".vmdk": "monolithicFlat",
  ".raw": "raw",
  ".img": "raw",
};

/**
 * Makes the disk `path`, all zeros and `fresh`. A flat VMDK takes two files: first `X-flat.vmdk`, then `X.vmdk`, the
 * descriptor, so that files renamed in the order of opening show the descriptor last. A sparse VMDK is written from its
 * beginning to its end, and is one when `sync` has come back, not before.
 *
 * The files that `openOutput` returns stay the caller's to close.
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
    // Loaded for those alone who want them.
    case "monolithicSparse":
      return await (await import("./vmdk/create/sparse.ts")).createSparseVmdk(path, disk);
    case "streamOptimized":
      return await (await import("./vmdk/create/stream.ts")).createStreamVmdk(path, { ...disk, packing });
  }
}

/** @throws {UsageError} if no VMDK can have the name or the size */
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
