/** Records that are cut, repeated, out of order or not canonical, in each kind of archive, through each command. */

import {
  BLOCK_BYTES,
  concat,
  digest,
  digestRecord,
  dump,
  dumpRecord,
  GENERATIONS,
  rdiff,
  token,
} from "./material.ts";
import { Archives, EXIT } from "./refusal.ts";

const [OLD, MIDDLE] = GENERATIONS;

/** The bytes of a damaged file, and what the message must say beside its name. */
interface Damage {
  parts: Uint8Array[];
  says: string[];
}

const [DUMP_HEADER, ...DUMP_RECORDS] = dump(MIDDLE);
const [RDIFF_HEADER, ...RDIFF_RECORDS] = rdiff(OLD, MIDDLE);
const [DIGEST_HEADER, ...DIGEST_RECORDS] = digest(MIDDLE);
const THE_END = ["is expected, the end of the file is found"];

/** Block 1 of generation 1 lies second in its dump and first in the rdiff that leads to generation 0. */
const CONTENT = MIDDLE.blocks[1]!;
const OLD_CONTENT = OLD.blocks[1]!;

const damagedDump = (...records: Uint8Array[]) => [DUMP_HEADER, DUMP_RECORDS[0], ...records];
const rewritten = (...record: Uint8Array[]) => damagedDump(concat(...record), ...DUMP_RECORDS.slice(2));

const DUMP_DAMAGE: Record<string, Damage> = {
  "cut right after its header": {
    parts: [DUMP_HEADER],
    says: ["the record of block 0 of 6", "the end of the file"],
  },
  "cut inside its header": { parts: [DUMP_HEADER.subarray(0, -3)], says: ["more of the header"] },
  "cut between records": {
    parts: damagedDump(DUMP_RECORDS[1]),
    says: ["the record of block 2 of 6", "the end of the file"],
  },
  "without its last record": {
    parts: [DUMP_HEADER, ...DUMP_RECORDS.slice(0, -1)],
    says: ["the record of block 5 of 6", "the end of the file"],
  },
  ...cutRecord(DUMP_RECORDS[1], (part) => damagedDump(part), [1, 2, 3, 4, 5, 8, 9, BLOCK_BYTES]),
  "cut by its last byte": {
    parts: [DUMP_HEADER, ...DUMP_RECORDS.slice(0, -1), DUMP_RECORDS[5].subarray(0, -1)],
    says: ["the end of the file"],
  },
  "with a record twice": {
    parts: damagedDump(DUMP_RECORDS[0], ...DUMP_RECORDS.slice(1)),
    says: ["the record of block 1 is expected", "the record of block 0 is found"],
  },
  "with a record left out": {
    parts: damagedDump(...DUMP_RECORDS.slice(2)),
    says: ["the record of block 1 is expected", "the record of block 2 is found"],
  },
  "with records out of order": {
    parts: damagedDump(DUMP_RECORDS[2], DUMP_RECORDS[1], ...DUMP_RECORDS.slice(3)),
    says: ["the record of block 1 is expected", "the record of block 2 is found"],
  },
  "with an index out of range": {
    parts: damagedDump(...DUMP_RECORDS.slice(1, 5), dumpRecord(6, MIDDLE.blocks[5])),
    says: ["the record of block 5 is expected", "the record of block 6 is found"],
  },
  "with a surplus record": {
    parts: [DUMP_HEADER, ...DUMP_RECORDS, dumpRecord(6, undefined)],
    says: ["the end of the file after block 5", "the record of block 6"],
  },
  "with its last record twice": {
    parts: [DUMP_HEADER, ...DUMP_RECORDS, DUMP_RECORDS[5]],
    says: ["the end of the file after block 5", "the record of block 5"],
  },
  "with a byte behind its end": {
    parts: [DUMP_HEADER, ...DUMP_RECORDS, Uint8Array.of(0)],
    says: ["the end of the file after block 5"],
  },
  ...oddTokens(["01", "+1", " 1", "1 ", "", "-1", "1x", "99999999999999999999"], (index) => ({
    name: `with the index "${index}"`,
    parts: rewritten(token(index), token(0), token(BLOCK_BYTES), CONTENT),
    says: ["the record of block 1 is expected"],
  })),
  ...oddTokens(["2", "00", "", "-0", "true"], (flag) => ({
    name: `with the zero flag "${flag}"`,
    parts: rewritten(token(1), token(flag), token(BLOCK_BYTES), CONTENT),
    says: ["the zero flag of block 1"],
  })),
  ...oddTokens(["0512", "511", "513", "0", "", "-512", "1099511627776"], (length) => ({
    name: `with the content length "${length}"`,
    parts: rewritten(token(1), token(0), token(length), CONTENT),
    says: ["the length 512 of block 1"],
  })),
};

