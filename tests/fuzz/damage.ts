/** Damage by chance: to bytes wherever they come from, and to files that are still in parts, field by field. */

import { concat } from "../refusals/material.ts";
import { oneOf, type Random } from "./subject.ts";

/** A run of bytes: begin, and end behind it. */
export type Range = [begin: number, end: number];

/** What helps to hit what matters. */
export interface Targets {
  /** Places where numbers stand, hit more often than all others. */
  hot?: readonly Range[];
  /** What is put in. */
  words?: readonly Uint8Array[];
  /** Another file, of which parts are taken. */
  donor?: Uint8Array;
}

const NUMBERS = [0n, 1n, 2n, 3n, 127n, 128n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
const LONGEST_RUN = 600;

/** Damages a copy of `bytes` in one place. */
export function damaged(bytes: Uint8Array, random: Random, targets: Targets = {}): Uint8Array {
  const { hot = [], words = [Uint8Array.of(0)], donor = bytes } = targets;
  const copy = bytes.slice();
  const [begin, end] = hot.length === 0 || random(4) === 0 ? [0, copy.length] : oneOf(random, hot);
  const at = Math.min(begin + random(Math.max(1, end - begin)), Math.max(0, copy.length - 1));
  const runEnd = Math.min(copy.length, at + 1 + random(random(2) === 0 ? 16 : LONGEST_RUN));
  const aligned = at - at % 4;
  const view = new DataView(copy.buffer);
  const inserted = (what: Uint8Array, over = 0) =>
    concat(copy.subarray(0, at), what, copy.subarray(at + over));
  switch (random(14)) {
    case 0:
    case 1:
      copy[at] ^= 1 << random(8);
      return copy;
    case 2:
      copy[at] = random(256);
      return copy;
    case 3:
    case 4: {
      const number = oneOf(random, NUMBERS);
      if (random(2) === 0 && aligned + 8 <= copy.length) view.setBigUint64(aligned, number, true);
      else if (aligned + 4 <= copy.length) view.setUint32(aligned, Number(number & 0xffffffffn), true);
      return copy;
    }
    case 5:
      if (aligned + 4 > copy.length) return copy;
      view.setUint32(aligned, view.getUint32(aligned, true) + random(400) - 200, true);
      return copy;
    case 6:
      return copy.subarray(0, random(2) === 0 ? at : random(copy.length + 1));
    case 7:
      return concat(copy.subarray(0, at), copy.subarray(runEnd));
    case 8:
      return inserted(copy.subarray(at, runEnd));
    case 9:
      copy.copyWithin(random(copy.length + 1), at, runEnd);
      return copy;
    case 10:
      return inserted(oneOf(random, words), random(3));
    case 11:
      return inserted(Uint8Array.from({ length: 1 + random(8) }, () => random(256)));
    case 12: {
      // The beginning of this one and the end of the other, or some of the other in the midst of this one.
      const from = random(donor.length + 1);
      if (random(2) === 0) return concat(copy.subarray(0, at), donor.subarray(from));
      return inserted(donor.subarray(from, from + runEnd - at), random(2) * (runEnd - at));
    }
    default: {
      const second = Math.max(runEnd, random(copy.length + 1));
      const [a, b, c] = [copy.subarray(at, runEnd), copy.subarray(runEnd, second), copy.subarray(second)];
      const length = Math.min(a.length, c.length);
      return concat(copy.subarray(0, at), c.subarray(0, length), b, a, c.subarray(length));
    }
  }
}

/** Most fields of a run that is left out, repeated or moved: a record has four. */
const LONGEST_FIELDS = 6;

/** Damages a list of fields in one place; `another` makes of a field one that is wrong, or just right, in its stead. */
export function damagedFields(
  fields: readonly Uint8Array[],
  random: Random,
  another: (field: Uint8Array) => Uint8Array,
): Uint8Array[] {
  // The first fields are the header's: more is to be found there than in the hundredth record.
  const at = random(random(2) === 0 ? Math.min(24, fields.length) : fields.length);
  const end = Math.min(fields.length, at + 1 + random(LONGEST_FIELDS));
  const [before, run, after] = [fields.slice(0, at), fields.slice(at, end), fields.slice(end)];
  switch (random(10)) {
    case 0:
      return [...before, ...run, ...run, ...after];
    case 1:
      return [...before, ...after];
    case 2:
      return [...before, ...run.toReversed(), ...after];
    case 3: {
      const to = random(after.length + 1);
      return [...before, ...after.slice(0, to), ...run, ...after.slice(to)];
    }
    case 4:
      return random(2) === 0 ? [...before] : [...before, ...run];
    case 5:
      return [...before, another(run[0]), ...run, ...after];
    default:
      return [...before, another(run[0]), ...run.slice(1), ...after];
  }
}
