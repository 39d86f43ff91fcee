/** The scripts that `vmdkbkp completion` prints, in the shells themselves. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/posix/join";
import { COMMANDS } from "../../cli/commands/all.ts";
import { flagOf, optionsOf } from "../../cli/options/option.ts";
import { PseudoTerminal, testAtTerminal } from "../commands/pseudo_terminal.ts";
import { Folder } from "../disks/helpers.ts";
import { callMain } from "../support/run_cli.ts";
import { testWith } from "../support/skip.ts";

const COMMAND_NAMES = [...Object.keys(COMMANDS), "help"];
const MODES = ["diff", "full", "incr"];
const FILES = ["a b.dump", "a.dump", "sub"];

/** Lines whose last word is completed in a folder with {@linkcode FILES}, and what it becomes. */
const COMPLETED: [line: string, words: string[]][] = [
  ["vmdkbkp ", COMMAND_NAMES],
  ["vmdkbkp du", ["dump"]],
  ["vmdkbkp --v", ["--version"]],
  ["vmdkbkp bogus ", []],
  ["vmdkbkp help che", ["check"]],
  ["vmdkbkp help check ", []],
  ["vmdkbkp dump --mo", ["--mode"]],
  ["vmdkbkp dump --dump", ["--dumpin", "--dumpout"]],
  ["vmdkbkp check --dump", []],
  ["vmdkbkp dump --mode ", MODES],
  ["vmdkbkp dump -q --mode f", ["full"]],
  ["vmdkbkp dump --mode=f", ["full"]],
  ["vmdkbkp dump --mode=full --on-mismatch ", ["diff", "stop"]],
  ["vmdkbkp dump --mode full a", ["a b.dump", "a.dump"]],
  ["vmdkbkp dump --dumpout a", ["a b.dump", "a.dump"]],
  ["vmdkbkp dump --libdir ", ["sub"]],
  ["vmdkbkp dump --blocksize ", []],
  ["vmdkbkp dump --blocksize --mode --dumpin a", ["a b.dump", "a.dump"]],
  ["vmdkbkp dump --changeid --mode --lev", ["--level"]],
  ["vmdkbkp check dump --jun", ["--junit"]],
  ["vmdkbkp completion ", ["bash", "fish", "zsh"]],
  ["vmdkbkp thumbprint a", []],
  ["vmdkbkp digest a", []],
];

/** A folder with some files and the script of a shell. */
class Scene extends Folder {
  readonly script: string;

  static async of(shell: string): Promise<Scene> {
    const { code, stdout, stderr } = await callMain(["completion", shell]);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    return new Scene(stdout);
  }

  private constructor(script: string) {
    super();
    Deno.mkdirSync(join(this.path, "here"));
    this.script = this.file("script", script);
    for (const name of FILES) {
      if (name === "sub") Deno.mkdirSync(join(this.path, "here", name));
      else Deno.writeTextFileSync(join(this.path, "here", name), "");
    }
  }

  get here(): string {
    return join(this.path, "here");
  }

  /** Runs a shell in the folder; returns its lines, sorted, without empty ones. */
  run(shell: string, args: string[]): string[] {
    const { code, stdout, stderr } = new Deno.Command(shell, {
      args,
      cwd: this.here,
      env: { HOME: this.path },
      stdin: "null",
    }).outputSync();
    const text = new TextDecoder();
    assertEquals({ code, stderr: text.decode(stderr) }, { code: 0, stderr: "" });
    return text.decode(stdout).split("\n").filter((line) => line !== "").sort();
  }
}

