/** `--audit`: how much of what a bitmap calls unchanged is looked at, and what is said of it. */

import type { SealedAudit } from "../archive/seal.ts";
import { UsageError } from "../errors.ts";
import { shareCaught } from "../pipeline/sample.ts";
import type { Options } from "./options.ts";

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

/** Understands `--audit`: percent, 0 for none, `undefined` for the default. @throws {UsageError} if it is none of these */
export function parseAudit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === "0") return 0;
  const percent = /^[0-9]{1,3}(\.[0-9]{1,6})?%$/.test(text) ? Number(text.slice(0, -1)) : NaN;
  if (percent >= 0 && percent <= 100) return percent;
  throw new UsageError(`Cannot use --audit "${text}": a share like 5% or 0.5% is needed, up to 100%, or 0`);
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
