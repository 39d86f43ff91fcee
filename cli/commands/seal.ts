/** `vmdkbkp seal`: make the seal of archives that have none. */

import { seal } from "../jobs/seal.ts";
import { newCommand } from "./common.ts";
import { Printer } from "./printer.ts";
import type { ValuesOf } from "../options/option.ts";
import { SIGN } from "./signing.ts";
import { headerJson, secondsSince, speedText } from "./summary.ts";

export const command = newCommand("seal", {
  description: `Make the seal (NAME.seal.json) of archives that were made without one: those of vmdkbkp 1.2.

The files are those that one backup made: a dump, its digest, and the rdiffs that lead back from it, newest
first. Every one is read to its end, and the dump is compared with the digest. A seal tells what the files are
now: make it while they are known to be good. Of files that nothing proves (a dump without its digest, an
rdiff) it says so, and check calls them not proved; with --vouch it does not.`,
  examples: `
vmdkbkp seal 0.dump.gz 0.digest
vmdkbkp seal 1.dump.gz 1.digest 0.rdiff.gz`,
  args: { "<files...>": "a dump, its digest, rdiffs that lead back from it" },
  options: {
    sign: SIGN,
    vouch: {
      type: "flag",
      help: "you know that the files are good: do not note that nothing proved their blocks",
    },
    force: {
      type: "flag",
      help: "replace a seal that is damaged, or what it says of a file that was changed",
    },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, files: string[]): Promise<number> {
  const start = performance.now();
  using printer = new Printer(options);
  const { header, root, seals } = await seal({ files, vouch: options.vouch }, await printer.jobOptions());
  const seconds = secondsSince(start);
  return printer.report({
    text: [
      `Sealed ${files.length === 1 ? "1 file" : `${files.length} files`}: ${seals.join(", ")}`,
      `  ${speedText(header.capacityBytes, seconds)}`,
    ],
    json: { command: "seal", files, ...headerJson(header), root, seals, seconds },
  });
}