function missingShell(shell: string): string | undefined {
  try {
    new Deno.Command(shell, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
    return undefined;
  } catch {
    return `${shell} is not installed`;
  }
}

/** Registers a test that needs a shell. CI has bash; the others are tested wherever somebody has them. */
function testInShell(shell: string, name: string, fn: () => Promise<void>): void {
  const missing = missingShell(shell);
  if (shell === "bash" || missing === undefined) testWith({ missing }, name, fn);
  else Deno.test({ name: `${name} (skipped: ${missing})`, ignore: true, fn });
}

/** The words of a line as bash gives them to the function: `=` is a word of its own. */
function bashWords(line: string): string[] {
  return line.split(" ").flatMap((word) => word.split(/(=)/).filter((part, i) => part !== "" || i === 0));
}

testInShell("bash", "bash completes commands, options, choices and files", async () => {
  using scene = await Scene.of("bash");
  const driver = `source "$1"; shift; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_vmdkbkp || true; for word in "\${COMPREPLY[@]}"; do printf '%s\\n' "$word"; done`;
  for (const [line, words] of COMPLETED) {
    const args = ["--norc", "--noprofile", "-c", driver, "bash", scene.script, ...bashWords(line)];
    const expected = line === "vmdkbkp " ? [...words, "--help", "-h", "--version", "-V"] : words;
    assertEquals(scene.run("bash", args), expected.toSorted(), line);
  }
});

testInShell("fish", "fish completes commands, options, choices and files", async () => {
  using scene = await Scene.of("fish");
  for (const [line, words] of COMPLETED) {
    const args = ["--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"', scene.script, line];
    const found = scene.run("fish", args).map((found) => found.split("\t")[0]);
    const plain = found.map((word) => word.replace(/^--[a-z]+=|\/$/g, "").replaceAll("\\", ""));
    assertEquals(plain.toSorted(), words.toSorted(), line);
  }
});

/** What is typed at a shell's prompt, with tabulators, and what the line then is. */
const TYPED: [keys: string, line: string][] = [
  ["vmdkbkp du\t", "vmdkbkp dump "],
  ["vmdkbkp dump --mode f\t", "vmdkbkp dump --mode full "],
  ["vmdkbkp dump --mode=f\t", "vmdkbkp dump --mode=full "],
  ["vmdkbkp dump --dumpout a.\t", "vmdkbkp dump --dumpout a.dump "],
  ["vmdkbkp dump --digestin=a.\t", "vmdkbkp dump --digestin=a.dump "],
  ["vmdkbkp dump --libdir s\t", "vmdkbkp dump --libdir sub/"],
  ["vmdkbkp check a\\ \t", "vmdkbkp check a\\ b.dump "],
  ["vmdkbkp completion z\t", "vmdkbkp completion zsh "],
  ["vmdkbkp help rest\t", "vmdkbkp help restore "],
];

/**
 * Types lines at the prompt of a shell. The program is a function that prints its words between brackets, so that the test
 * sees what the shell makes of the line.
 */
async function typeAt(shell: string, { args, start }: { args: string; start: string }): Promise<void> {
  using scene = await Scene.of(shell);
  await using terminal = new PseudoTerminal(`cd '${scene.here}' && exec ${shell} ${args}`, {
    HOME: scene.path,
    TERM: "dumb",
  });
  await terminal.type(`${start}; source '${scene.script}'; vmdkbkp() { printf '<%s>' "$@"; echo; }\n`);
  await terminal.type("vmdkbkp rea''dy\n");
  await terminal.shows("<ready>");
  for (const [keys, line] of TYPED) {
    // What is typed behind the tabulator shows where the shell left the cursor.
    await terminal.type(`${keys}.\n`);
    const words = `${line}.`.replaceAll("\\ ", "\0").split(" ").slice(1).map((word) =>
      word.replaceAll("\0", " ")
    );
    await terminal.shows(words.map((word) => `<${word}>`).join(""));
  }
  await terminal.type("exit\n");
}

if (missingShell("bash") === undefined) {
  testAtTerminal("bash completes what is typed at its prompt", async () => {
    await typeAt("bash", { args: "--norc --noprofile -i", start: "bind 'set enable-bracketed-paste off'" });
  });
}

if (missingShell("zsh") === undefined) {
  testAtTerminal("zsh completes what is typed at its prompt", async () => {
    await typeAt("zsh", { args: "-f -i", start: "autoload -Uz compinit; compinit -u -D" });
  });
}

for (const shell of ["bash", "zsh", "fish"]) {
  Deno.test(`the script for ${shell} has every command, option and choice`, async () => {
    using scene = await Scene.of(shell);
    const script = Deno.readTextFileSync(scene.script);
    for (const [name, { load }] of Object.entries(COMMANDS)) {
      assertStringIncludes(script, name);
      for (const [option, { type, ...rest }] of optionsOf((await load()).command)) {
        assertStringIncludes(script, shell === "fish" ? `-l ${flagOf(option)} ` : `--${flagOf(option)}`);
        if (type === "choice" && "choices" in rest) assertStringIncludes(script, rest.choices.join(" "));
      }
    }
  });
}
