/** Gzip files: of the program, of other programs, and of none. */

import zlib from "node:zlib";
import { concat } from "../refusals/material.ts";
import { anotherNumber, contentOf, judgeContent, littleEndian, ownFiles } from "./compressed.ts";
import { damaged, damagedFields } from "./damage.ts";
import { acceptable } from "./oracle/acceptable.ts";
import { gunzipped } from "./oracle/gzip.ts";
import { inflate } from "./oracle/inflate.ts";
import { oneOf, type Outcome, type Random, randomOf, type Subject } from "./subject.ts";

const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = zlib.constants;
const STRATEGIES = [Z_DEFAULT_STRATEGY, Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE];
const [HAS_CRC, HAS_EXTRA, HAS_NAME, HAS_COMMENT] = [2, 4, 8, 16];
const WORDS = [[0x1f, 0x8b, 8, 0], [0x1f, 0x8b, 8, 4], [0, 0, 0, 0], [0x56, 0x42, 9, 0]].map((bytes) =>
  Uint8Array.from(bytes)
);

export class GzipSubject implements Subject {
  readonly name = "gzip";
  readonly #own: Uint8Array[];

  private constructor(own: Uint8Array[]) {
    this.#own = own;
  }

  static async create(): Promise<GzipSubject> {
    return new GzipSubject(await ownFiles(".gz", randomOf(1)));
  }

  async run(number: number): Promise<Outcome> {
    const random = randomOf(number);
    const file = { path: "case.gz", bytes: await this.#damagedFile(random) };
    const isOneOfMany = random(3) === 0;
    const isRegular = random(2) === 0;
    const content = await acceptable(() => gunzipped(file.bytes));
    return await judgeContent(file, { content }, { random, isOneOfMany, isRegular });
  }

  [Symbol.dispose](): void {}

  async #damagedFile(random: Random): Promise<Uint8Array> {
    const donor = oneOf(random, this.#own);
    if (random(3) === 0) {
      return damaged(oneOf(random, this.#own), random, { hot: [[0, 40]], words: WORDS, donor });
    }
    const members: Uint8Array[] = [];
    const count = 1 + random(3);
    for (let i = 0; i < count; i++) {
      let fields = random(2) === 0 ? await foreignMember(random) : ownMember(random, i === count - 1);
      if (random(4) === 0) fields = damagedFields(fields, random, anotherNumber(random));
      members.push(...fields);
    }
    if (random(3) > 0) return concat(...members);
    return damaged(concat(...members), random, { hot: [[0, 40]], words: WORDS, donor });
  }
}

/** A member as other programs write it, with any of the fields that there are. */
async function foreignMember(random: Random): Promise<Uint8Array[]> {
  const { deflated, content } = await deflatedContent(random);
  const flags = random(2) === 0 ? 0 : random(32);
  const fields: Uint8Array[] = [
    Uint8Array.of(0x1f, 0x8b),
    Uint8Array.of(8),
    Uint8Array.of(flags),
    new Uint8Array(6),
  ];
  if ((flags & HAS_EXTRA) !== 0) {
    const extra = oneOf(random, [[], [0x56, 0x42, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [
      0x41,
      0x70,
      2,
      0,
      1,
      2,
    ]]);
    fields.push(littleEndian(extra.length, 2), Uint8Array.from(extra));
  }
  if ((flags & HAS_NAME) !== 0) fields.push(new TextEncoder().encode("name\0"));
  if ((flags & HAS_COMMENT) !== 0) fields.push(new TextEncoder().encode("\0"));
  if ((flags & HAS_CRC) !== 0) fields.push(littleEndian(zlib.crc32(concat(...fields)), 2));
  return [...fields, deflated, ...trailer(content)];
}

/** A member as the program writes it, by the drawing in `gzip.ts`. */
function ownMember(random: Random, isLast: boolean): Uint8Array[] {
  const content = contentOf(random);
  const deflated = new Uint8Array(zlib.deflateRawSync(content));
  return [
    Uint8Array.of(0x1f, 0x8b, 8, HAS_EXTRA),
    Uint8Array.of(0, 0, 0, 0, 0, 0xff),
    littleEndian(13, 2),
    Uint8Array.of(0x56, 0x42),
    littleEndian(9, 2),
    littleEndian(25 + deflated.length + 8, 4),
    littleEndian(content.length, 4),
    Uint8Array.of(isLast ? 1 : 0),
    deflated,
    ...trailer(content),
  ];
}

/** A deflate stream; of some that are damaged and still make sense, what they say is the content. */
async function deflatedContent(random: Random): Promise<{ deflated: Uint8Array; content: Uint8Array }> {
  const content = contentOf(random);
  const options = { level: random(10), strategy: oneOf(random, STRATEGIES), memLevel: 1 + random(9) };
  const deflated = new Uint8Array(zlib.deflateRawSync(content, options));
  if (random(2) === 0) return { deflated, content };
  const other = damaged(deflated, random, { hot: [[0, 90]] });
  const inflated = await acceptable(() => inflate(other, 0));
  if (inflated === undefined) return { deflated: other, content };
  return { deflated: other.subarray(0, inflated.end), content: inflated.content };
}

function trailer(content: Uint8Array): Uint8Array[] {
  return [littleEndian(zlib.crc32(content), 4), littleEndian(content.length, 4)];
}
