import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { COMMANDS } from "../../cli/commands/all.ts";
import { loadAll } from "../../cli/commands/command_entry.ts";
import { UsageError } from "../../cli/errors.ts";
import { GROUPS } from "../../cli/options/groups.ts";
import { helpText } from "../../cli/options/help.ts";
import type { Command, Options, OptionValue, ValuesOf } from "../../cli/options/option.ts";
import { mayWriteDataToStdout, parse, writesDataToStdout } from "../../cli/options/parse.ts";
import { readValue } from "../../cli/options/values.ts";

function commandOf<const Own extends Options>(options: Own, args: Command["args"] = {}): Command<Own> {
  return { name: "try", description: "Try it.", examples: "\nvmdkbkp try a\nvmdkbkp try b", args, options };
}

const TRY = commandOf({
  mode: { type: "choice", value: "mode", choices: ["full", "diff"], help: "what" },
  level: { type: "text", value: "n", help: "how much" },
  out: { type: "output", value: "file", default: "-", help: "where to" },
  allowOutside: { type: "flag", group: "more", help: "more" },
  quiet: { type: "flag", group: "general", short: "q", help: "less" },
}, { "[files...]": "files" });

const ONE = commandOf({ digestin: { type: "input", value: "file", required: true, help: "digest" } }, {
  "<a>": "a",
  "[b]": "b",
});

