/**
 * The options that all functions of the pipeline take: threads, memory for bitmaps, progress and a signal
 * that stops them.
 */

import type { BitmapPages } from "../archive/bitmap_pages.ts";
import type { Core } from "../core.ts";
import { Pace, type PaceOptions } from "../pace.ts";
import { Crew } from "../workers/crew.ts";

/** The progress of a function. */
export interface Progress {
  /** The number of blocks of the disk that are done. */
  doneBlocks: number;
  /** The number of blocks of the disk. */
  totalBlocks: number;
  /** The size of a block. */
  blockBytes: number;
}

/** The options of a function of the pipeline. */
export interface RunOptions extends PaceOptions {
  /** The threads that work. Without it, the calling thread does all work. */
  crew?: Crew;
  /** Holds the pages of bitmaps, in memory and in a temporary file. Without it, all pages stay in memory. */
  pages?: BitmapPages;
  /** Is called a few times a second. */
  onProgress?: (progress: Progress) => void;
}

/** Returns the crew of the options, or one that consists of the calling thread. */
export function crewOf(core: Core, { crew }: RunOptions): Crew {
  return crew ?? new Crew(core, { threads: 1 });
}

/**
 * The core memory for the items of a conveyor: it keeps all threads busy, and it is a third of the memory
 * that the program may use.
 */
const RING_BYTES = 72 * 1024 * 1024;

/**
 * Returns the items of a conveyor: one for each thread, and one that is filled or written meanwhile. There is
 * a single item if not even two fit into `ringBytes`, or if there is one thread and no more than two fit.
 *
 * @param itemBytes the core memory of one item
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

/**
 * If blocks are larger, a single item is enough for work that is short: two would take more memory than their
 * overlap is worth.
 */
const LONE_ITEM_BYTES = 8 * 1024 * 1024;

/**
 * Returns the items of a conveyor for work that does not gain from a third item: one item is filled while the
 * other is hashed or written. Memory that is used for the first time costs time, too.
 */
export function shortRingOf<Item>(blockBytes: number, make: () => Item): Item[] {
  return blockBytes > LONE_ITEM_BYTES ? [make()] : [make(), make()];
}

/**
 * The point that a loop passes once for each batch: it lets the event loop run now and then, reports the
 * progress, and throws if the signal was aborted.
 */
export class Checkpoint {
  readonly #options: RunOptions;
  readonly #pace: Pace;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#pace = new Pace(options);
  }

  /** The same pace, for loops between the batches. */
  get pace(): Pace {
    return this.#pace;
  }

  /** Calls {@linkcode Checkpoint.pass} for the end of a batch. */
  passBatch(batch: { end: number }, header: { blockCount: number; blockBytes: number }): Promise<void> {
    return this.pass({
      doneBlocks: batch.end,
      totalBlocks: header.blockCount,
      blockBytes: header.blockBytes,
    });
  }

  async pass(progress: Progress): Promise<void> {
    // While other threads read and write files, the event loop runs anyway, so the signal may be aborted
    // before a rest is due.
    this.#options.signal?.throwIfAborted();
    if (!this.#pace.isDueNow()) return;
    await this.#pace.rest();
    this.#options.onProgress?.(progress);
  }
}
