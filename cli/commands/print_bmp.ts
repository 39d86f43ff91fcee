/** `vmdkbkp print-bmp`: show a bitmap. */

import { readBitmap } from "../archive/bitmap.ts";
import type { ValuesOf } from "./options.ts";
import { STREAM } from "./input_file.ts";
import { newCommand } from "./common.ts";
import { Session } from "./session.ts";

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
  using session = await Session.start(options, { inputs: [path] });
  const bitmap = await readBitmap(await session.plainSource(path));
  const runs: { start: number; end: number }[] = [];
  const text: string[] = [];
  if (options.json) {
    for (let block = bitmap.next(0, bitmap.bitCount, true); block < bitmap.bitCount;) {
      const end = bitmap.next(block, bitmap.bitCount, false);
      runs.push({ start: block, end });
      block = bitmap.next(end, bitmap.bitCount, true);
    }
  } else {
    for (let first = 0; first < bitmap.bitCount; first += BITS_PER_LINE) {
      const count = Math.min(BITS_PER_LINE, bitmap.bitCount - first);
      const bits = Array.from({ length: count }, (_, i) => bitmap.get(first + i) ? "1" : "0").join("");
      text.push(`${String(first).padStart(10)} ${bits}`);
    }
    text.push(`${bitmap.count()} of ${bitmap.bitCount} bits set`);
  }
  return session.report({
    text,
    json: { command: "print-bmp", blocks: bitmap.bitCount, setBlocks: bitmap.count(), changed: runs },
  });
}