const damagedRdiff = (...records: Uint8Array[]) => [RDIFF_HEADER, ...records, ...RDIFF_RECORDS.slice(1)];

const RDIFF_DAMAGE: Record<string, Damage> = {
  "cut inside its header": { parts: [RDIFF_HEADER.subarray(0, -3)], says: ["more of the header"] },
  ...cutRecord(RDIFF_RECORDS[0], (part) => [RDIFF_HEADER, part], [1, 2, 3, 4, 5, 8, 9, BLOCK_BYTES]),
  "cut by its last byte": {
    parts: [RDIFF_HEADER, ...RDIFF_RECORDS.slice(0, -1), RDIFF_RECORDS.at(-1)!.subarray(0, -1)],
    says: ["the end of the file"],
  },
  "with a record twice": {
    parts: damagedRdiff(RDIFF_RECORDS[0], RDIFF_RECORDS[0]),
    says: ["a block from 2 to 5 is expected", "the record of block 1 is found"],
  },
  "with records out of order": {
    parts: [RDIFF_HEADER, RDIFF_RECORDS[1], RDIFF_RECORDS[0], ...RDIFF_RECORDS.slice(2)],
    says: ["a block from 3 to 5 is expected", "the record of block 1 is found"],
  },
  "with an index out of range": {
    parts: [RDIFF_HEADER, ...RDIFF_RECORDS.slice(0, -1), dumpRecord(6, undefined)],
    says: ["to 5 is expected", "the record of block 6 is found"],
  },
  "with a surplus record": {
    parts: [RDIFF_HEADER, ...RDIFF_RECORDS, dumpRecord(6, undefined)],
    says: ["the end of the file after block 5", "the record of block 6"],
  },
  "with a byte behind its end": {
    parts: [RDIFF_HEADER, ...RDIFF_RECORDS, Uint8Array.of(0)],
    says: ["the end of the file after block 5"],
  },
  ...oddTokens(["01", "+1", " 1", "", "-1", "99999999999999999999"], (index) => ({
    name: `with the index "${index}"`,
    parts: damagedRdiff(concat(token(index), token(0), token(BLOCK_BYTES), OLD_CONTENT)),
    says: ["the record of a block from 0 to 5 is expected"],
  })),
  ...oddTokens(["2", "00", ""], (flag) => ({
    name: `with the zero flag "${flag}"`,
    parts: damagedRdiff(concat(token(1), token(flag), token(BLOCK_BYTES), OLD_CONTENT)),
    says: ["the zero flag of block 1"],
  })),
  ...oddTokens(["0512", "511", "513", "1099511627776"], (length) => ({
    name: `with the content length "${length}"`,
    parts: damagedRdiff(concat(token(1), token(0), token(length), OLD_CONTENT)),
    says: ["the length 512 of block 1"],
  })),
};

const damagedDigest = (...records: Uint8Array[]) => [DIGEST_HEADER, DIGEST_RECORDS[0], ...records];
const md5 = digestRecord(CONTENT).subarray(-16);

const DIGEST_DAMAGE: Record<string, Damage> = {
  "cut right after its header": { parts: [DIGEST_HEADER], says: THE_END },
  "cut inside its header": { parts: [DIGEST_HEADER.subarray(0, -3)], says: ["more of the header"] },
  "cut between records": { parts: damagedDigest(DIGEST_RECORDS[1]), says: THE_END },
  "without its last record": { parts: [DIGEST_HEADER, ...DIGEST_RECORDS.slice(0, -1)], says: THE_END },
  ...cutRecord(DIGEST_RECORDS[1], (part) => damagedDigest(part), [1, 2, 4, 5, 6, 20]),
  "with a surplus record": {
    parts: [DIGEST_HEADER, ...DIGEST_RECORDS, digestRecord(undefined)],
    says: ["the end of the file after block 5"],
  },
  "with a byte behind its end": {
    parts: [DIGEST_HEADER, ...DIGEST_RECORDS, Uint8Array.of(0)],
    says: ["the end of the file after block 5"],
  },
  "with an MD5 of zeros": {
    parts: damagedDigest(concat(token(0), token(16), new Uint8Array(16)), ...DIGEST_RECORDS.slice(2)),
    says: ["the MD5 of block 1", "sixteen zero bytes"],
  },
  ...oddTokens(["2", "00", "", "-0"], (flag) => ({
    name: `with the zero flag "${flag}"`,
    parts: damagedDigest(concat(token(flag), token(16), md5), ...DIGEST_RECORDS.slice(2)),
    says: ["the zero flag of block 1"],
  })),
  ...oddTokens(["016", "15", "17", "0", "", "1099511627776"], (length) => ({
    name: `with the MD5 length "${length}"`,
    parts: damagedDigest(concat(token(0), token(length), md5), ...DIGEST_RECORDS.slice(2)),
    says: ["the length 16", "block 1"],
  })),
};

