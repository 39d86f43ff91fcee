/** `vmdkbkp compare`: are two archives the same? */

import { EXIT } from "../errors.ts";
import { compare } from "../jobs/compare.ts";
import type { CompareResult } from "../pipeline/compare.ts";
import { newCommand } from "./common.ts";
import { Printer } from "./printer.ts";
import type { ValuesOf } from "../options/option.ts";
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

export async function run(options: Options, [a, b]: string[]): Promise<number> {
  const start = performance.now();
  using printer = new Printer(options);
  const result = await compare({ a, b }, await printer.jobOptions());
  return printer.report({
    text: lines(result),
    json: { command: "compare", files: [a, b], ...result, seconds: secondsSince(start) },
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
