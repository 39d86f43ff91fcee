import { assertEquals, assertMatch } from "@std/assert";
import type { OptionValue, ValueOption } from "../../cli/options/option.ts";
import { expectation, readValue } from "../../cli/options/values.ts";

const WORDS = { value: "x", help: "x" } as const;
const BYTES: ValueOption = { ...WORDS, type: "bytes", min: 512, max: 16_777_216, multipleOf: 512 };
const COUNT: ValueOption = { ...WORDS, type: "count", min: 1, max: 64 };
const ANY_COUNT: ValueOption = { ...WORDS, type: "count" };
const SECONDS: ValueOption = { ...WORDS, type: "seconds", max: 3600 };
const WHOLE: ValueOption = { ...WORDS, type: "seconds", min: 1, max: 86_400, whole: true };
const PERCENT: ValueOption = { ...WORDS, type: "percent" };
const TIME: ValueOption = { ...WORDS, type: "time" };
const CHOICE: ValueOption = { ...WORDS, type: "choice", choices: ["full", "diff"] };
const PATH: ValueOption = { ...WORDS, type: "input" };

const READ: [name: string, option: ValueOption, texts: Record<string, OptionValue>][] = [
  ["bytes", BYTES, {
    "512": 512,
    "01048576": 1_048_576,
    "16777216": 16_777_216,
    "00000000000000000512": 512,
  }],
  ["a count", COUNT, { "1": 1, "007": 7, "64": 64 }],
  ["a count without limits", ANY_COUNT, { "0": 0, "9007199254740991": Number.MAX_SAFE_INTEGER }],
  ["seconds", SECONDS, { "0": 0, "0.001": 0.001, "3600": 3600, "1.5": 1.5 }],
  ["whole seconds", WHOLE, { "1": 1, "86400": 86_400 }],
  ["percent", PERCENT, { "0": 0, "0%": 0, "5%": 5, "0.5%": 0.5, "100%": 100, "05.25%": 5.25 }],
  ["a time", TIME, {
    "2026-11-30T02:00:05Z": new Date(Date.UTC(2026, 10, 30, 2, 0, 5)),
    "2026-11-30t02:00:05.25z": new Date(Date.UTC(2026, 10, 30, 2, 0, 5, 250)),
    "2026-11-30T02:00:05+01:30": new Date(Date.UTC(2026, 10, 30, 0, 30, 5)),
    "2024-02-29": new Date(Date.UTC(2024, 1, 29)),
  }],
  ["a choice", CHOICE, { full: "full", diff: "diff" }],
  ["a path", PATH, { "": "", "-": "-", "a b": "a b" }],
];

for (const [name, option, texts] of READ) {
  Deno.test(`readValue() reads ${name}`, () => {
    for (const [text, value] of Object.entries(texts)) assertEquals(readValue(option, text), value, text);
  });
}

const REFUSED: [name: string, option: ValueOption, texts: string[], expected: RegExp][] = [
  [
    "bytes",
    BYTES,
    [
      "",
      "0",
      "513",
      "16777728",
      "-512",
      "+512",
      "1e3",
      "0x200",
      "512.0",
      "512.5",
      " 512",
      "512 ",
      "abc",
      "1M",
    ],
    /^a number of bytes from 512 to 16777216 that is a multiple of 512$/,
  ],
  ["counts", COUNT, ["", "0", "65", "1.0", "two", "٣"], /^a number from 1 to 64$/],
  ["counts", ANY_COUNT, ["9007199254740992", "100000000000000000000", "-1"], /^a number$/],
  ["seconds", SECONDS, ["", "3600.001", "-1", ".5", "1.", "1.0001", "1s"], /^seconds from 0 to 3600$/],
  ["whole seconds", WHOLE, ["0", "1.5", "86401"], /^whole seconds from 1 to 86400$/],
  [
    "percent",
    PERCENT,
    ["", "5", "%", "101%", "100.1%", "-5%", "5 %", "5%%", ".5%", "5.%", "1e1%", "all", "0x5%"],
    /^a share like 5%/,
  ],
  [
    "times",
    TIME,
    ["", "now", "2026", "2026-02-30", "2026-02-29T00:00:00Z", "2026-13-01", "2026-11-30T24:00:00Z"]
      .concat([
        "2026-11-30T02:00:05",
        "2026-11-30 02:00:05Z",
        "2026-11-30T02:61:00Z",
        "2026-11-30T02:00:05+25:00",
      ]),
    /^a time like 2026-11-30T02:00:05Z/,
  ],
  ["choices", CHOICE, ["", "FULL", "ful", "toString"], /^full, diff$/],
];

for (const [name, option, texts, expected] of REFUSED) {
  Deno.test(`readValue() refuses ${name} that are none: ${expectation(option)}`, () => {
    for (const text of texts) assertEquals(readValue(option, text), undefined, text);
    assertMatch(expectation(option), expected);
  });
}
