/** Finds the blocks that the snapshots above a link of a chain name. */

import { Bitmap } from "../archive/bitmap.ts";
import { openChain } from "../disks/open.ts";
import type { VmdkDisk } from "../disks/vmdk/disk.ts";
import { MismatchError, UsageError } from "../errors.ts";
import { Checkpoint, type RunOptions } from "../pipeline/run.ts";
import type { BitmapCounts } from "./bitmaps.ts";
import type { DiskPathOptions } from "./disk_source.ts";
import { DEFAULT_BLOCK_BYTES } from "./dump.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** A snapshot of a VMDK, and the bitmap to be. */
export interface ChangedRequest extends Pick<DiskPathOptions, "allowOutside"> {
  /** Path of the VMDK as it is now. */
  disk: string;
  /** Path of a parent of it, near or far, that was dumped. */
  since: string;
  /** Path of the bitmap. */
  bmpout: string;
  /** Bytes of a block; 1 MiB by default. */
  blocksize?: number;
}

/** Stretches between two looks at the clock. */
const STRETCHES_PER_LOOK = 1000;

/**
 * Writes a bitmap with a bit set for each block that the snapshots above `since` name.
 *
 * @throws {MismatchError} if `since` is no parent of the disk
 */
export async function changed(request: ChangedRequest, options: JobOptions = {}): Promise<BitmapCounts> {
  const { disk: path, since, bmpout, blocksize: blockBytes = DEFAULT_BLOCK_BYTES, allowOutside } = request;
  await using job = await Job.start(options, { inputs: [path, since], outputs: [bmpout] });
  const disk = job.using(await openChain(path, { ...job.diskHelp, allowOutside, allowEncrypted: true }));
  job.lockDisk(disk);
  job.addInputs(disk.files);
  const bitmap = newBitmap(job, Math.ceil(disk.capacityBytes / blockBytes), blockBytes);
  await mark(bitmap, { disk, blockBytes, linkCount: linksAbove(disk, since), run: job.run });
  await job.writeBitmap(bmpout, bitmap);
  job.commit();
  return { blocks: bitmap.bitCount, setBlocks: bitmap.count() };
}

function newBitmap(job: Job, blocks: number, blockBytes: number): Bitmap {
  try {
    return new Bitmap(blocks, job.run.pages);
  } catch (cause) {
    throw new UsageError(`Cannot use --blocksize ${blockBytes}: ${(cause as Error).message}`, { cause });
  }
}

/** How many links lie above the parent `since`. */
function linksAbove(disk: VmdkDisk, since: string): number {
  let depth: number;
  try {
    depth = disk.depthOf(since);
  } catch (cause) {
    throw new Error(`Cannot open "${since}": ${(cause as Error).message}`, { cause });
  }
  if (depth > 0) return depth;
  if (depth === 0) {
    throw new UsageError(`Cannot tell what changed in "${disk.path}" since itself: name one of its parents`);
  }
  const parents = disk.chain.slice(1).map((parent) => `"${parent}"`).join(", ");
  throw new MismatchError(
    `Cannot tell what changed in "${disk.path}" since "${since}": ` +
      (parents === "" ? "it is no snapshot" : `its parents are ${parents}`),
  );
}

async function mark(
  bitmap: Bitmap,
  { disk, blockBytes, linkCount, run }: {
    disk: VmdkDisk;
    blockBytes: number;
    linkCount: number;
    run: RunOptions;
  },
): Promise<void> {
  const checkpoint = new Checkpoint(run);
  for (let at = 0, count = 1; at < disk.capacityBytes; count++) {
    const { endBytes, named } = disk.namedAt(at, linkCount);
    if (named) bitmap.setRange(Math.floor(at / blockBytes), Math.ceil(endBytes / blockBytes));
    at = endBytes;
    if (count % STRETCHES_PER_LOOK !== 0) continue;
    await checkpoint.pass({
      doneBlocks: Math.floor(at / blockBytes),
      totalBlocks: bitmap.bitCount,
      blockBytes,
    });
  }
}
