/**
 * Searches damaged archives for blocks with known MD5s. The MD5 proves a block, wherever in an archive it is
 * found.
 */

import type { DamagedFile } from "../archive/damaged_file.ts";
import type { Core } from "../core.ts";
import { Batch, HALF_BATCH_BYTES } from "../pipeline/batch.ts";
import { Checkpoint, crewOf, type RunOptions } from "../pipeline/run.ts";
import { type ExpectedArchive, Survey } from "./survey.ts";
import type { WantedBlocks } from "./wanted_blocks.ts";

/** A wanted block that was found. `content` and `digest` are valid until the callback returns. */
export interface FoundBlock {
  content: Uint8Array;
  /** The MD5 of the block. */
  digest: Uint8Array;
  /** The block number in the header of the record; undefined if there is no header. */
  block?: number;
  /** True if the block is not part of the ascending sequence of records. */
  isStray: boolean;
}

/** The number of bytes of stray blocks that are hashed at a time. */
const STRAY_BATCH_BYTES = 2 * 1024 * 1024;

/**
 * Searches one archive for wanted blocks. `onFound` is called for each occurrence. Returns the survey, which
 * has read the archive to its end.
 */
export async function searchBlocks(
  owner: Core,
  file: DamagedFile,
  { wanted, expected, onFound, run = {} }: {
    wanted: WantedBlocks;
    expected: ExpectedArchive;
    onFound: (found: FoundBlock) => void;
    run?: RunOptions;
  },
): Promise<Survey> {
  await using core = owner.scope();
  const crew = crewOf(core, run);
  const { blockBytes } = expected;
  const strays = new StrayBatch(core, { blockBytes, wanted, onFound });
  const survey = await Survey.open(core, file, {
    expected,
    run,
    onStray: (content, block) => strays.add(content, block),
  });
  const batch = new Batch(core, blockBytes, HALF_BATCH_BYTES);
  const checkpoint = new Checkpoint(run);
  for (let first = 0; batch.start(first, survey.blockCount); first = Math.max(batch.end, survey.nextBlock)) {
    await survey.take(batch);
    await batch.hash(crew);
    for (let i = 0; i < batch.count; i++) {
      const at = i * core.DIGEST_SIZE;
      if (batch.table[i] <= core.ABSENT || !wanted.has(batch.digests, at)) continue;
      const block = batch.first + i;
      const digest = batch.digests.subarray(at, at + core.DIGEST_SIZE);
      onFound({ content: batch.slots(block, block + 1), digest, block, isStray: false });
    }
    await checkpoint.passBatch(batch, survey);
  }
  await survey.finish();
  strays.flush();
  return survey;
}

/** Collects stray blocks so that they can be hashed together. */
class StrayBatch {
  readonly #core: Core;
  readonly #batch: Batch;
  readonly #blocks: (number | undefined)[] = [];
  readonly #wanted: WantedBlocks;
  readonly #onFound: (found: FoundBlock) => void;

  constructor(
    core: Core,
    { blockBytes, wanted, onFound }: {
      blockBytes: number;
      wanted: WantedBlocks;
      onFound: (found: FoundBlock) => void;
    },
  ) {
    this.#core = core;
    this.#batch = new Batch(core, blockBytes, STRAY_BATCH_BYTES);
    this.#wanted = wanted;
    this.#onFound = onFound;
  }

  add(content: Uint8Array, block: number | undefined): void {
    const at = this.#blocks.length;
    this.#batch.slots(at, at + 1).set(content);
    this.#batch.table[at] = this.#batch.slotPtr(at);
    this.#blocks.push(block);
    if (this.#blocks.length === this.#batch.capacity) this.flush();
  }

  flush(): void {
    const { tablePtr, blockBytes, digests, digestsPtr } = this.#batch;
    const blocks = this.#blocks.splice(0);
    this.#core.md5Blocks(tablePtr, blocks.length, blockBytes, digestsPtr);
    for (const [i, block] of blocks.entries()) {
      const at = i * this.#core.DIGEST_SIZE;
      if (!this.#wanted.has(digests, at)) continue;
      const digest = digests.subarray(at, at + this.#core.DIGEST_SIZE);
      this.#onFound({ content: this.#batch.slots(i, i + 1), digest, block, isStray: true });
    }
  }
}
