/** Seals, most of them closed by the right hash, so that what they say is looked at. */

import { parseSeal } from "../../cli/archive/seal.ts";
import { damaged } from "./damage.ts";
import { acceptable } from "./oracle/acceptable.ts";
import { type Json, readSeal, sealText } from "./oracle/seal.ts";
import { judge, oneOf, type Outcome, type Random, randomOf, type Subject } from "./subject.ts";

type Body = { [name: string]: Json };

const HASH = "ab".repeat(32);

/** Around the bounds, of other types, and what JSON has several forms of. */
const VALUES: Json[] = [
  ...[null, true, false, 0, 1, -1, 2, 0.5, 100, 100.5, 511, 512, 513, 1024, 16777216, 16777728, 1e15, 1e16],
  ...[
    2 ** 53 - 1,
    2 ** 53,
    1e300,
    "",
    "a",
    "x".repeat(255),
    "x".repeat(256),
    "y".repeat(4096),
    "z".repeat(4097),
  ],
  ...[
    ".",
    "..",
    "a/b",
    "a\0b",
    "ü",
    "\ud800",
    "dump",
    "digest",
    "rdiff",
    "agrees",
    "skipped",
    HASH,
    HASH + "a",
  ],
  ...["0123456789abcdef0123456789abcdef", "2026-07-15 12:00:00", "12026-07-15 12:00:00 summer time"],
  ...[[], [1], {}, { a: "b" }, { time: "2026-07-15 12:00:00", root: null }, new Array(65).fill({})],
];
const NAMES = [
  "a",
  "1",
  "reason",
  "audit",
  "from",
  "to",
  "root",
  "__proto__",
  "constructor",
  "sha256",
  "percent",
];
const WORDS = ["{}", "[", "]", ",", '"', "\\u0061", " ", "\n", "1e3", "-0", "null"].map((text) =>
  new TextEncoder().encode(text)
);

export class SealSubject implements Subject {
  readonly name = "seal";

  async run(number: number): Promise<Outcome> {
    const random = randomOf(number);
    const file = { path: "a.seal.json", bytes: damagedSeal(random) };
    return await judge([file], { content: await acceptable(() => readSeal(file.bytes)) }, async () => {
      const {
        program,
        series,
        time,
        capacityBytes,
        blockBytes,
        blockCount,
        root,
        mode,
        source,
        audit,
        files,
      } = await parseSeal(file.bytes, file.path);
      return JSON.stringify({
        vmdkbkpSeal: 1,
        ...{ program, series, time, capacityBytes, blockBytes, blockCount, root, mode, source, audit, files },
      });
    });
  }

  [Symbol.dispose](): void {}
}

function damagedSeal(random: Random): Uint8Array {
  let body = generated(random);
  for (let left = random(3); left > 0; left--) body = changed(body, random) as Body;
  const bytes = new TextEncoder().encode(sealText(body));
  return random(4) === 0 ? damaged(bytes, random, { words: WORDS }) : bytes;
}

function generated(random: Random): Body {
  const blockBytes = oneOf(random, [512, 1024, 1048576]);
  const blockCount = 1 + random(20);
  const generation = () => ({ time: "2026-07-15 12:00:00", root: oneOf(random, [HASH, null]) });
  const sampled = random(5);
  const files = ["dump", "digest", "rdiff"].slice(0, random(4)).map((role): Body => {
    const data = random(blockCount + 1);
    const links = { from: oneOf(random, [null, generation()]), to: generation() };
    return {
      role,
      name: `1.${role}`,
      bytes: 1 + random(1000),
      sha256: HASH,
      dataRecords: data,
      zeroRecords: blockCount - data,
      ...role === "rdiff" ? links : {},
    };
  });
  return {
    vmdkbkpSeal: 1,
    program: "vmdkbkp 2.0.0",
    series: "0123456789abcdef0123456789abcdef",
    time: "2026-07-15 12:00:00",
    capacityBytes: blockBytes * blockCount - random(blockBytes),
    blockBytes,
    blockCount,
    root: oneOf(random, [HASH, null]),
    mode: random(2) === 0
      ? { asked: "full", done: "full" }
      : { asked: "incr", done: "diff", reason: "it is so" },
    source: random(2) === 0 ? {} : { disk: 'a "disk" ü.vmdk', cid: "fffffffe" },
    ...random(2) === 0 ? {} : {
      audit: {
        ...random(2) === 0 ? {} : { percent: oneOf(random, [0, 5, 2.5, 100]) },
        unchangedBlocks: sampled + random(3),
        sampledBlocks: sampled,
        differingBlocks: random(sampled + 1),
        result: oneOf(random, ["agrees", "differs", "skipped"]),
      },
    },
    files,
  };
}

/** Another value in one place, one left out, one added, or the members in another order. */
function changed(value: Json, random: Random): Json {
  if (typeof value === "number" && random(2) === 0) return value + random(3) - 1;
  if (typeof value !== "object" || value === null) return oneOf(random, VALUES);
  if (Array.isArray(value)) {
    if (value.length === 0 || random(6) === 0) {
      return [...value, oneOf(random, [value[0] ?? null, ...VALUES])];
    }
    const at = random(value.length);
    return random(6) === 0 ? value.toSpliced(at, 1) : value.with(at, changed(value[at], random));
  }
  const members = Object.entries(value);
  const at = random(members.length);
  switch (random(8)) {
    case 0:
      return Object.fromEntries(members.toSpliced(at, 1));
    case 1:
      return Object.fromEntries(members.toSpliced(at, 0, [oneOf(random, NAMES), oneOf(random, VALUES)]));
    case 2:
      return Object.fromEntries([...members.slice(at), ...members.slice(0, at)]);
    default:
      return members.length === 0 ? {} : { ...value, [members[at][0]]: changed(members[at][1], random) };
  }
}
