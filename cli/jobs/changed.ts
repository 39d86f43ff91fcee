/**
 * Makes the bitmap of the blocks that the snapshots of a VMDK hold, as `changed` of the command line does.
 */

import { Bitmap } from "../archive/bitmap.ts";
import { openChain } from "../disks/open.ts";
import type { VmdkDisk } from "../disks/vmdk/disk.ts";
import { MismatchError, UsageError } from "../errors.ts";
import { Checkpoint, type RunOptions } from "../pipeline/run.ts";
import type { BitmapCounts } from "./bitmaps.ts";
import { DEFAULT_BLOCK_BYTES } from "./dump.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** A snapshot of a VMDK, and the bitmap that is made of it. */
export interface ChangedRequest {
  /** Path of the VMDK of the newest snapshot, which describes the present state of the disk. */
  disk: string;
  /** Path of the VMDK that was dumped: a parent of `disk`, or a parent of a parent. */
  since: string;
  /** Path of the new bitmap; `-` is standard output. */
  bmpout: string;
  /**
   * Bytes of a block, a multiple of 512 up to 16 MiB; 1 MiB by default. It must be the block size of the
   * dump.
   */
  blocksize?: number;
  /** Accept a VMDK that names files outside its folder. */
  allowOutside?: boolean;
}

/** Stretches of the disk between two looks at the clock. */
const STRETCHES_PER_LOOK = 1000;

/**
 * Writes a bitmap with a bit set for each block of which a snapshot newer than `since` holds a part. No data
 * is read.
 *
 * @throws {UsageError} if `since` is the disk itself
 * @throws {MismatchError} if `since` is no parent of the disk
 * @throws {FormatError} if a VMDK is damaged
 *
 * @example
 * ```ts
 * import { changed } from "./changed.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * const write = (name: string, lines: string[]) => {
 *   const first = ["# Disk DescriptorFile", "version=1", 'createType="monolithicFlat"'];
 *   Deno.writeTextFileSync(at(name), [...first, ...lines, 'ddb.adapterType = "lsilogic"'].join("\n"));
 * };
 * write("base.vmdk", ["CID=1", "parentCID=ffffffff", 'RW 8 FLAT "base-flat.vmdk" 0']);
 * Deno.writeFileSync(at("base-flat.vmdk"), new Uint8Array(8 * 512));
 * // A snapshot in which the whole disk has become zero:
 * write("snap.vmdk", ["CID=2", "parentCID=1", 'parentFileNameHint="base.vmdk"', "RW 8 ZERO"]);
 *
 * const request = { disk: at("snap.vmdk"), since: at("base.vmdk"), bmpout: at("1.bmp"), blocksize: 1024 };
 * assertEquals(await changed(request), { blocks: 4, setBlocks: 4 });
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function changed(request: ChangedRequest, options: JobOptions = {}): Promise<BitmapCounts> {
  const { disk: path, since, bmpout, blocksize: blockBytes = DEFAULT_BLOCK_BYTES, allowOutside } = request;
  return await Job.run(options, { inputs: [path, since], outputs: [bmpout] }, async (job) => {
    const disk = job.using(await openChain(path, { ...job.diskHelp, allowOutside, allowEncrypted: true }));
    job.lockDisk(disk);
    job.addInputs(disk.files);
    const bitmap = newBitmap(job, Math.ceil(disk.capacityBytes / blockBytes), blockBytes);
    await markLinks(bitmap, { disk, blockBytes, linkCount: linksAbove(disk, since), run: job.run });
    await job.outputs.writeBitmap(bmpout, bitmap);
    job.commit();
    return { blocks: bitmap.bitCount, setBlocks: bitmap.count() };
  });
}

function newBitmap(job: Job, blocks: number, blockBytes: number): Bitmap {
  try {
    return new Bitmap(blocks, job.run.pages);
  } catch (cause) {
    throw new UsageError(`Cannot use --blocksize ${blockBytes}: ${(cause as Error).message}`, { cause });
  }
}

/** Returns the number of snapshots that are newer than `since`. */
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

/** Sets the bits of the blocks of which the first `linkCount` links of the chain hold a part. */
export async function markLinks(
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