const NEW_FILES = "--dumpout new.dump --digestout new.digest --rdiffout new.rdiff";

testDamage("dump", DUMP_DAMAGE, [
  "check --digestin g1.digest BAD",
  "check --digestin g0.digest BAD g0.rdiff",
  "restore --create --local new.raw BAD",
  "restore --create --local new.vmdk BAD",
  "restore --create --local new.vmdk --format monolithicSparse BAD",
  "restore --create --local new.vmdk --format streamOptimized BAD",
  "restore --local d2.raw BAD",
  "restore --local d2.raw BAD g0.rdiff",
  "merge --dumpout new.dump BAD g0.rdiff",
  "digest --dumpin BAD --digestout new.digest",
  `dump --mode diff --local d2.raw --dumpin BAD --digestin g1.digest ${NEW_FILES}`,
  `dump --mode incr --local d2.raw --bmpin all.bmp --dumpin BAD --digestin g1.digest ${NEW_FILES}`,
  "rdiff BAD g2.dump --rdiffout new.rdiff",
  "compare BAD g1.dump",
]);

testDamage("rdiff", RDIFF_DAMAGE, [
  "check --digestin g0.digest BAD",
  "check --digestin g0.digest g2.dump g1.rdiff BAD",
  "restore --create --local new.raw g1.dump BAD",
  "restore --local d1.raw g1.dump BAD",
  "restore --local d1.raw BAD",
  "merge --dumpout new.dump g1.dump BAD",
  "merge --rdiffout new.rdiff g1.rdiff BAD",
  "compare g0.rdiff BAD",
  "rdiff2bmp BAD --bmpout new.bmp",
]);

testDamage("digest", DIGEST_DAMAGE, [
  "check --digestin BAD g1.dump",
  "check --digestin BAD g1.rdiff",
  `dump --mode diff --local d2.raw --dumpin g1.dump --digestin BAD ${NEW_FILES}`,
  `dump --mode incr --local d2.raw --bmpin all.bmp --dumpin g1.dump --digestin BAD ${NEW_FILES}`,
  "compare g1.digest BAD",
]);

/** A test for each damage, a step for each command; `BAD` stands for the damaged file, plain and compressed. */
function testDamage(kind: string, damages: Record<string, Damage>, commands: string[]): void {
  for (const [damage, { parts, says }] of Object.entries(damages)) {
    Deno.test(`a ${kind} ${damage} is refused`, async (t) => {
      const bad = `bad.${kind}`;
      using archives = new Archives({ [bad]: concat(...parts) });
      for (const command of commands) {
        await t.step(command, async () => {
          await archives.refused(command.replace("BAD", bad), {
            code: EXIT.corrupt,
            says: ["Cannot read ", `${bad}"`, "at byte ", " is expected, ", " is found", ...says],
          });
        });
      }
    });
  }
}

/** The second look at a file of which only the first `kept` bytes of a record are left. */
function cutRecord(
  record: Uint8Array,
  parts: (part: Uint8Array) => Uint8Array[],
  kept: number[],
): Record<string, Damage> {
  return Object.fromEntries(kept.map((length) => [
    `cut inside a record after ${length} bytes`,
    { parts: parts(record.subarray(0, length)), says: ["the end of the file"] },
  ]));
}

/** A damage for each way to write a number that only looks like one. */
function oddTokens(
  texts: string[],
  make: (text: string) => Damage & { name: string },
): Record<string, Damage> {
  return Object.fromEntries(texts.map(make).map(({ name, ...damage }) => [name, damage]));
}
