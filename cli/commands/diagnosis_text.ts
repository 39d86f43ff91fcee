/** The lines of a report about damaged archives: which blocks are wrong, and where they are intact. */

import type { Explanation } from "../jobs/diagnosis.ts";

/** Runs and faults that are told; `--json` has more. */
const SHOWN = 20;

/** Lines about the wrong blocks, and where else they are intact. */
export function diagnosisText({ digestin, diagnosis }: Explanation): string[] {
  if ("reason" in diagnosis) return [`which blocks are wrong is not known: ${diagnosis.reason}`];
  const { goodBlocks, wrongBlocks, intactElsewhere, runs, runCount, faults, faultCount } = diagnosis;
  const text = wrongBlocks === 0
    ? [`${blocksName(goodBlocks)} match the digest`]
    : [`${blocksName(goodBlocks)} good, ${wrongBlocks} not; ${intactElsewhere} of these intact elsewhere`];
  for (const { start, end, state, path, offsetBytes, intactIn } of runs.slice(0, SHOWN)) {
    const blocks = end - start === 1 ? `block ${start}` : `blocks ${start} to ${end - 1}`;
    const place = offsetBytes === undefined ? "" : ` at byte ${offsetBytes}`;
    const copy = intactIn === undefined
      ? ""
      : intactIn === digestin
      ? "; zeros"
      : `; intact in "${intactIn}"`;
    text.push(`  ${state}: ${blocks}: "${path}"${place}${copy}`);
  }
  if (runCount > SHOWN) text.push(`  ${runCount - SHOWN} more runs of blocks (--json has more of them)`);
  for (const { path, offsetBytes, expected, found } of faults.slice(0, SHOWN)) {
    text.push(
      `  damage: "${path}" at byte ${offsetBytes}: ${expected} is expected, ${found} is found`,
    );
  }
  if (faultCount > SHOWN) text.push(`  damage: ${faultCount - SHOWN} more places`);
  if (wrongBlocks > 0) text.push("  salvage brings back what is intact anywhere");
  return text;
}

function blocksName(count: number): string {
  return count === 1 ? "1 block" : `${count} blocks`;
}
