import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Command, helpText, type Options, parse, type ValuesOf } from "../../cli/commands/options.ts";
import { UsageError } from "../../cli/errors.ts";

function commandOf<const Own extends Options>(options: Own, args: Record<string, string> = {}): Command<Own> {
  return { name: "try", description: "Try it.", examples: "\nvmdkbkp try a\nvmdkbkp try b", args, options };
}

const TRY = commandOf({
  mode: { value: "mode", choices: ["full", "diff"], help: "what" },
  level: { value: "n", help: "how much" },
  out: { value: "file", default: "-", help: "where to" },
  allowOutside: { help: "more" },
  quiet: { short: "q", help: "less" },
}, { "[files...]": "files" });

const ONE = commandOf({ digestin: { value: "file", required: true, help: "digest" } }, {
  "<a>": "a",
  "[b]": "b",
});

/** Command lines, and what they mean beside `out: "-"`. */
const MEANT: [line: string, values: Record<string, string | true>, args?: string[]][] = [
  ["", {}],
  ["--level 3 --mode=full", { level: "3", mode: "full" }],
  ["--level 1 --level=2", { level: "2" }],
  ["--level=1e3", { level: "1e3" }],
  ["--level 007", { level: "007" }],
  ["--level 0x200", { level: "0x200" }],
  ["--level -1", { level: "-1" }],
  ["--level=-1", { level: "-1" }],
  ["--level --quiet", { level: "--quiet" }],
  ["--level --", { level: "--" }],
  ["--level=", { level: "" }],
  ["--level=a=b", { level: "a=b" }],
  ["--level true", { level: "true" }],
  ["--out - a", { out: "-" }, ["a"]],
  ["--allow-outside true", { allowOutside: true }, ["true"]],
  ["-q false 007 -", { quiet: true }, ["false", "007", "-"]],
  ["--quiet a --allow-outside b -q", { quiet: true, allowOutside: true }, ["a", "b"]],
  ["-- --level -q --help --", {}, ["--level", "-q", "--help", "--"]],
];

for (const [line, values, args = []] of MEANT) {
  Deno.test(`parse() understands "${line}"`, async () => {
    const words = line === "" ? [] : line.split(" ");
    assertEquals(await parse(TRY, words), { values: { out: "-", ...values }, args });
  });
}

Deno.test("parse() keeps line ends and empty words", async () => {
  assertEquals(await parse(TRY, ["", "--level=a\nb", "--out", ""]), {
    values: { out: "", level: "a\nb" },
    args: [""],
  });
});

for (const line of ["--help", "-h", "a --help", "--help --bogus", "--bogus -h", "--mode half --help"]) {
  Deno.test(`parse() hears the question for help in "${line}"`, async () => {
    assertEquals(await parse(TRY, line.split(" ")), undefined);
  });
}

/** Command lines that are refused, with a part of the message. */
const REFUSED: [line: string, says: RegExp, command?: Command][] = [
  ["--bogus", /unknown option "--bogus" \(see --help\)$/],
  ["--bogus=3", /unknown option "--bogus" \(/],
  ["--levle 3", /unknown option "--levle", did you mean "--level"\?/],
  ["--lev 3", /unknown option "--lev", did you mean "--level"\?/],
  ["--allowOutside", /unknown option "--allowOutside", did you mean "--allow-outside"/],
  ["--no-level=3", /unknown option "--no-level"/],
  ["--no-level", /unknown option "--no-level"/],
  ["--no-quiet", /unknown option "--no-quiet"/],
  ["--level.x=3", /unknown option "--level\.x"/],
  ["--a.b 3", /unknown option "--a\.b"/],
  ["--__proto__=3", /unknown option "--__proto__"/],
  ["--constructor 3", /unknown option "--constructor"/],
  ["--toString", /unknown option "--toString"/],
  ["--_ a", /unknown option "--_"/],
  ["--_=a", /unknown option "--_"/],
  ["-_", /unknown option "-_"/],
  ["--level 3 -_=a", /unknown option "-_"/],
  ["-x", /unknown option "-x"/],
  ["-1", /unknown option "-1"/],
  ["-qx", /unknown option "-qx"/],
  ["-q=1", /unknown option "-q"/],
  ["-level 3", /unknown option "-level"/],
  ["---", /unknown option "---"/],
  ["--=3", /unknown option/],
  ["a --level", /option "--level <n>" has no value/],
  ["--quiet=yes", /option "--quiet" takes no value/],
  ["--quiet=", /option "--quiet" takes no value/],
  ["--mode half", /--mode cannot be "half", only full, diff/],
  ["--mode toString", /--mode cannot be "toString"/],
  ["a", /required option "--digestin <file>" is not given/, ONE],
  ["--digestn a", /unknown option "--digestn", did you mean "--digestin"/, ONE],
  ["--digestin a", /required argument "a" is not given/, ONE],
  ["--digestin a b c d", /too many arguments: at most 2 expected, 3 given/, ONE],
  ["a", /too many arguments: at most 0 expected, 1 given/, commandOf({})],
];

for (const [line, says, command = TRY] of REFUSED) {
  Deno.test(`parse() refuses "${line}"`, async () => {
    const { message } = await assertRejects(async () => await parse(command, line.split(" ")), UsageError);
    assertMatch(message, /^Cannot understand the command line: .* \(see --help\)$/);
    assertMatch(message, says);
  });
}

Deno.test("the values of options have the types that their description says", () => {
  const given: ValuesOf<typeof TRY> = {
    out: "-",
    mode: "diff",
    level: undefined,
    allowOutside: true,
    quiet: undefined,
  };
  const mode: "full" | "diff" | undefined = given.mode;
  const out: string = given.out;
  const digest: string = ({ digestin: "a" } satisfies ValuesOf<typeof ONE>).digestin;
  // @ts-expect-error: no such choice
  const wrong: ValuesOf<typeof TRY> = { ...given, mode: "half" };
  assertEquals([mode, out, digest, wrong.level], ["diff", "-", "a", undefined]);
});

Deno.test("helpText() shows all of a command", () => {
  assertMatch(
    helpText(TRY),
    new RegExp(`^Usage: vmdkbkp try \\[options\\] \\[files\\.\\.\\.\\]

Try it\\.

Arguments:
  files            files

Options:
  --mode <mode>    what \\(choices: "full", "diff"\\)
  --level <n>      how much
  --out <file>     where to \\(default: "-"\\)
  --allow-outside  more
  -q, --quiet      less
  -h, --help       show this help

Examples:
  vmdkbkp try a
  vmdkbkp try b

Exit codes: 0 done, [^]*$`),
  );
});

Deno.test("the help of every command fits 110 columns", async () => {
  for (const { name } of Deno.readDirSync(new URL("../../cli/commands", import.meta.url))) {
    const { command } = await import(`../../cli/commands/${name}`);
    if (command === undefined) continue;
    const long = helpText(command).split("\n").filter((line) => line.length > 110);
    assertEquals(long, [], name);
  }
});
