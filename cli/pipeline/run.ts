/** What a running command tells the outside, and how it is stopped. */

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
export interface RunOptions {
  /** Aborting stops the command at its next batch; the reason is what it throws. */
  signal?: AbortSignal;
  /** Called a few times a second. */
  onProgress?: (progress: Progress) => void;
}

const YIELD_INTERVAL_MS = 50;

/**
 * A long loop of synchronous calls never lets a signal handler run, so the loop passes here once a batch: it gives way
 * to events every {@linkcode YIELD_INTERVAL_MS}, reports progress, and throws if the command was stopped.
 */
export class Checkpoint {
  readonly #options: RunOptions;
  #lastYield = performance.now();

  constructor(options: RunOptions) {
    this.#options = options;
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
    const now = performance.now();
    if (now - this.#lastYield < YIELD_INTERVAL_MS) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#lastYield = performance.now();
    this.#options.signal?.throwIfAborted();
    this.#options.onProgress?.(progress);
  }
}
