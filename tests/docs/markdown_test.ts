/** The tests of documents find what they look for, and fail where a document is wrong. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { judge, unknownOptionsOf } from "./command_lines.ts";
import { readMarkdown } from "./markdown.ts";
import { PageFolder, runPage } from "./page.ts";
import { commandsOf } from "./shell_words.ts";

/** A page with one block. */
function pageWith(info: string, ...lines: string[]): string {
  return ["```" + info, ...lines, "```", ""].join("\n");
}

async function runText(text: string): Promise<void> {
  using folder = new PageFolder();
  await runPage(folder, readMarkdown(text).blocks, "x.md");
}

Deno.test("readMarkdown() finds blocks, set-ups, links, anchors and code spans", () => {
  const page =
    "# One, two & `three`\n\nSee [a](b.md#c) and ![d](e.svg), not `[f](g)`.\n\n<!-- run\ntrue\n-->\n" +
    pageWith("sh exit=3", "false # [h](i)") +
    "- An item\n\n  ```text\n  a\n    b\n  ```\n# One, two & `three`\n";
  assertEquals(readMarkdown(page), {
    blocks: [
      { info: ["sh"], text: "true", line: 5 },
      { info: ["sh", "exit=3"], text: "false # [h](i)", line: 8 },
      { info: ["text"], text: "a\n  b", line: 13 },
    ],
    links: [{ target: "b.md#c", line: 3 }, { target: "e.svg", line: 3 }],
    anchors: new Set(["one-two--three", "one-two--three-1"]),
    spans: [{ text: "three", line: 1 }, { text: "[f](g)", line: 3 }, { text: "three", line: 17 }],
  });
});

Deno.test("readMarkdown() refuses a block that does not end", () => {
  for (const text of ["```sh\ntrue\n", "<!-- run\ntrue\n", "````sh\n```\n"]) {
    assertThrows(() => readMarkdown(text), Error, "line 1 does not end");
  }
});

Deno.test("commandsOf() splits continued lines, pipes, quotes, comments, redirections and substitutions", () => {
  for (
    const [script, expected] of [
      ["a --b \\\n    c", [["a", "--b", "c"]]],
      ["a \"b  c\" d'e'f # g", [["a", "b  c", "def"]]],
      ["# a\nb#c", [["b#c"]]],
      ["a | b && c; d", [["a"], ["b"], ["c"], ["d"]]],
      ["a < b >c 2> d e", [["a", "e"]]],
      ["export A=$(b c)", [["export", "A="], ["b", "c"]]],
      ['a ""', [["a", ""]]],
    ] as const
  ) {
    assertEquals(commandsOf(script), expected, script);
  }
  assertThrows(() => commandsOf("a 'b"), Error, "does not end");
});

Deno.test("judge() refuses commands, options, tasks and versions that do not exist", async () => {
  for (
    const [line, problem] of [
      ["vmdkbkp dumb --mode full", 'no command "dumb"'],
      ["vmdkbkp dump --mod full", 'unknown option "--mod"'],
      ["vmdkbkp dump --mode ful", 'cannot be "ful"'],
      ["X=1 scripts/vmdkbkp help chekc", 'no command "chekc"'],
      ["vmdkbkp rdiff a.dump --rdiffout a.rdiff", '"newer" is not given'],
      ["deno task demon", 'no task "demon"'],
      ["npx -y deno@2.9.5 task demo", "which CI runs"],
      ["npx -y deno@2.9.6 task demon", 'no task "demon"'],
    ]
  ) {
    await assertRejects(async () => await judge(line.split(" ")), Error, problem, line);
  }
  for (
    const line of ["vmdkbkp help dump", "X=1 vmdkbkp check .", "npx -y deno@2.9.6 task test", "ls --none"]
  ) {
    await judge(line.split(" "));
  }
});

Deno.test("unknownOptionsOf() finds options that the program, or the command, does not have", async () => {
  for (
    const [code, unknown] of [
      ["--mode", []],
      ["--allow-read --allow-outside", []],
      ["check --quick", []],
      ["vmdkbkp dump --mode diff|incr", []],
      ["ls --none", []],
      ["-ctk.vmdk", []],
      ["--mod=full", ["--mod"]],
      ["check --verify", ["--verify"]],
      ["vmdkbkp restore --quick -q -x", ["--quick", "-x"]],
    ] as const
  ) {
    assertEquals(await unknownOptionsOf(code), [...unknown], code);
  }
});

Deno.test("runPage() fails for a command that fails, an exit code that differs, and output that differs", async () => {
  for (
    const [text, problem] of [
      [pageWith("sh", "false"), "x.md:1"],
      [pageWith("sh", "false | true"), "x.md:1"],
      [pageWith("sh", "true") + pageWith("sh", "vmdkbkp map none.vmdk"), "x.md:4"],
      [pageWith("sh exit=3", "exit 2"), "x.md:1"],
      [pageWith("sh exit=3", "true"), "x.md:1"],
      [pageWith("sh", "echo 1 b") + pageWith("text output", "2 c"), "x.md:4"],
      [pageWith("sh", "echo a; echo b") + pageWith("text output", "a"), "x.md:4"],
      [pageWith("text output", "a"), "no block was run before"],
    ]
  ) {
    await assertRejects(() => runText(text), Error, problem, text);
  }
});

Deno.test("runPage() runs set-ups and blocks in one folder, and compares output without its numbers", async () => {
  await runText(
    "<!-- run\necho 1 > a\n-->\n" + pageWith("sh", "cat a; echo 3.5 MiB", "echo b; echo c") +
      pageWith("text output", "7", "1 B", "...", "c") + pageWith("sh no-run", "false") +
      pageWith("sh exit=2", "vmdkbkp dumb"),
  );
});
