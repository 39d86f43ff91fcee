/** `vmdkbkp rdiff2bmp`: the blocks that an rdiff names, as a bitmap. */

import { bitmapOfRdiff } from "../jobs/bitmaps.ts";
import { STREAM } from "../jobs/input_file.ts";
import { newCommand } from "./common.ts";
import { Printer } from "./printer.ts";
import type { ValuesOf } from "../options/option.ts";

export const command = newCommand("rdiff2bmp", {
  description:
    "Write a bitmap with a bit set for every block that an rdiff holds: what --bmpin of an incremental dump takes.",
  examples: `
vmdkbkp rdiff2bmp 0.rdiff.zst --bmpout changed.bmp
vmdkbkp rdiff2bmp < 0.rdiff.gz > changed.bmp`,
  args: { "[rdiff]": `the rdiff (default: "${STREAM}")` },
  options: {
    bmpout: { type: "output", value: "file", default: STREAM, help: "the bitmap" },
    force: { type: "flag", help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, [rdiffin = STREAM]: string[]): Promise<number> {
  const { bmpout } = options;
  using printer = new Printer(options, { outputs: [bmpout] });
  const { blocks, setBlocks } = await bitmapOfRdiff({ rdiffin, bmpout }, await printer.jobOptions());
  return printer.report({
    text: bmpout === STREAM ? [] : [`Wrote ${bmpout}: ${setBlocks} of ${blocks} bits set`],
    json: { command: "rdiff2bmp", blocks, setBlocks },
  });
}
