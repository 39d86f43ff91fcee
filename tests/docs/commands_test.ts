/** The command lines of README.md and the manual work, or, if they need a server or another machine, can be understood. */

import { assert, assertEquals } from "@std/assert";
import { testWith } from "../support/skip.ts";
import { COMMAND_NAMES, judge, unknownOptionsOf } from "./command_lines.ts";
import { MANUAL } from "./documents.ts";
import { PageFolder, runPage } from "./page.ts";
import { commandsOf } from "./shell_words.ts";

/** The info strings that blocks may have. */
const INFO = /^(sh( exit=[1-9]\d*| no-run)?|text( output)?|json|ts)$/;

/** Programs that pages use and not every machine has. */
const FOREIGN_PROGRAMS = ["minisign"];

for (const { path, blocks } of MANUAL) {
  const runnable = blocks.filter(({ info }) => info[0] === "sh" && info[1] !== "no-run");
  const programs = runnable.flatMap(({ text }) => commandsOf(text).map(([program]) => program));
  const missing = FOREIGN_PROGRAMS.filter((program) => programs.includes(program) && !isInstalled(program));

  Deno.test(`${path}: every command and option of its code blocks exists`, async () => {
    for (const { info, text, line } of blocks) {
      assert(INFO.test(info.join(" ")), `${path}:${line}: "${info.join(" ")}" is none of ${INFO}`);
      if (info[0] !== "sh") continue;
      for (const words of commandsOf(text)) {
        await judge(words).catch((error) => {
          throw new Error(`${path}:${line}: ${words.join(" ")}: ${error.message}`, { cause: error });
        });
      }
    }
  });

  if (runnable.length > 0) {
    testWith(
      { missing: missing.length > 0 ? `${missing.join(", ")} is not installed` : undefined },
      `${path}: its command lines do what the page says`,
      async () => {
        using folder = new PageFolder();
        await runPage(folder, blocks, path);
      },
    );
  }
}

Deno.test("Every option that the text of the manual names is one of the program", async () => {
  for (const { path, spans } of MANUAL) {
    for (const { text, line } of spans) {
      assertEquals(await unknownOptionsOf(text), [], `${path}:${line}: \`${text}\``);
    }
  }
});

Deno.test("The manual names every command of the program", () => {
  const all = MANUAL.flatMap(({ spans }) => spans.map(({ text }) => text.split(" ")[0]));
  assertEquals(COMMAND_NAMES.filter((name) => !all.includes(name)), []);
  assert(COMMAND_NAMES.length >= 16, `Only ${COMMAND_NAMES.length} commands were found in cli/main.ts`);
});

function isInstalled(program: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" }).outputSync()
    .success;
}
