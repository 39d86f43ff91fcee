/** `vmdkbkp changed`: the blocks that the snapshots above a link of a chain name, as a bitmap. */

import { changed } from "../jobs/changed.ts";
import { DEFAULT_BLOCK_BYTES } from "../jobs/dump.ts";
import { STREAM } from "../jobs/input_file.ts";
import { BLOCK_SIZE } from "./block_size.ts";
import { newCommand } from "./common.ts";
import type { ValuesOf } from "../options/option.ts";
import { Printer } from "./printer.ts";

export const command = newCommand("changed", {
  description:
    `Write a bitmap with a bit set for every block that the snapshots above a parent of a VMDK name: what
--bmpin of an incremental dump takes. The previous dump must be one of that parent, with blocks of this size.

Change tracking files (-ctk.vmdk) are not read: their format is not documented, and a missed bit loses a
change.`,
  examples: `
vmdkbkp changed disk-000002.vmdk --since disk-000001.vmdk --bmpout changed.bmp
vmdkbkp dump --mode incr --local disk-000002.vmdk --bmpin changed.bmp \\
    --dumpin 1.dump.zst --digestin 1.digest \\
    --dumpout 2.dump.zst --digestout 2.digest --rdiffout 1.rdiff.zst`,
  args: { "<disk>": "the VMDK as it is now" },
  options: {
    since: {
      type: "file",
      value: "parent",
      required: true,
      help: "the parent of it, near or far, that was dumped",
    },
    bmpout: { type: "output", value: "file", default: STREAM, help: "the bitmap" },
    blocksize: { ...BLOCK_SIZE, help: `bytes of a block (default: ${DEFAULT_BLOCK_BYTES})` },
    format: {
      type: "choice",
      group: "more",
      value: "format",
      choices: ["vmdk"],
      help: "take the disk as this, whatever its name",
    },
    allowOutside: { type: "flag", group: "more", help: "let a VMDK name files outside its folder" },
    force: { type: "flag", help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, [disk]: string[]): Promise<number> {
  const { since, bmpout, allowOutside } = options;
  const blocksize = options.blocksize ?? DEFAULT_BLOCK_BYTES;
  using printer = new Printer(options, { outputs: [bmpout] });
  const request = { disk, since, bmpout, blocksize, allowOutside };
  const { blocks, setBlocks } = await changed(request, await printer.jobOptions());
  return printer.report({
    text: bmpout === STREAM ? [] : [`Wrote ${bmpout}: ${setBlocks} of ${blocks} bits set`],
    json: { command: "changed", disk, since, blockSize: blocksize, blocks, setBlocks },
  });
}
