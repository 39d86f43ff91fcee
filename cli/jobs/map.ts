/** Tells where the bytes of a disk lie, without reading them. */

import type { MappedExtent, ReadableDisk } from "../disks/disk.ts";
import { openForReading } from "../disks/open.ts";
import type { DiskPathOptions } from "./disk_source.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** A disk of this machine. */
export interface MapRequest extends Pick<DiskPathOptions, "format" | "allowOutside"> {
  /** Path of the disk. */
  disk: string;
}

/** A stretch of a disk with its beginning. */
export type Stretch = MappedExtent & { startBytes: number };

/** A disk, and the stretches of which it consists. */
export interface MappedDisk {
  path: string;
  format: string;
  /** In order; neighbours of one kind that lie together are one. To be read until `use` has settled. */
  stretches: Iterable<Stretch>;
}

/** Opens a disk and calls `use` with its stretches. @throws {FormatError} if it is damaged */
export async function map(
  { disk: path, ...request }: MapRequest,
  use: (disk: MappedDisk) => Promise<void>,
  options: JobOptions = {},
): Promise<void> {
  await using job = await Job.start(options, { inputs: [path] });
  const disk = job.using(await openForReading(path, { ...request, ...job.diskHelp, allowEncrypted: true }));
  job.lockDisk(disk);
  await use({ path: disk.path, format: disk.format, stretches: stretchesOf(disk) });
}

/** The stretches of a disk; neighbours of one kind that lie together are one. */
function* stretchesOf(disk: ReadableDisk): Generator<Stretch> {
  let last: Stretch | undefined;
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

function continues(last: Stretch, next: Stretch): boolean {
  return last.depth === next.depth && last.present === next.present && last.zero === next.zero &&
    last.path === next.path &&
    (last.fileBytes === undefined
      ? next.fileBytes === undefined
      : next.fileBytes === last.fileBytes + next.startBytes - last.startBytes);
}
