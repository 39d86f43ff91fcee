/** Makes the bitmap of an rdiff, and reads bitmaps. */

import { Bitmap } from "../archive/bitmap.ts";
import { MismatchError } from "../errors.ts";
import { DumpReader } from "../pipeline/archive_reader.ts";
import { markRecords } from "../pipeline/compare.ts";
import { type ArchiveInput, pathOf } from "./archive_input.ts";
import { Job } from "./job.ts";
import type { JobOptions } from "./options.ts";

/** An rdiff, and the bitmap that is made of it. */
export interface RdiffBitmapRequest {
  /** The rdiff. */
  rdiffin: ArchiveInput;
  /** Path of the new bitmap; `-` is standard output. */
  bmpout: string;
}

/** How many bits a bitmap has. */
export interface BitmapCounts {
  /** Blocks of the disk: the bits of the bitmap. */
  blocks: number;
  /** Blocks whose bit is set. */
  setBlocks: number;
}

/** Blocks from `start` up to `end`, without `end`; the first block of a disk is 0. */
export interface BlockRange {
  /** The first block. */
  start: number;
  /** The block after the last one. */
  end: number;
}

/** A bitmap that is open: one bit for each block of a disk, set where the block may have changed. */
export interface OpenBitmap {
  /** Blocks of the disk. */
  readonly bitCount: number;
  /** Returns whether the bit of a block (0 to `bitCount - 1`) is set. */
  get(block: number): boolean;
  /** Returns how many bits are set. */
  count(): number;
  /** Returns the runs of set bits in ascending order. */
  runs(): Iterable<BlockRange>;
}

/**
 * Writes a bitmap with a bit set for each block that an rdiff has a record of.
 *
 * @throws {MismatchError} if the archive is not an rdiff
 * @throws {FormatError} if the rdiff is damaged
 *
 * @example
 * ```ts
 * import { bitmapOfRdiff, readBitmapFile } from "./bitmaps.ts";
 * import { dump } from "./dump.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = Deno.makeTempDirSync();
 * const at = (name: string) => `${folder}/${name}`;
 * const disk = at("disk.raw");
 * Deno.writeFileSync(disk, new Uint8Array(4 * 512));
 * const monday = { dumpout: at("1.dump"), digestout: at("1.digest") };
 * await dump({ mode: "full", disk, blocksize: 512, ...monday });
 * Deno.writeFileSync(disk, new Uint8Array(4 * 512).fill(1, 512, 1024)); // block 1 changes
 * const previous = { dumpin: monday.dumpout, digestin: monday.digestout };
 * const tuesday = { dumpout: at("2.dump"), digestout: at("2.digest"), rdiffout: at("1.rdiff") };
 * await dump({ mode: "diff", disk, ...previous, ...tuesday });
 *
 * const counts = await bitmapOfRdiff({ rdiffin: at("1.rdiff"), bmpout: at("1.bmp") });
 * assertEquals(counts, { blocks: 4, setBlocks: 1 });
 * const runs = await readBitmapFile(at("1.bmp"), (bitmap) => Promise.resolve([...bitmap.runs()]));
 * assertEquals(runs, [{ start: 1, end: 2 }]);
 * Deno.removeSync(folder, { recursive: true });
 * ```
 */
export async function bitmapOfRdiff(
  { rdiffin, bmpout }: RdiffBitmapRequest,
  options: JobOptions = {},
): Promise<BitmapCounts> {
  return await Job.run(options, { inputs: [rdiffin], outputs: [bmpout] }, async (job) => {
    const reader = await DumpReader.open(job.core, await job.source(pathOf(rdiffin)));
    if (reader.header.full) {
      throw new MismatchError(`Cannot make a bitmap of "${reader.path}": it is a dump, an rdiff is needed`);
    }
    const bitmap = new Bitmap(reader.header.blockCount, job.run.pages);
    await markRecords(job.core, reader, bitmap, job.run);
    await job.outputs.writeBitmap(bmpout, bitmap);
    job.commit();
    return { blocks: bitmap.bitCount, setBlocks: bitmap.count() };
  });
}

/**
 * Opens the bitmap at `path` (`-` is standard input), calls `use` with it and returns the result. The bitmap
 * is open until `use` has settled; of a large one, parts are in a file that has no name.
 *
 * @throws {FormatError} if the file is not a bitmap, or is cut
 *
 * @example
 * ```ts
 * import { readBitmapFile } from "./bitmaps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const path = Deno.makeTempFileSync();
 * Deno.writeFileSync(path, new TextEncoder().encode("vmdkbkp")); // this is not a bitmap
 * const count = readBitmapFile(path, (bitmap) => Promise.resolve(bitmap.count()));
 * assertEquals(await count.catch((error) => error.name), "FormatError");
 * Deno.removeSync(path);
 * ```
 */
export async function readBitmapFile<T>(
  path: string,
  use: (bitmap: OpenBitmap) => Promise<T>,
  options: JobOptions = {},
): Promise<T> {
  return await Job.run(options, { inputs: [path] }, async (job) => {
    return await use(await job.files.bitmap(path));
  });
}
