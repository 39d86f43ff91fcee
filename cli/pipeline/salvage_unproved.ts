/** What is left of a list of archives whose digest is lost too: all that looks intact, and nothing is proved. */

import { Bitmap } from "../archive/bitmap.ts";
import type { ByteSink } from "../archive/bytes.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import type { DumpHeader } from "../archive/header.ts";
import type { Core } from "../core.ts";
import { UsageError } from "../errors.ts";
import { Batch, SMALL_BATCH_BYTES } from "./batch.ts";
import { DumpWriter } from "./dump_writer.ts";
import type { ArchiveFault } from "./fault_log.ts";
import { Checkpoint, type RunOptions } from "./run.ts";
import { Survey } from "./survey.ts";
import { SurveyWindow } from "./survey_window.ts";

/** What was brought back. */
export interface SalvagedUnproved {
  blocks: number;
  /** Blocks without a record; the dump has zeros in their place. */
  lostBlocks: number;
  lost: Bitmap;
  /** Blocks that a damaged rdiff may have had, so that what was saved may be of a newer generation. */
  doubtful: Bitmap;
  faults: ArchiveFault[];
  faultCount: number;
}

const MAX_SHOWN_FAULTS = 1000;

/** Core memory for the windows of the archives, which are read side by side. */
const WINDOWS_BYTES = 128 * 1024 * 1024;

/** How many archives with blocks of this size can be read at a time. */
function mostArchives(blockBytes: number): number {
  return Math.max(2, Math.floor(WINDOWS_BYTES / SurveyWindow.bytesFor(blockBytes)));
}

/**
 * Writes what a list of archives leads to, newest first: of each block the last record of the list that looks intact.
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
  /** For each archive but the newest, the blocks that it has or that an older one has. */
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
    /** Many faults can cost the same blocks. */
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

/** Marks the blocks of a range whose bits are 0 in both bitmaps. */
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
