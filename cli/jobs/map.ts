/** Finds out where the bytes of a disk are stored, without reading them. */

import type { MappedExtent, ReadableDisk } from "../disks/disk.ts";
import { openForReading } from "../disks/open.ts";
import { Job } from "./job.ts";
import { refuseUnfinished } from "./disk_source.ts";
import type { JobOptions } from "./options.ts";

/** A disk of this machine. */
export interface MapRequest {
  /** Path of a raw image, a block device or a VMDK. */
  disk: string;
  /** The format of the disk. By default its first bytes and its name decide. */
  format?: "raw" | "vmdk";
  /** Accept a VMDK that names files outside its folder. */
  allowOutside?: boolean;
}

/** A run of bytes of a disk that are all data, all known zeros, or all without a place in any file. */
export interface DiskStretch extends MappedExtent {
  /** The first byte of the run. */
  startBytes: number;
}

/** A disk, and the stretches of which it consists. */
export interface MappedDisk {
  /** Path of the disk, as the request names it. */
  path: string;
  /** The kind of the disk: `raw`, `monolithicSparse` and so on. */
  format: string;
  /** The stretches in ascending order. They can be read until `use` has settled. */
  stretches: Iterable<DiskStretch>;
}

/**
 * Opens a disk and calls `use` with its stretches.
 *
 * @throws {FormatError} if the disk is damaged
 *
 * @example
 * ```ts
 * import { map } from "./map.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const disk = `${folder}/disk.raw`;
 * Deno.writeFileSync(disk, new Uint8Array(512).fill(1));
 * await map({ disk }, ({ stretches }) => {
 *   const [{ startBytes, endBytes, zero }] = stretches;
 *   assertEquals([startBytes, endBytes, zero], [0, 512, false]);
 *   return Promise.resolve();
 * });
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function map(
  { disk: path, ...request }: MapRequest,
  use: (disk: MappedDisk) => Promise<void>,
  options: JobOptions = {},
): Promise<void> {
  return await Job.run(options, { inputs: [path] }, async (job) => {
    const disk = job.using(await openForReading(path, { ...request, ...job.diskHelp, allowEncrypted: true }));
    await refuseUnfinished(path, disk.files);
    job.lockDisk(disk);
    await use({ path: disk.path, format: disk.format, stretches: stretchesOf(disk) });
  });
}

/** Returns the stretches of a disk. Neighbouring ones of the same kind and place are merged. */
function* stretchesOf(disk: ReadableDisk): Generator<DiskStretch> {
  let last: DiskStretch | undefined;
  for (let at = 0; at < disk.capacityBytes;) {
    const row = { startBytes: at, ...disk.mapAt!(at) };
    at = row.endBytes;
    if (last !== undefined && continues(last, row)) {
      last.endBytes = row.endBytes;
      continue;
    }
    if (last !== undefined) yield last;
    last = row;
  }
  if (last !== undefined) yield last;
}

function continues(last: DiskStretch, next: DiskStretch): boolean {
  return last.depth === next.depth && last.present === next.present && last.zero === next.zero &&
    last.path === next.path &&
    (last.fileBytes === undefined
      ? next.fileBytes === undefined
      : next.fileBytes === last.fileBytes + next.startBytes - last.startBytes);
}