/** Command lines, and what they mean beside `out: "-"`. */
const MEANT: [line: string, values: Record<string, OptionValue>, args?: string[]][] = [
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

const TYPED = commandOf({
  size: { type: "bytes", value: "bytes", min: 512, max: 4096, multipleOf: 512, help: "how large" },
  threads: {
    type: "count",
    value: "n",
    max: 64,
    help: "threads",
    environment: { variable: "TRY_THREADS", help: "as --threads", givesValue: true },
  },
  folder: {
    type: "folder",
    value: "folder",
    help: "where",
    environment: { variable: "TRY_FOLDER", help: "read by the command" },
  },
  wait: { type: "seconds", value: "seconds", default: 1, help: "how long" },
  since: { type: "time", value: "time", help: "from when on" },
}, { "[form]": { help: "form", choices: ["long", "short"] } });

Deno.test("parse() gives values the types of their options", async () => {
  const understood = await parse(TYPED, ["--size=01024", "--since", "2026-11-30", "long"]);
  assertEquals(understood, {
    values: { size: 1024, wait: 1, since: new Date("2026-11-30T00:00:00Z") },
    args: ["long"],
  });
  const values: ValuesOf<typeof TYPED> = { ...understood!.values, wait: 1 } as never;
  const size: number | undefined = values.size;
  const since: Date | undefined = values.since;
  const wait: number = values.wait;
  assertEquals([size, since?.getUTCDate(), wait], [1024, 30, 1]);
});

Deno.test("parse() takes a value from the environment only where the option says so and is not given", async () => {
  const asked: string[] = [];
  const surroundings = (value: string | undefined) => ({
    variable: (name: string) => (asked.push(name), value),
  });
  const threads = async (words: string[], value?: string) =>
    (await parse(TYPED, words, surroundings(value)))?.values.threads;
  assertEquals(await threads([], "07"), 7);
  assertEquals(await threads([]), undefined);
  assertEquals([...new Set(asked)], ["TRY_THREADS"]);
  asked.length = 0;
  assertEquals(await threads(["--threads", "3"], "x"), 3);
  assertEquals(asked, []);
  await assertRejects(
    () => threads([], "many"),
    UsageError,
    'TRY_THREADS cannot be "many", only a number from 0 to 64',
  );
});

/** Wrong values, and what is expected in their places. */
for (
  const [line, says] of [
    [
      "--size abc",
      '--size cannot be "abc", only a number of bytes from 512 to 4096 that is a multiple of 512',
    ],
    ["--size 513", '--size cannot be "513", only a number of bytes from 512 to 4096'],
    ["--size", 'option "--size <bytes>" has no value, a number of bytes from 512 to 4096'],
    ["--threads 65", '--threads cannot be "65", only a number from 0 to 64'],
    ["--since now", '--since cannot be "now", only a time like 2026-11-30T02:00:05Z'],
    ["medium", '"form" cannot be "medium", only long, short'],
  ]
) {
  Deno.test(`parse() says what it expects instead of "${line}"`, async () => {
    await assertRejects(() => parse(TYPED, line.split(" ")), UsageError, says);
  });
}

const RULES = commandOf({
  mode: { type: "choice", value: "mode", choices: ["full", "diff", "incr"], required: true, help: "what" },
  dumpin: {
    type: "input",
    value: "file",
    when: { name: "mode", is: ["diff", "incr"], required: true },
    help: "previous dump",
  },
  audit: { type: "percent", value: "percent", when: { name: "mode", is: ["incr"] }, help: "how much" },
  remote: {
    type: "text",
    value: "path",
    requires: ["server", ["thumbprint", "insecure"], "absent"],
    excludes: { local: "name one disk", absent: "never" },
    help: "disk of a server",
  },
  local: { type: "file", value: "disk", help: "disk" },
  server: { type: "text", value: "host", requires: ["remote"], help: "the host" },
  thumbprint: { type: "text", value: "hex", help: "its thumbprint" },
  insecure: { type: "flag", help: "any host" },
  wait: { type: "seconds", value: "seconds", default: 1, requires: ["remote"], help: "how long" },
});

for (
  const [line, says] of [
    ["full --dumpin a", "with --mode full, --dumpin has no use there, only with --mode diff or incr"],
    ["diff", "with --mode diff, --dumpin is missing: previous dump"],
    ["diff --dumpin a --audit 5%", "with --mode diff, --audit has no use there, only with --mode incr"],
    ["full --remote r --insecure", "--remote needs --server, which is missing: the host"],
    [
      "full --remote r --server s",
      "--remote needs --thumbprint or --insecure, and neither is given",
    ],
    [
      "full --remote r --local l --server s --insecure",
      "--remote and --local cannot be used together: name one disk",
    ],
    ["full --server s", "--server needs --remote, which is missing: disk of a server"],
    ["full --wait 2", "--wait needs --remote, which is missing"],
  ]
) {
  Deno.test(`parse() refuses options that do not go together: --mode ${line}`, async () => {
    const words = `--mode ${line}`.split(" ");
    const { message } = await assertRejects(() => parse(RULES, words), UsageError, says);
    assertMatch(message, /^Cannot understand the command line: .* \(see --help\)$/);
  });
}

for (
  const line of ["full", "incr --dumpin a --audit 5%", "full --remote r --server s --thumbprint t --wait 2"]
) {
  Deno.test(`parse() accepts options that go together: --mode ${line}`, async () => {
    assertEquals((await parse(RULES, `--mode ${line}`.split(" ")))?.args, []);
  });
}

Deno.test("writesDataToStdout() is true where an output has the value -, given or by default", async () => {
  const OUTPUTS = commandOf({
    out: { type: "output", value: "file", help: "out" },
    log: { type: "file", value: "file", help: "log" },
    in: { type: "input", value: "file", help: "in" },
  }, { "[a...]": "a" });
  const writes = async (command: Command, line: string) =>
    writesDataToStdout(command, (await parse(command, line === "" ? [] : line.split(" ")))!);
  for (const line of ["--out -", "--out=-", "--out a --out -"]) {
    assertEquals(await writes(OUTPUTS, line), true, line);
  }
  for (
    const line of ["", "--out a", "-- --out -", "-", "--log -", "--in -", "--out - --out a", "--log --out=-"]
  ) {
    assertEquals(await writes(OUTPUTS, line), false, line);
  }
  assertEquals(await writes(TRY, ""), true);
  assertEquals(await writes(TRY, "--out a"), false);
  const may = (command: Command | undefined, line: string) => mayWriteDataToStdout(command, line.split(" "));
  assertEquals(
    [may(OUTPUTS, "--bogus -"), may(OUTPUTS, "--uot=-"), may(TRY, "--bogus"), may(undefined, "")],
    [
      true,
      true,
      true,
      true,
    ],
  );
  assertEquals([may(OUTPUTS, "--bogus"), may(OUTPUTS, "--bogus --out a")], [false, false]);
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

Special cases:
  --allow-outside  more

Options of every command:
  -q, --quiet      less
  -h, --help       show this help

Examples:
  vmdkbkp try a
  vmdkbkp try b

Exit codes: 0 done, [^]*$`),
  );
});

Deno.test("the help of every command fits 110 columns, and shows the options that most people need first", async () => {
  for (const { command } of await loadAll(COMMANDS)) {
    const text = helpText(command);
    assertEquals(text.split("\n").filter((line) => line.length > 110), [], command.name);
    const titles = [...text.matchAll(/^(\S.*):$/gm)].map(([, title]) => title)
      .filter((title) => (Object.values(GROUPS) as string[]).includes(title));
    assertEquals(titles.at(-1), GROUPS.general, command.name);
    const hasOwn = Object.values(command.options).some(({ group }) => group === undefined);
    if (hasOwn) assertEquals(titles[0], GROUPS.main, command.name);
  }
});

Deno.test("the rules of every command name options and choices that it has", async () => {
  for (const { command: { name, options } } of await loadAll(COMMANDS)) {
    for (const [option, { when, requires = [], ...rest }] of Object.entries(options)) {
      for (const other of requires.flat()) assert(other in options, `${name} --${option} requires ${other}`);
      const judge = when && options[when.name];
      if (when !== undefined) assert(judge?.type === "choice", `${name} --${option} goes by ${when.name}`);
      if (judge?.type === "choice") {
        assertEquals(when?.is.filter((choice) => !judge.choices.includes(choice)), [], `${name} --${option}`);
      }
      if (rest.type !== "flag" && rest.default !== undefined) {
        const text = String(rest.default);
        assertEquals(readValue(rest, text), rest.default, `the default of ${name} --${option}`);
      }
    }
  }
});

Deno.test("the options of the original have their names", async () => {
  const { command } = await COMMANDS.dump.load();
  const original = [
    "mode",
    "vm",
    "snapshot",
    "remote",
    "dumpin",
    "dumpout",
    "digestin",
    "digestout",
    "bmpin",
    "rdiffout",
  ];
  for (const name of original) {
    assert(Object.hasOwn(command.options, name) && command.options[name].type !== "flag", name);
  }
});
