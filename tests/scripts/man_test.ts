import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../cli/commands/all.ts";
import { flagOf, optionsOf } from "../../cli/options/option.ts";
import { manualPages } from "../../scripts/man.ts";
import { bold, escaped, paragraphs, request } from "../../scripts/man/roff.ts";

const DATE = "2026-11-30";

Deno.test("there is a manual page for the program and for each command", async () => {
  const names = Object.keys(COMMANDS).map((name) => `vmdkbkp-${name}.1`);
  assertEquals([...(await manualPages(DATE)).keys()], ["vmdkbkp.1", ...names]);
});

Deno.test("the manual page of a command has each option, variable and choice", async () => {
  const pages = await manualPages(DATE);
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    const page = pages.get(`vmdkbkp-${name}.1`)!;
    assert(page.startsWith(`.TH "${escaped(`VMDKBKP-${name.toUpperCase()}`)}" "1" "${DATE}"`), page);
    for (const [option, { environment, ...rest }] of optionsOf((await load()).command)) {
      assertStringIncludes(page, bold(`--${flagOf(option)}`));
      if (environment !== undefined) assertStringIncludes(page, bold(environment.variable));
      if (rest.type === "choice") assertStringIncludes(page, `One of ${rest.choices.join(", ")}.`);
    }
    assertStringIncludes(pages.get("vmdkbkp.1")!, bold(`vmdkbkp-${name}`));
  }
});

Deno.test("escaped() leaves nothing that roff takes for a request or shows as another character", () => {
  assertEquals(escaped(".a\n'b\n.c-d\\n"), "\\&.a\n\\(aqb\n\\&.c\\-d\\en");
  assertEquals(escaped("a.b `~^"), "a.b \\(ga\\(ti\\(ha");
  assertEquals(request("SH", 'a "b"', ""), '.SH "a \\(dqb\\(dq" ""');
});

Deno.test("paragraphs() keeps indented lines as they are", () => {
  assertEquals(paragraphs("a\nb\n\n  c  d\n  e\n\nf\n  g\n"), [
    "a\nb",
    ...[".PP", ".RS 4", ".nf", "c  d\ne", ".fi", ".RE"],
    ...[".PP", "f", ".RS 4", ".nf", "g", ".fi", ".RE"],
  ]);
});

/** Programs that show manual pages, and how they tell of everything that is wrong with one in standard input. */
const RENDERERS: Record<string, string[]> = {
  groff: ["-man", "-ww", "-Tutf8", "-P-cbou"],
  man: ["--warnings=w", "--local-file", "-"],
  mandoc: ["-Tutf8", "-Wwarning"],
};

for (const [renderer, args] of Object.entries(RENDERERS)) {
  const isThere = isInstalled(renderer);
  Deno.test({
    name: `${renderer} shows the manual pages without a warning${
      isThere ? "" : " (skipped: it is not installed)"
    }`,
    ignore: !isThere,
    async fn() {
      for (const [name, text] of await manualPages(DATE)) {
        const child = new Deno.Command(renderer, {
          args,
          env: { MANPAGER: "cat", PAGER: "cat", MANWIDTH: "200", LC_ALL: "C.UTF-8" },
          stdin: "piped",
          stdout: "piped",
          stderr: "piped",
        }).spawn();
        const [{ code, stdout, stderr }] = await Promise.all([
          child.output(),
          new Blob([text]).stream().pipeTo(child.stdin),
        ]);
        assertEquals({ code, stderr: new TextDecoder().decode(stderr) }, { code: 0, stderr: "" }, name);
        // Overstruck letters are how some show bold ones.
        // deno-lint-ignore no-control-regex
        const shown = new TextDecoder().decode(stdout).replaceAll(/.\x08/g, "");
        const command = /^vmdkbkp-(.*)\.1$/.exec(name)?.[1];
        for (
          const [option] of command === undefined ? [] : optionsOf((await COMMANDS[command].load()).command)
        ) {
          assert(
            new RegExp(`^ .*--${flagOf(option)}\\b`, "m").test(shown),
            `${name}: --${option} is not shown`,
          );
        }
      }
    },
  });
}

function isInstalled(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdin: "null", stdout: "null", stderr: "null" })
      .outputSync() !== undefined;
  } catch {
    return false;
  }
}
