/** `vmdkbkp compare`: are two archives the same? */

import { EXIT, MismatchError } from "../errors.ts";
import { compareDigests, compareDumps, type CompareResult } from "../pipeline/compare.ts";
import { DigestReader, DumpReader, openArchive } from "../pipeline/archive_reader.ts";
import type { ValuesOf } from "./options.ts";
import { newCommand } from "./common.ts";
import { Session } from "./session.ts";
import { secondsSince } from "./summary.ts";

export const command = newCommand("compare", {
  description: `Compare two archives of one kind block by block.

Prints SAME or DIFFERENT and the first block that differs; DIFFERENT has exit code ${EXIT.different},
an archive that is damaged ${EXIT.corrupt}. Sizes and blocks count; series, time and metadata are only reported.`,
  examples: `
vmdkbkp compare 0.dump.zst merged.dump
vmdkbkp compare 0.digest recomputed.digest`,
  args: { "<a>": "an archive", "<b>": "another" },
  options: {},
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, [pathA, pathB]: string[]): Promise<number> {
  const start = performance.now();
  await using session = await Session.start(options, { inputs: [pathA, pathB] });
  const { core } = session;
  const a = await openArchive(core, await session.source(pathA));
  const b = await openArchive(core, await session.source(pathB));
  let result: CompareResult;
  if (a instanceof DumpReader && b instanceof DumpReader) {
    result = await compareDumps(core, [a, b], session.run);
  } else if (a instanceof DigestReader && b instanceof DigestReader) {
    result = await compareDigests(core, [a, b], session.run);
  } else {throw new MismatchError(
      `Cannot compare "${pathA}" and "${pathB}": one is a digest, the other is not`,
    );}
  return session.report({
    text: lines(result),
    json: { command: "compare", files: [pathA, pathB], ...result, seconds: secondsSince(start) },
    exitCode: result.same ? EXIT.done : EXIT.different,
  });
}

function lines(
  { same, blocks, differentBlocks, firstDifferentBlock, headerDifferences }: CompareResult,
): string[] {
  const notes = headerDifferences.map((difference) => `  ${difference}`);
  if (same) return [...notes, "SAME"];
  if (firstDifferentBlock !== undefined) {
    notes.push(`  ${differentBlocks} of ${blocks} blocks differ, the first is block ${firstDifferentBlock}`);
  }
  return [...notes, "DIFFERENT"];
}
