/** Archives to damage: those of the golden folder, and generated ones that are still in fields. */

import { createHash } from "node:crypto";
import { noise } from "../disks/helpers.ts";
import { concat, token } from "../refusals/material.ts";
import { oneOf, type Random } from "./subject.ts";

/** Two generations of a disk, the older one by an rdiff. */
export interface Series {
  dump: Uint8Array[];
  digest: Uint8Array[];
  rdiff: Uint8Array[];
  olderDigest: Uint8Array[];
}

const GOLDEN = new URL("../golden/", import.meta.url);

/** A file of the golden folder. */
export function golden(name: string): Uint8Array {
  return Deno.readFileSync(new URL(name, GOLDEN));
}

/** The golden folder's: without `suffix`, or compressed. */
export const GOLDEN_SERIES: Series = {
  dump: [golden("1.dump")],
  digest: [golden("1.digest")],
  rdiff: [golden("0.rdiff")],
  olderDigest: [golden("0.digest")],
};

const BLOCK_BYTES = [512, 512, 512, 1024, 4096];
/** A few of them are more than the window of a reader. */
const LARGE_BLOCK_BYTES = 512 * 129;
/** Around a byte of a bitmap, of one digit, of two. */
const BLOCK_COUNTS = [1, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 101];
const LARGE_BLOCKS = 6;

/** A block's number among the noises, 0 for zeros. */
type Drawn = number;

/** Makes a series field by field. */
export function generatedSeries(random: Random): Series {
  const isLarge = random(50) === 0;
  const blockBytes = isLarge ? LARGE_BLOCK_BYTES : oneOf(random, BLOCK_BYTES);
  const blockCount = isLarge ? 1 + random(LARGE_BLOCKS) : oneOf(random, BLOCK_COUNTS);
  const older: Drawn[] = Array.from({ length: blockCount }, () => random(3) === 0 ? 0 : 1 + random(9));
  const newer = older.map((drawn) => random(3) === 0 ? random(9) : drawn);
  const unpadded = random(4) === 0 ? random(blockBytes) : 0;
  const capacity = unpadded === 0 ? undefined : (blockCount - 1) * blockBytes + unpadded;
  const series = new Uint8Array(16).map(() => random(256));
  const metadata = metadataOf(random, capacity);
  const adapter = oneOf(random, [1, 2, 3, 16, 256, 2 ** 31 - 1]);
  const minute = random(59);

  const contentOf = (drawn: Drawn, block: number) => {
    const content = drawn === 0 ? new Uint8Array(blockBytes) : noiseOf(blockBytes, drawn).slice();
    return block === blockCount - 1 && unpadded > 0 ? content.fill(0, unpadded) : content;
  };
  const time = (minutes: number) => [59, minutes, 23, 31, 11, 124, 2, 365, 0].map(token);
  const sizes = [token(blockCount), token(blockBytes)];
  const identity = (minutes: number) => [token(16), series, ...time(minutes)];
  const head = (full: number, minutes: number) => [
    ...sizes,
    token(adapter),
    token(full),
    ...identity(minutes),
    ...metadata,
  ];
  const record = (drawn: Drawn, block: number) =>
    drawn === 0
      ? [token(block), token(1)]
      : [token(block), token(0), token(blockBytes), contentOf(drawn, block)];
  const digest = (disk: Drawn[], minutes: number) => [
    ...sizes,
    ...identity(minutes),
    ...disk.flatMap((drawn, block) => {
      if (drawn === 0) return [token(1)];
      return [token(0), token(16), createHash("md5").update(contentOf(drawn, block)).digest()];
    }),
  ];
  return {
    dump: [...head(1, minute + 1), ...newer.flatMap(record)],
    digest: digest(newer, minute + 1),
    rdiff: [
      ...head(0, minute),
      ...older.flatMap((drawn, block) => drawn === newer[block] ? [] : record(drawn, block)),
    ],
    olderDigest: digest(older, minute),
  };
}

const noises = new Map<string, Uint8Array<ArrayBuffer>>();

/** The same noise each time, made once. */
function noiseOf(blockBytes: number, seed: number): Uint8Array<ArrayBuffer> {
  const name = `${blockBytes} ${seed}`;
  if (!noises.has(name)) noises.set(name, noise(blockBytes, seed));
  return noises.get(name)!;
}

function metadataOf(random: Random, capacity?: number): Uint8Array[] {
  const pairs: (string | Uint8Array)[][] = [];
  for (let left = random(4); left > 0; left--) {
    pairs.push([
      oneOf(random, ["a", "geometry.heads", "Größe", ""]),
      oneOf(random, ["", "255", "x".repeat(300)]),
    ]);
  }
  // Not UTF-8, and cut in the midst of a character.
  if (random(4) === 0) pairs.push([Uint8Array.of(0xff, 0x41, 0xc3), Uint8Array.of(0xe2, 0x82)]);
  if (capacity !== undefined) pairs.push(["vmdkbkp.capacityBytes", `${capacity}`]);
  const field = (text: string | Uint8Array) => typeof text === "string" ? token(text) : concat(text, [0]);
  return [token(pairs.length), ...pairs.flat().map(field)];
}

/** Integers at, below and above the bounds of fields, and what is no integer. */
const INTEGERS = [
  ..."0 1 2 3 7 8 9 10 15 16 17 31 32 59 60 61 365 366 511 512 513 1024 4095 4096 4097 8099 8100".split(" "),
  ..."16776704 16777216 16777217 16777728 2147483647 2147483648 4294967295 4294967296 17592186044415".split(
    " ",
  ),
  ..."9007199254740991 9007199254740992 18446744073709551615 18446744073709551616 99999999999999999999".split(
    " ",
  ),
  ..."-1 -0 00 01 +1 1.0 1e3 0x10 1a ١ NaN".split(" "),
  ...["", " 1", "1 ", "1".repeat(100), "x".repeat(70_000)],
];

/** A field for another one: another integer, or something that looks like none. */
export function anotherField(random: Random): (field: Uint8Array) => Uint8Array {
  return (field) => {
    const number = Number(new TextDecoder("latin1").decode(field.subarray(0, -1)));
    if (Number.isSafeInteger(number) && random(2) === 0) return token(number + random(5) - 2);
    if (field.length > 20 && random(2) === 0) return field.subarray(0, field.length - 1 - random(20));
    return random(8) === 0 ? field.subarray(0, -1) : token(oneOf(random, INTEGERS));
  };
}

/** What to put into archives. */
export const ARCHIVE_WORDS = ["0\0", "1\0", "16\0", "512\0", "\0", "9", "-", "9007199254740992\0"].map((
  text,
) => new TextEncoder().encode(text));
