/** `vmdkbkp print-bmp`: show a bitmap. */

import { EXIT } from "../errors.ts";
import { type OpenBitmap, readBitmapFile } from "../jobs/bitmaps.ts";
import { STREAM } from "../jobs/input_file.ts";
import { newCommand } from "./common.ts";
import { Printer } from "./printer.ts";
import type { ValuesOf } from "../options/option.ts";

const BITS_PER_LINE = 64;

export const command = newCommand("print-bmp", {
  description: `Print a bitmap, 64 blocks a line behind the number of the first: "1" changed, "0" not.`,
  examples: `
vmdkbkp print-bmp changed.bmp
vmdkbkp rdiff2bmp 0.rdiff.zst | vmdkbkp print-bmp`,
  args: { "[bitmap]": `the bitmap (default: "${STREAM}")` },
  options: {},
});

type Options = ValuesOf<typeof command>;

export async function run(options: Options, [path = STREAM]: string[]): Promise<number> {
  using printer = new Printer(options);
  const show = (bitmap: OpenBitmap) => printer.writeLines(options.json ? jsonOf(bitmap) : textOf(bitmap));
  await readBitmapFile(path, show, await printer.jobOptions());
  return EXIT.done;
}

function* textOf(bitmap: OpenBitmap): Generator<string, void> {
  const { bitCount } = bitmap;
  for (let first = 0; first < bitCount; first += BITS_PER_LINE) {
    let bits = "";
    const end = Math.min(first + BITS_PER_LINE, bitCount);
    for (let block = first; block < end; block++) bits += bitmap.get(block) ? "1" : "0";
    yield `${String(first).padStart(10)} ${bits}\n`;
  }
  yield `${bitmap.count()} of ${bitCount} bits set\n`;
}

/** One object, into which the runs stream. */
function* jsonOf(bitmap: OpenBitmap): Generator<string, void> {
  const object = { ok: true, command: "print-bmp", blocks: bitmap.bitCount, setBlocks: bitmap.count() };
  yield `${JSON.stringify(object).slice(0, -1)},"changed":[`;
  let separator = "";
  for (const run of bitmap.runs()) {
    yield separator + JSON.stringify(run);
    separator = ",";
  }
  yield "]}\n";
}
