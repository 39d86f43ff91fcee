/** The blocks that an incremental dump reads: those of a bitmap file, or of the change list of a server. */

import { Bitmap } from "../archive/bitmap.ts";
import type { DumpHeader } from "../archive/header.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { MismatchError, ServerError, UsageError } from "../errors.ts";
import type { ProvidedDisk } from "./disk_source.ts";
import type { Job } from "./job.ts";
import type { Sealed } from "./seals.ts";

/** In place of a change id: the one that the seal of the previous dump records. */
export const FROM_SEAL = "seal";

/** The parts of a request that say which blocks may have changed. */
interface ChangeRequest {
  mode: "diff" | "incr";
  bmpin?: string;
  changedSince?: string;
  onMismatch?: "stop" | "diff";
}

/** The previous dump. */
interface Previous {
  path: string;
  header: DumpHeader;
  /** Its entry in a seal, if there is one. */
  sealed?: Sealed;
}

/** A bitmap of the blocks that may have changed. */
export interface ChangedBlocks {
  bitmap: Bitmap;
  /** The bitmap in messages: `bitmap "x.bmp"`. */
  name: string;
  /** The same, shorter: `the bitmap`. */
  shortName: string;
}

/**
 * Returns the blocks that may have changed since the previous dump; undefined if mode `diff` reads all.
 *
 * A reason instead of a bitmap means that the server's list cannot be used, and that the request wants the
 * whole disk to be read and compared then.
 *
 * @throws {MismatchError} if the change id is not the one of the previous dump
 * @throws {ServerError} if the server's list cannot be used
 * @throws {UsageError} if the disk has no list of changes, or the seal no change id
 */
export async function changedBlocksOf(
  job: Job,
  { mode, bmpin, changedSince, onMismatch }: ChangeRequest,
  { disk, previous }: { disk: ReadableDisk & Partial<ProvidedDisk>; previous: Previous },
): Promise<ChangedBlocks | { reason: string } | undefined> {
  if (bmpin !== undefined) {
    if (changedSince !== undefined) {
      throw new UsageError("Cannot use --bmpin and --changed-since together: both name the changed blocks");
    }
    return { bitmap: await job.files.bitmap(bmpin), name: `bitmap "${bmpin}"`, shortName: "the bitmap" };
  }
  if (changedSince === undefined) {
    if (mode === "diff") return undefined;
    throw new UsageError("Cannot dump with --mode incr: --bmpin or --changed-since is missing");
  }
  if (disk.changesSince === undefined) {
    throw new UsageError(
      `Cannot use --changed-since with disk "${disk.path}": only servers list changes, and only without ` +
        "VMware's library (--transport nfc)",
    );
  }
  const changeId = changeIdOf(job, changedSince, previous);
  const { capacityBytes, blockBytes } = previous.header;
  const list = await disk.changesSince({ changeId, capacityBytes });
  if ("reason" in list) {
    if (onMismatch === "diff") return { reason: list.reason };
    throw new ServerError(
      `Cannot use the server's list of changes of disk "${disk.path}": ${list.reason}; make a dump with ` +
        "--mode diff or full, or name --on-mismatch diff, which reads and compares the whole disk then",
    );
  }
  const bitmap = new Bitmap(Math.ceil(disk.capacityBytes / blockBytes), job.run.pages);
  for (const { startBytes, endBytes } of list.areas) {
    bitmap.setRange(Math.floor(startBytes / blockBytes), Math.ceil(endBytes / blockBytes));
  }
  return { bitmap, name: `the server's list of changes since "${changeId}"`, shortName: "the server's list" };
}

/**
 * Returns the change id of the previous dump. The list of changes since another state would lack what has
 * changed between the two.
 */
function changeIdOf(job: Job, given: string, { path, sealed }: Previous): string {
  const recorded = sealed?.seal.source.changeId;
  if (given === FROM_SEAL) {
    if (recorded !== undefined) return recorded;
    const why = sealed === undefined ? "no seal names it" : `"${sealed.sealPath}" records none`;
    throw new UsageError(`Cannot find the change id of "${path}": ${why}; name it with --changed-since`);
  }
  if (recorded === undefined) {
    job.warn(`nothing proves that change id "${given}" is the one of "${path}": no seal records it`);
  } else if (recorded !== given) {
    throw new MismatchError(
      `Cannot use change id "${given}": the seal of "${path}" records "${recorded}", and changes between the two ` +
        "would be missing",
    );
  }
  return given;
}
