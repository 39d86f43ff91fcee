/**
 * Writes the rest of a list of archives as a dump if their digest is lost too. It contains all blocks that
 * look intact; none of them is proved.
 */

import { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink } from "../archive/bytes.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import type { DumpHeader } from "../archive/header.ts";
import type { Core } from "../core.ts";
import { UsageError } from "../errors.ts";
import { Batch, SMALL_BATCH_BYTES } from "../pipeline/batch.ts";
import { DumpWriter } from "../pipeline/dump_writer.ts";
import { Checkpoint, type RunOptions } from "../pipeline/run.ts";
import type { ArchiveFault } from "./fault_log.ts";
import { Survey } from "./survey.ts";
import { SurveyWindow } from "./survey_window.ts";

/** The result of a salvage without a digest. */
export interface SalvagedUnproved {
  blocks: number;
  /** The number of blocks without a record. The dump has zeros in their place. */
  lostBlocks: number;
  lost: Bitmap;
  /**
   * Blocks of which a damaged rdiff may have lost a record, so that the saved block may be of a newer
   * generation.
   */
  doubtful: Bitmap;
  faults: ArchiveFault[];
  faultCount: number;
}

const MAX_SHOWN_FAULTS = 1000;

/** The core memory for the windows of the archives, which are read at the same time. */
const WINDOWS_BYTES = 128 * 1024 * 1024;

/** Returns how many archives with blocks of this size can be read at the same time. */
function mostArchives(blockBytes: number): number {
  return Math.max(2, Math.floor(WINDOWS_BYTES / SurveyWindow.bytesFor(blockBytes)));
}

/**
 * Writes the generation to which a list of archives leads, newest first. Each block comes from the last
 * archive of the list that has a record of it that looks intact.
 *
 * @throws {UsageError} if there are too many archives
 */
export async function salvageUnproved(
  owner: Core,
  { archives, header, dumpOut }: {
    archives: readonly DamagedFile[];
    header: DumpHeader;
    dumpOut: ByteSink;
  },
  options: RunOptions = {},
): Promise<SalvagedUnproved> {
  await using core = owner.scope();
  const { blockCount, blockBytes } = header;
  const { pages } = options;
  const most = mostArchives(blockBytes);
  if (archives.length > most) {
    throw new UsageError(
      `Cannot salvage ${archives.length} archives without a digest: of archives with blocks of ${blockBytes} bytes ` +
        `at most ${most} are read at a time; salvage the newest of them first, and the others with that dump`,
    );
  }
  const checkpoint = new Checkpoint(options);
  const surveys: Survey[] = [];
  for (const file of archives.toReversed()) {
    surveys.push(await Survey.open(core, file, { expected: { blockBytes, blockCount }, run: options }));
  }
  const batch = new Batch(core, blockBytes, SMALL_BATCH_BYTES);
  const writer = new DumpWriter(core, dumpOut, header);
  const lost = new Bitmap(blockCount, pages);
  /**
   * For each archive, the blocks of which it or an older archive has a record. The one of the newest archive
   * is not used.
   */
  const taken = surveys.map(() => new Bitmap(blockCount, pages));
  for (let first = 0; batch.start(first, blockCount); first = batch.end) {
    for (const [i, survey] of surveys.entries()) {
      await survey.take(batch);
      for (let at = 0; at < batch.count; at++) {
        if (batch.table[at] !== core.ABSENT) taken[i].set(batch.first + at);
      }
    }
    for (let at = 0; at < batch.count; at++) {
      if (batch.table[at] !== core.ABSENT) continue;
      batch.table[at] = core.ZERO;
      lost.set(batch.first + at);
    }
    await writer.write(batch);
    await checkpoint.passBatch(batch, header);
  }
  await writer.finish();

  const doubtful = new Bitmap(blockCount, pages);
  const faults: ArchiveFault[] = [];
  let faultCount = 0;
  for (const [i, survey] of surveys.entries()) {
    await survey.finish();
    faults.push(...survey.faults.slice(0, Math.max(0, MAX_SHOWN_FAULTS - faults.length)));
    faultCount += survey.faultCount;
    /** The ranges that were marked already: many faults may affect the same blocks. */
    const done = new Set<string>();
    for (const { start, end } of i === surveys.length - 1 ? [] : survey.faults) {
      if (done.has(`${start} ${end}`)) continue;
      done.add(`${start} ${end}`);
      const range = { from: start, end: Math.min(end, blockCount) };
      await markNeither([taken[i], lost], range, doubtful, checkpoint);
    }
  }
  return { blocks: blockCount, lostBlocks: lost.count(), lost, doubtful, faults, faultCount };
}

/** Sets the bits in `marked` of the blocks of a range whose bits are 0 in both bitmaps. */
async function markNeither(
  [a, b]: readonly [Bitmap, Bitmap],
  { from, end }: { from: number; end: number },
  marked: Bitmap,
  { pace }: Checkpoint,
): Promise<void> {
  for (let block = from; (block = a.next(block, end, false)) < end;) {
    const endOfA = a.next(block, end, true);
    while ((block = b.next(block, endOfA, false)) < endOfA) {
      const endOfB = b.next(block, endOfA, true);
      marked.setRange(block, endOfB);
      block = endOfB;
      if (pace.isDue()) await pace.rest();
    }
  }
}
