/** `--audit`: how much of what a bitmap calls unchanged is looked at, and what is said of it. */

import type { SealedAudit } from "../archive/seal.ts";
import type { Options } from "../options/option.ts";
import { shareCaught } from "../pipeline/sample.ts";

/** Of `dump`. */
export const AUDIT_OPTIONS = {
  audit: {
    type: "percent",
    group: "audit",
    when: { name: "mode", is: ["incr"] },
    value: "percent",
    help: "of the blocks that the bitmap calls unchanged, read and compare so many, 5% for example " +
      "(default: 5%, but 90 to 459 blocks and at most 512 MiB; 0: none, the bitmap is believed)",
  },
  auditSeed: {
    type: "text",
    group: "audit",
    when: { name: "mode", is: ["incr"] },
    value: "text",
    help: "draw the sample that an earlier run reported with this seed",
  },
  onMismatch: {
    type: "choice",
    group: "audit",
    when: { name: "mode", is: ["incr"] },
    value: "action",
    choices: ["stop", "diff"],
    help: "if the bitmap is wrong: stop with exit code 3 (default), or go on with --mode diff",
  },
} as const satisfies Options;

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
