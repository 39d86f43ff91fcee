/** Judges command lines without running them: each command and option must exist. */

import { COMMANDS } from "../../cli/commands/all.ts";
import { type Command, flagOf } from "../../cli/options/option.ts";
import { parse } from "../../cli/options/parse.ts";
import { ROOT } from "./documents.ts";

/** The names under which documents start the program. */
const PROGRAMS = ["vmdkbkp", "scripts/vmdkbkp", "build/vmdkbkp"];

/** The version of Deno that documents name: that of CI. */
const DENO_VERSION = /^newest=(.*)$/m.exec(Deno.readTextFileSync(`${ROOT}.ci/run`))![1];

const TASKS = Object.keys(JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)).tasks);

/** The names of all commands, as `vmdkbkp help` lists them. */
export const COMMAND_NAMES: readonly string[] = Object.keys(COMMANDS);

/** Options that are not those of a command: of vmdkbkp itself, of zstd, permissions of Deno. */
const FOREIGN_OPTIONS = ["--version", "--long", "-A"].concat(
  ["read", "write", "env", "ffi", "run", "net"].map((name) => `--allow-${name}`),
);

/**
 * Returns the options in a piece of code that do not exist. If the code begins with a command, its options must be those of
 * that command; code that begins with another program is not looked at.
 */
export async function unknownOptionsOf(code: string): Promise<string[]> {
  const words = code.split(/[ |]/).map((word) => word.replace(/=.*/, ""));
  const command = words.slice(0, 2).find((word) => COMMAND_NAMES.includes(word));
  if (command === undefined && !/^-|^vmdkbkp$/.test(words[0])) return [];
  const commands = command === undefined ? COMMAND_NAMES : [command];
  const known = FOREIGN_OPTIONS.concat(...await Promise.all(commands.map(optionsOf)));
  return words.filter((word) => /^--?[a-z][\w-]*$/i.test(word) && !known.includes(word));
}

/** Returns the options of a command, as they are written: `--mode`, `-q`. */
async function optionsOf(name: string): Promise<string[]> {
  const { options } = await declarationOf(name);
  const long = Object.keys(options).map((option) => `--${flagOf(option)}`);
  const short = Object.values(options).flatMap((option) =>
    option.short === undefined ? [] : `-${option.short}`
  );
  return [...long, ...short, "--help", "-h"];
}

async function declarationOf(name: string): Promise<Command> {
  return (await COMMANDS[name].load()).command;
}

/**
 * Checks the words of a command. Other programs than vmdkbkp, and `deno task`, are not known and pass.
 *
 * @throws {Error} if the program, Deno or the repository does not take them
 */
export async function judge(words: readonly string[]): Promise<void> {
  const start = words.findIndex((word) => !/^\w+=/.test(word));
  if (start < 0) return;
  const [program, ...args] = words.slice(start);
  if (program === "npx") return judgeNpx(args);
  if (program === "deno") return judgeDeno(args);
  if (PROGRAMS.includes(program)) return await judgeProgram(args);
}

function judgeNpx([yes, deno, ...args]: string[]): void {
  if (yes !== "-y" || deno !== `deno@${DENO_VERSION}`) {
    throw new Error(`"npx ${yes} ${deno}" is not "npx -y deno@${DENO_VERSION}", which CI runs`);
  }
  judgeDeno(args);
}

function judgeDeno([verb, task]: string[]): void {
  if (verb === "task" && !TASKS.includes(task)) throw new Error(`There is no task "${task}" in deno.json`);
}

async function judgeProgram([name, ...args]: string[]): Promise<void> {
  if (name === "help" && args.length === 0 || name === "--version") return;
  const isHelp = name === "help";
  const wanted = isHelp ? args[0] : name;
  if (!COMMAND_NAMES.includes(wanted)) throw new Error(`There is no command "${wanted}"`);
  await parse(await declarationOf(wanted), isHelp ? ["--help"] : args);
}
