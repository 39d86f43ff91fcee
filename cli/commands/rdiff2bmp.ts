/** `vmdkbkp rdiff2bmp`: the blocks that an rdiff names, as a bitmap. */

import { Bitmap } from "../archive/bitmap.ts";
import { MismatchError } from "../errors.ts";
import { DumpReader } from "../pipeline/archive_reader.ts";
import { markRecords } from "../pipeline/compare.ts";
import type { ValuesOf } from "./options.ts";
import { STREAM } from "./input_file.ts";
import { newCommand } from "./common.ts";
import { Session } from "./session.ts";

export const command = newCommand("rdiff2bmp", {
  description:
    "Write a bitmap with a bit set for every block that an rdiff holds: what --bmpin of an incremental dump takes.",
  examples: `
vmdkbkp rdiff2bmp 0.rdiff.zst --bmpout changed.bmp
vmdkbkp rdiff2bmp < 0.rdiff.gz > changed.bmp`,
  args: { "[rdiff]": `the rdiff (default: "${STREAM}")` },
  options: {
    bmpout: { value: "file", default: STREAM, help: "the bitmap" },
    force: { help: "replace the output if it exists" },
  },
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, [path = STREAM]: string[]): Promise<number> {
  await using session = await Session.start(options, { inputs: [path], outputs: [options.bmpout] });
  const { core } = session;
  const reader = await DumpReader.open(core, await session.source(path));
  if (reader.header.full) {
    throw new MismatchError(`Cannot make a bitmap of "${path}": it is a dump, an rdiff is needed`);
  }
  const bitmap = new Bitmap(reader.header.blockCount, session.run.pages);
  await markRecords(core, reader, bitmap, session.run);
  await session.writeBitmap(options.bmpout, bitmap);
  session.commit();
  const blocks = bitmap.bitCount;
  const setBlocks = bitmap.count();
  return session.report({
    text: options.bmpout === STREAM ? [] : [`Wrote ${options.bmpout}: ${setBlocks} of ${blocks} bits set`],
    json: { command: "rdiff2bmp", blocks, setBlocks },
  });
}
