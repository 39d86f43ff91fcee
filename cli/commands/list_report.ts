/** What is said of a list of archives that was checked. */

import { formatSeriesId } from "../archive/header.ts";
import { formatTimeStamp } from "../archive/time_stamp.ts";
import type { ListFindings } from "../jobs/check_list.ts";
import type { CheckCounts } from "../pipeline/check.ts";
import { labelOf, suiteNameOf } from "./disk_label.ts";
import type { Verdict } from "./folder_report.ts";
import { signedText, unsealedText } from "./seal_texts.ts";
import { headerJson } from "./summary.ts";

const UNPROVED =
  "  not proved: no seal or digest tells what the blocks must be, or the seal was made of archives that nothing proved";

/** Makes the report of a list. */
export function reportList(
  findings: ListFindings,
  { archives, digestin }: { archives: readonly string[]; digestin?: string },
): Verdict {
  const { isRight, isProved, isRead, header, counts, faults, seals, signed, unsealed } = findings;
  const ok = isRight && isProved;
  const text = [
    counts === undefined ? `${archives.length} archives: the blocks were not read` : countsText(counts),
    ...faults.map((fault) => `  wrong: ${fault}`),
    ...(isRight && !isProved ? [UNPROVED] : []),
    ...signedText(signed),
    ...unsealedText(unsealed),
  ];
  const labelled = { series: formatSeriesId(header.seriesId), seals, paths: archives };
  const name = `${labelOf(labelled)}, ${formatTimeStamp(header.time)}`;
  const outcome = ok ? {} : isRight ? { skipped: UNPROVED.trim() } : { failure: text.join("\n") };
  return {
    ok,
    isRight,
    isRead,
    text,
    json: {
      archives,
      ...(digestin === undefined ? {} : { digest: digestin }),
      generation: headerJson(header),
      ...counts,
      proved: isProved,
      signed,
      faults,
      unsealed,
    },
    suites: [{ name: suiteNameOf(labelled), cases: [{ name, ...outcome }] }],
  };
}

function countsText({ blocks, goodBlocks, zeroBlocks, absentBlocks, badBlocks }: CheckCounts): string {
  const absent = absentBlocks > 0 ? `, ${absentBlocks} not in these archives` : "";
  return `${blocks} blocks: ${goodBlocks} good (${zeroBlocks} zero), ${badBlocks} bad${absent}`;
}
