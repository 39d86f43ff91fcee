/**
 * Compares archives with a digest, and visits the digests of the blocks that no archive has at their place.
 */

import { Bitmap } from "../archive/bitmap.ts";
import type { DamagedFile } from "../archive/damaged_file.ts";
import type { Core } from "../core.ts";
import { Batch } from "../pipeline/batch.ts";
import { Checkpoint, crewOf, type RunOptions } from "../pipeline/run.ts";
import { type DigestFindings, isUnknown, isZeroDigest, KnownDigests } from "./digest_survey.ts";
import { type ExpectedArchive, Survey } from "./survey.ts";
import { WantedBlocks } from "./wanted_blocks.ts";

/** The findings about a digest and the file that holds it. */
export interface DigestInFile {
  file: DamagedFile;
  findings: DigestFindings;
}

/** Returns the sizes that all archives of the generation must have. */
export function sizesOfGeneration({ findings: { header } }: DigestInFile): ExpectedArchive {
  return { blockBytes: header.blockBytes, blockCount: header.blockCount };
}

/** Returns the blocks whose digests prove them only at their own place. */
export function uncertainOf({ findings: { header, known } }: DigestInFile, { pages }: RunOptions): Bitmap {
  const uncertain = new Bitmap(header.blockCount, pages);
  for (const { start, end, isCertain } of known) if (!isCertain) uncertain.setRange(start, end);
  return uncertain;
}

/** A batch and the digests that its blocks must have. */
export class DigestComparison {
  readonly batch: Batch;
  readonly recordedPtr: number;
  readonly recorded: Uint8Array;
  readonly badPtr: number;
  readonly bad: Uint8Array;

  constructor(core: Core, blockBytes: number) {
    this.batch = new Batch(core, blockBytes);
    const { capacity } = this.batch;
    this.recordedPtr = core.alloc(capacity * core.DIGEST_SIZE);
    this.recorded = core.bytes(this.recordedPtr, capacity * core.DIGEST_SIZE);
    this.badPtr = core.alloc(capacity);
    this.bad = core.bytes(this.badPtr, capacity);
  }

  /**
   * Hashes the batch and marks the blocks whose MD5 differs from the recorded one. Absent blocks are not
   * marked.
   */
  async compare(core: Core, options: RunOptions): Promise<void> {
    const { batch, recordedPtr, badPtr } = this;
    await batch.hash(crewOf(core, options));
    core.diffDigests(batch.digestsPtr, recordedPtr, batch.count, badPtr, batch.tablePtr);
  }
}

/**
 * Compares the records of one archive with a digest and calls `onBatch` for each batch. Returns the survey,
 * which has read the archive to its end.
 */
export async function compareWithDigest(
  owner: Core,
  { file, digest, onBatch }: {
    file: DamagedFile;
    digest: DigestInFile;
    onBatch: (run: DigestComparison, survey: Survey) => void;
  },
  options: RunOptions = {},
): Promise<Survey> {
  await using core = owner.scope();
  const { blockBytes, blockCount } = digest.findings.header;
  const survey = await Survey.open(core, file, { expected: { blockBytes, blockCount }, run: options });
  const digests = new KnownDigests(core, digest.file, digest.findings);
  const run = new DigestComparison(core, blockBytes);
  const checkpoint = new Checkpoint(options);
  for (let first = 0; run.batch.start(first, blockCount); first = run.batch.end) {
    await survey.take(run.batch);
    await digests.take(run.recordedPtr, run.batch.count);
    await run.compare(core, options);
    onBatch(run, survey);
    await checkpoint.passBatch(run.batch, digest.findings.header);
  }
  await survey.finish();
  return survey;
}

/**
 * Returns the digests of the blocks in `lost`, as many as a table can hold. Zero blocks, and blocks whose
 * digest is not known, are left out.
 */
export async function wantedDigests(
  core: Core,
  digest: DigestInFile,
  lost: Bitmap,
  options: RunOptions,
): Promise<WantedBlocks> {
  const wanted = new WantedBlocks(lost.count());
  await visitLost(core, { digest, lost }, options, (_block, digests, at) => {
    if (!wanted.isFull && !isZeroDigest(digests, at) && !isUnknown(digests, at)) wanted.add(digests, at);
  });
  return wanted;
}

/**
 * Calls `visit` for each block in `lost`, ascending, with an array of digests and the offset of the block's
 * digest in it. The array is valid until `visit` returns.
 */
export async function visitLost(
  owner: Core,
  { digest, lost }: { digest: DigestInFile; lost: Bitmap },
  options: RunOptions,
  visit: (block: number, digests: Uint8Array, at: number) => void,
): Promise<void> {
  await using core = owner.scope();
  const capacity = 4096;
  const size = core.DIGEST_SIZE;
  const digests = new KnownDigests(core, digest.file, digest.findings);
  const ptr = core.alloc(capacity * size);
  const bytes = core.bytes(ptr, capacity * size);
  const checkpoint = new Checkpoint(options);
  const { blockCount, blockBytes } = digest.findings.header;
  for (let first = 0; first < blockCount; first += capacity) {
    const count = Math.min(capacity, blockCount - first);
    await digests.take(ptr, count);
    for (let block = lost.next(first, first + count, true); block < first + count;) {
      visit(block, bytes, (block - first) * size);
      block = lost.next(block + 1, first + count, true);
    }
    await checkpoint.pass({ doneBlocks: first + count, totalBlocks: blockCount, blockBytes });
  }
}
