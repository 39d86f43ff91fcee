/** Compares a sample of the blocks that a bitmap calls unchanged with the previous digest. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { SealedAudit } from "../archive/seal.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { MismatchError, UsageError } from "../errors.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import { auditSample } from "../pipeline/audit.ts";
import { defaultSampleBlocks, drawSample, SeededRandom } from "../pipeline/sample.ts";
import { isStream } from "./input_file.ts";
import type { Job } from "./job.ts";

/** A bitmap, with the disk and the previous digest by which it is tested. */
interface Claim {
  changedBlocks: Bitmap;
  /** The bitmap in messages: `bitmap "x.bmp"`. */
  name: string;
  digestin: string;
  disk: ReadableDisk;
}

/**
 * Reads a sample of the blocks that a bitmap calls unchanged, and compares it with the previous digest.
 *
 * @param options.percent percentage of the unchanged blocks; by default a small sample
 * @param options.seed seed of the sample; by default a random one
 * @returns the record for the seal, whatever the result of the comparison
 * @throws {UsageError} if `percent` is given and the digest can be read only once
 */
export async function audit(
  job: Job,
  { changedBlocks, digestin, disk }: Claim,
  { percent, seed = crypto.randomUUID() }: { percent?: number; seed?: string },
): Promise<SealedAudit> {
  const unchangedBlocks = changedBlocks.bitCount - changedBlocks.count();
  const record: SealedAudit = {
    ...(percent === undefined ? {} : { percent }),
    unchangedBlocks,
    sampledBlocks: 0,
    differingBlocks: 0,
    result: "skipped",
  };
  if (unchangedBlocks === 0 || percent === 0) return record;
  if (isStream(digestin)) {
    if (percent === undefined) {
      job.warn(`the bitmap is not audited: "${digestin}" can be read only once`);
      return record;
    }
    throw new UsageError(`Cannot use --audit with --digestin "${digestin}", which can be read only once`);
  }
  await using files = job.reading();
  const digestIn = await DigestReader.open(files.core, await files.source(digestin));
  const sampleBlocks = percent === undefined
    ? defaultSampleBlocks(unchangedBlocks, digestIn.header.blockBytes)
    : Math.min(unchangedBlocks, Math.ceil(unchangedBlocks * percent / 100));
  const random = await SeededRandom.of(seed);
  const sample = await drawSample(changedBlocks, { ...job.run, sampleBlocks, random });
  const result = await auditSample(files.core, { disk, digestIn, sample }, job.run);
  return { ...record, ...result, seed, result: result.differingBlocks === 0 ? "agrees" : "differs" };
}

/** Returns the error for a bitmap that calls a block unchanged which has changed, with advice. */
export function disbelief({ name, digestin, disk }: Claim, record: SealedAudit): MismatchError {
  const { firstDifferingBlock: block, differingBlocks, sampledBlocks } = record;
  return new MismatchError(
    `Cannot believe ${name}: it calls block ${block} unchanged, but on disk "${disk.path}" that block ` +
      `is not what "${digestin}" says (${differingBlocks} of ${sampledBlocks} sampled blocks differ); make a ` +
      `dump with --mode diff now, and trust no bitmap of this disk until its change tracking was set up anew: ` +
      `incremental dumps since the last full or diff may have missed changes, too`,
    { block },
  );
}
