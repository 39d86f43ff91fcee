/** `vmdkbkp rdiff`: make the rdiff between two dumps. */

import { rdiff } from "../jobs/rdiff.ts";
import { LEVEL, newCommand, WITHOUT_SEAL } from "./common.ts";
import { Printer } from "./printer.ts";
import type { ValuesOf } from "../options/option.ts";
import { formatSize } from "./progress.ts";
import { unprovedText } from "./seal_texts.ts";
import { SIGN, TRUSTED_KEY } from "./signing.ts";
import { blocksText, headerJson, secondsSince, speedText } from "./summary.ts";

export const command = newCommand("rdiff", {
  description: `Write the rdiff that leads from a newer dump back to an older one of the same series.

With it the older dump need not be kept: merge makes it again from the newer dump and the rdiff.`,
  examples: "vmdkbkp rdiff 0.dump.zst 1.dump.zst --rdiffout 0.rdiff.zst",
  args: { "<older>": "the older dump", "<newer>": "the newer dump" },
  options: {
    rdiffout: { type: "output", value: "file", required: true, help: "the rdiff" },
    level: LEVEL,
    sign: SIGN,
    trustedKey: TRUSTED_KEY,
    withoutSeal: WITHOUT_SEAL,
    force: { type: "flag", help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, [older, newer]: string[]): Promise<number> {
  const { rdiffout } = options;
  const start = performance.now();
  using printer = new Printer(options, { outputs: [rdiffout] });
  const request = { older, newer, rdiffout, level: options.level };
  const result = await rdiff(request, await printer.jobOptions());
  const { header, isProved, storedBytes, seals, ...counts } = result;
  const proof = isProved ? "files" : "nothing";
  const seconds = secondsSince(start);
  return printer.report({
    text: [
      `Wrote ${rdiffout}: ${counts.records} of ${blocksText(counts.blocks, header.blockBytes)} differ, ` +
      formatSize(storedBytes),
      ...unprovedText(proof),
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      command: "rdiff",
      ...headerJson({ ...header, full: false }),
      ...counts,
      proof,
      storedBytes: { rdiff: storedBytes },
      seals,
      seconds,
    },
  });
}
