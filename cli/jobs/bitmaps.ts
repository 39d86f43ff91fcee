/** Makes bitmaps of changed blocks, and reads them. */

import { Bitmap } from "../archive/bitmap.ts";
import { MismatchError } from "../errors.ts";
import { DumpReader } from "../pipeline/archive_reader.ts";
import { markRecords } from "../pipeline/compare.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** An rdiff, and the bitmap to be. */
export interface RdiffBitmapRequest {
  /** Path of the rdiff. */
  rdiffin: string;
  /** Path of the bitmap. */
  bmpout: string;
}

/** What a bitmap says. */
export interface BitmapCounts {
  /** Blocks of the disk. */
  blocks: number;
  /** Those whose bit is set. */
  setBlocks: number;
}

/**
 * Writes a bitmap with a bit set for each block that an rdiff holds.
 *
 * @throws {MismatchError} if the archive is not an rdiff
 */
export async function bitmapOfRdiff(
  { rdiffin, bmpout }: RdiffBitmapRequest,
  options: JobOptions = {},
): Promise<BitmapCounts> {
  await using job = await Job.start(options, { inputs: [rdiffin], outputs: [bmpout] });
  const reader = await DumpReader.open(job.core, await job.source(rdiffin));
  if (reader.header.full) {
    throw new MismatchError(`Cannot make a bitmap of "${rdiffin}": it is a dump, an rdiff is needed`);
  }
  const bitmap = new Bitmap(reader.header.blockCount, job.run.pages);
  await markRecords(job.core, reader, bitmap, job.run);
  await job.writeBitmap(bmpout, bitmap);
  job.commit();
  return { blocks: bitmap.bitCount, setBlocks: bitmap.count() };
}

/** Opens the bitmap at `path` and calls `use` with it. It is in memory, or in part in a file, until `use` has settled. */
export async function readBitmapFile<T>(
  path: string,
  use: (bitmap: Bitmap) => Promise<T>,
  options: JobOptions = {},
): Promise<T> {
  await using job = await Job.start(options, { inputs: [path] });
  return await use(await job.files.bitmap(path));
}
