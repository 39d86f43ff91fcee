/** What a running command works with and tells the outside, and how it is stopped. */

import type { BitmapPages } from "../archive/bitmap_pages.ts";
import type { Core } from "../core.ts";
import { Pace, type PaceOptions } from "../pace.ts";
import { Crew } from "../workers/crew.ts";

/** How far a command is. */
export interface Progress {
  /** Blocks of the disk passed so far. */
  doneBlocks: number;
  /** Blocks of the disk. */
  totalBlocks: number;
  /** Bytes of a block. */
  blockBytes: number;
}

/** Handed to every function of the pipeline. */
export interface RunOptions extends PaceOptions {
  /** The threads that work; without it this one alone. */
  crew?: Crew;
  /** Where the bitmaps of the command lie; without it they stay in memory. */
  pages?: BitmapPages;
  /** Called a few times a second. */
  onProgress?: (progress: Progress) => void;
}

/** The crew of a run. */
export function crewOf(core: Core, { crew }: RunOptions): Crew {
  return crew ?? new Crew(core, { threads: 1 });
}

/** Core memory for what goes round on a conveyor: as much as keeps everybody at work, a third of what the program may have. */
const RING_BYTES = 72 * 1024 * 1024;

/**
 * Returns the items of `itemBytes` that go round: one for each thread, and one that is filled or written
 * meanwhile. Where not even two fit into `ringBytes`, one goes round alone, and a single thread has one where no
 * more than two fit.
 */
export function ringOf<Item>(
  crew: Crew,
  itemBytes: number,
  make: () => Item,
  { ringBytes = RING_BYTES } = {},
): Item[] {
  const fitting = Math.floor(ringBytes / itemBytes);
  if (fitting < (crew.threads === 1 ? 3 : 2)) return [make()];
  return Array.from({ length: Math.min(crew.threads + 1, fitting) }, make);
}

/** Above, one item does where little is done with it: two would take more memory than their overlap is worth. */
const LONE_ITEM_BYTES = 8 * 1024 * 1024;

/**
 * The same where a third one gains nothing: one is filled while the other is hashed or written. Memory that is touched for the
 * first time takes its time, too.
 */
export function shortRingOf<Item>(blockBytes: number, make: () => Item): Item[] {
  return blockBytes > LONE_ITEM_BYTES ? [make()] : [make(), make()];
}

/**
 * Where a loop passes once a batch: it gives way to events now and then, reports its progress, and throws if the command was
 * stopped.
 */
export class Checkpoint {
  readonly #options: RunOptions;
  readonly #pace: Pace;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#pace = new Pace(options);
  }

  /** The pace of loops between the batches. */
  get pace(): Pace {
    return this.#pace;
  }

  /** {@linkcode pass} at the end of a batch. */
  passBatch(batch: { end: number }, header: { blockCount: number; blockBytes: number }): Promise<void> {
    return this.pass({
      doneBlocks: batch.end,
      totalBlocks: header.blockCount,
      blockBytes: header.blockBytes,
    });
  }

  async pass(progress: Progress): Promise<void> {
    // Files that are read and written by other threads let the events run meanwhile.
    this.#options.signal?.throwIfAborted();
    if (!this.#pace.isDueNow()) return;
    await this.#pace.rest();
    this.#options.onProgress?.(progress);
  }
}
