/** `--audit`: how much of what a bitmap calls unchanged is looked at, and what is said of it. */

import type { Bitmap } from "../archive/bitmap.ts";
import type { SealedAudit } from "../archive/seal.ts";
import type { ReadableDisk } from "../disks/disk.ts";
import { MismatchError, UsageError } from "../errors.ts";
import { DigestReader } from "../pipeline/archive_reader.ts";
import { auditSample } from "../pipeline/audit.ts";
import { defaultSampleBlocks, drawSample, SeededRandom, shareCaught } from "../pipeline/sample.ts";
import type { Command, Options, ValuesOf } from "./options.ts";
import { isStream } from "./input_file.ts";
import type { Session } from "./session.ts";

/** Of `dump`. */
export const AUDIT_OPTIONS = {
  audit: {
    value: "percent",
    help: "of the blocks that the bitmap calls unchanged, read and compare so many, 5% for example " +
      "(default: 5%, but 90 to 459 blocks and at most 512 MiB; 0: none, the bitmap is believed)",
  },
  auditSeed: { value: "text", help: "draw the sample that an earlier run reported with this seed" },
  onMismatch: {
    value: "action",
    choices: ["stop", "diff"],
    help: "if the bitmap is wrong: stop with exit code 3 (default), or go on with --mode diff",
  },
} as const satisfies Options;

type AuditOptions = ValuesOf<Command<typeof AUDIT_OPTIONS>>;

/** The bitmap and what it speaks of. */
interface Claim {
  changedBlocks: Bitmap;
  bmpin: string;
  digestin: string;
  disk: ReadableDisk;
}

/** Understands `--audit`: percent, 0 for none, `undefined` for the default. @throws {UsageError} if it is none of these */
export function parseAudit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === "0") return 0;
  const percent = /^[0-9]{1,3}(\.[0-9]{1,6})?%$/.test(text) ? Number(text.slice(0, -1)) : NaN;
  if (percent >= 0 && percent <= 100) return percent;
  throw new UsageError(`Cannot use --audit "${text}": a share like 5% or 0.5% is needed, up to 100%, or 0`);
}

/**
 * Compares a sample with the previous digest, which is read for that and closed again.
 *
 * @throws {UsageError} if an audit is asked for and the digest can be read only once
 */
export async function audit(session: Session, claim: Claim, options: AuditOptions): Promise<SealedAudit> {
  const { changedBlocks, digestin, disk } = claim;
  const percent = parseAudit(options.audit);
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
      session.warn(`the bitmap is not audited: "${digestin}" can be read only once`);
      return record;
    }
    throw new UsageError(`Cannot use --audit with --digestin "${digestin}", which can be read only once`);
  }
  await using files = session.reading();
  const digestIn = await DigestReader.open(files.core, await files.source(digestin));
  const sampleBlocks = percent === undefined
    ? defaultSampleBlocks(unchangedBlocks, digestIn.header.blockBytes)
    : Math.min(unchangedBlocks, Math.ceil(unchangedBlocks * percent / 100));
  const seed = options.auditSeed ?? crypto.randomUUID();
  const random = await SeededRandom.of(seed);
  const sample = await drawSample(changedBlocks, { ...session.run, sampleBlocks, random });
  const result = await auditSample(files.core, { disk, digestIn, sample }, session.run);
  return { ...record, ...result, seed, result: result.differingBlocks === 0 ? "agrees" : "differs" };
}

/** Why a bitmap cannot be used, and what to do now. */
export function disbelief({ bmpin, digestin, disk }: Claim, record: SealedAudit): MismatchError {
  const { firstDifferingBlock: block, differingBlocks, sampledBlocks } = record;
  return new MismatchError(
    `Cannot believe bitmap "${bmpin}": it calls block ${block} unchanged, but on disk "${disk.path}" that block ` +
      `is not what "${digestin}" says (${differingBlocks} of ${sampledBlocks} sampled blocks differ); make a ` +
      `dump with --mode diff now, and trust no bitmap of this disk until its change tracking was set up anew: ` +
      `incremental dumps since the last full or diff may have missed changes, too`,
    { block },
  );
}

/** The line of the report. */
export function auditText(record: SealedAudit): string {
  const { unchangedBlocks, sampledBlocks, differingBlocks, firstDifferingBlock, result } = record;
  if (unchangedBlocks === 0) return "  audit: the bitmap names every block";
  if (result === "skipped") {
    return `  audit: NONE, what the bitmap says of ${unchangedBlocks} unchanged blocks is believed`;
  }
  const sampled =
    `  audit: ${sampledBlocks} of ${unchangedBlocks} blocks that the bitmap calls unchanged were read, `;
  if (result === "differs") {
    return `${sampled}${differingBlocks} differ (the first is block ${firstDifferingBlock}): the bitmap was not used`;
  }
  if (sampledBlocks === unchangedBlocks) return `${sampled}all are`;
  const share = Number((shareCaught(sampledBlocks) * 100).toPrecision(2));
  return `${sampled}all are; if ${share} % were not, this would be noticed with 99 % probability`;
}
