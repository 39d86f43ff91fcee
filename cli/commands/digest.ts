/** `vmdkbkp digest`: compute the digest of a dump. */

import { digest } from "../jobs/digest.ts";
import { LEVEL, newCommand, WITHOUT_SEAL } from "./common.ts";
import { Printer } from "./printer.ts";
import type { ValuesOf } from "../options/option.ts";
import { unprovedText } from "./seal_texts.ts";
import { SIGN, TRUSTED_KEY } from "./signing.ts";
import { contentText, headerJson, secondsSince, speedText } from "./summary.ts";

export const command = newCommand("digest", {
  description: "Compute the digest of a dump: the MD5 of every block that is not zero.",
  examples: `
vmdkbkp digest --dumpin 0.dump.zst --digestout 0.digest
vmdkbkp merge --dumpout - 1.dump.zst 0.rdiff.zst | vmdkbkp digest --dumpin - --digestout 0.digest`,
  args: {},
  options: {
    dumpin: { type: "input", value: "file", required: true, help: "the dump" },
    digestout: { type: "output", value: "file", required: true, help: "its digest" },
    level: LEVEL,
    sign: SIGN,
    trustedKey: TRUSTED_KEY,
    withoutSeal: WITHOUT_SEAL,
    force: { type: "flag", help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options): Promise<number> {
  const { dumpin, digestout } = options;
  const start = performance.now();
  using printer = new Printer(options, { outputs: [digestout] });
  const request = { dumpin, digestout, level: options.level };
  const result = await digest(request, await printer.jobOptions());
  const { header, proof, storedBytes, seals, ...counts } = result;
  const seconds = secondsSince(start);
  return printer.report({
    text: [
      `Digested ${dumpin}: ${contentText(counts, header.blockBytes)}`,
      ...unprovedText(proof),
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: {
      command: "digest",
      ...headerJson(header),
      ...counts,
      proof,
      storedBytes: { digest: storedBytes },
      seals,
      seconds,
    },
  });
}
