/** Bitmaps of changed blocks. */

import { readBitmap } from "../../cli/archive/bitmap.ts";
import { PlainSource } from "../../cli/archive/plain_source.ts";
import { concat, token } from "../refusals/material.ts";
import { damaged, damagedFields } from "./damage.ts";
import { acceptable } from "./oracle/acceptable.ts";
import { readBits } from "./oracle/archives.ts";
import { anotherField, ARCHIVE_WORDS, golden } from "./series.ts";
import { judge, oneOf, openCase, type Outcome, type Random, randomOf, type Subject } from "./subject.ts";

const GOLDEN = golden("1.bmp");
/** Around whole bytes, and around the part that is read with the header. */
const BIT_COUNTS = [1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 136, 137, 144, 145, 1000, 5000];
const READ_BYTES = [Infinity, 19, 20, 21, 1];

export class BitmapSubject implements Subject {
  readonly name = "bitmap";

  async run(number: number): Promise<Outcome> {
    const random = randomOf(number);
    const file = { path: "changed.bmp", bytes: damagedBitmap(random) };
    return await judge([file], { content: await acceptable(() => readBits(file.bytes)) }, async () => {
      using source = new PlainSource(file.path, openCase(file, oneOf(random, READ_BYTES)));
      const bitmap = await readBitmap(source);
      const bits = Array.from({ length: bitmap.bitCount }, (_, block) => bitmap.get(block) ? "1" : "0").join(
        "",
      );
      if (bitmap.count() !== bits.replaceAll("0", "").length) throw new TypeError("count() is wrong");
      return bits;
    });
  }

  [Symbol.dispose](): void {}
}

function damagedBitmap(random: Random): Uint8Array {
  let fields = random(8) === 0 ? [GOLDEN] : generated(random);
  if (random(3) === 0) fields = damagedFields(fields, random, anotherField(random));
  let bytes = concat(...fields);
  if (random(3) === 0) bytes = damaged(bytes, random, { hot: [[0, 6]], words: ARCHIVE_WORDS, donor: GOLDEN });
  return bytes;
}

function generated(random: Random): Uint8Array[] {
  const count = oneOf(random, BIT_COUNTS);
  const bits = new Uint8Array(Math.ceil(count / 8)).map(() => oneOf(random, [0, 0xff, random(256)]));
  const padding = (8 - count % 8) % 8;
  // Now and then with a bit in the padding.
  if (random(8) > 0) bits[bits.length - 1] &= 0xff << padding;
  return [token(count), bits];
}
