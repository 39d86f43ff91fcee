/** `vmdkbkp merge`: make one archive of several. */

import { merge } from "../jobs/merge.ts";
import { LEVEL, newCommand, WITHOUT_SEAL } from "./common.ts";
import { Printer } from "./printer.ts";
import type { ValuesOf } from "../options/option.ts";
import { formatSize } from "./progress.ts";
import { unprovedText, unsealedText } from "./seal_texts.ts";
import { SIGN, TRUSTED_KEY } from "./signing.ts";
import { blocksText, headerJson, secondsSince, speedText } from "./summary.ts";

export const command = newCommand("merge", {
  description: `Merge archives, newest first, into one.

A dump and rdiffs become the dump of the generation that the last rdiff leads to, exactly as it was made then
(--dumpout). Rdiffs alone become one rdiff that leads straight from the newest to the oldest (--rdiffout).`,
  examples: `
vmdkbkp merge --dumpout 0.dump.zst 2.dump.zst 1.rdiff.zst 0.rdiff.zst
vmdkbkp merge --rdiffout 2-0.rdiff.zst 1.rdiff.zst 0.rdiff.zst`,
  args: { "<archives...>": "two or more archives, newest first" },
  options: {
    dumpout: {
      type: "output",
      value: "file",
      excludes: { rdiffout: "only one of them is made" },
      help: "the merged dump",
    },
    rdiffout: { type: "output", value: "file", help: "the merged rdiff" },
    level: LEVEL,
    sign: SIGN,
    trustedKey: TRUSTED_KEY,
    withoutSeal: WITHOUT_SEAL,
    force: { type: "flag", help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, archives: string[]): Promise<number> {
  const { dumpout, rdiffout } = options;
  const start = performance.now();
  using printer = new Printer(options, { outputs: [dumpout, rdiffout] });
  const request = { archives, dumpout, rdiffout, level: options.level };
  const result = await merge(request, await printer.jobOptions());
  const { header, proof, storedBytes, seals, unsealed, ...counts } = result;
  const seconds = secondsSince(start);
  return printer.report({
    text: [
      `Merged ${archives.length} archives to ${dumpout ?? rdiffout}: ` +
      `${blocksText(counts.blocks, header.blockBytes)}, ${counts.records} records, ${
        formatSize(storedBytes)
      }`,
      ...unprovedText(proof),
      ...unsealedText(unsealed),
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      command: "merge",
      archives,
      ...headerJson(header),
      ...counts,
      storedBytes: { [header.full ? "dump" : "rdiff"]: storedBytes },
      seals,
      proof,
      unsealed,
      seconds,
    },
  });
}
