/** What a command takes, as data: the parser, the help text and the types of its options all follow from it. */

import { parseArgs } from "@std/cli/parse-args";
import { EXIT_CODES, UsageError } from "../errors.ts";

/** One option. Without `value` it takes none and is `true` where it is given; of several the last counts. */
export interface Option {
  help: string;
  /** What the help calls its value. */
  value?: string;
  short?: string;
  required?: true;
  choices?: readonly string[];
  default?: string;
}

/** Options by their names: `allowOutside` is `--allow-outside`. */
export type Options = Readonly<Record<string, Option>>;

/** A command and what may stand behind its name. */
export interface Command<Own extends Options = Options> {
  name: string;
  description: string;
  examples: string;
  /** In their order, with help: `<a>` is needed, `[a]` is not, `<a...>` and `[a...]` take all that are left. */
  args: Readonly<Record<string, string>>;
  options: Own;
}

type ValueOf<O extends Option> = O extends { choices: readonly (infer Choice)[] } ? Choice
  : O extends { value: string } ? string
  : true;

/** The values of a command's options. */
export type ValuesOf<C extends Command> = {
  [Name in keyof C["options"]]: C["options"][Name] extends { required: true } | { default: string }
    ? ValueOf<C["options"][Name]>
    : ValueOf<C["options"][Name]> | undefined;
};

/** A command line that is understood: {@linkcode ValuesOf} the command, and what is no option. */
export interface Understood {
  values: Record<string, string | true>;
  args: string[];
}

const HELP: Option = { short: "h", help: "show this help" };

const MAX_TYPING_ERRORS = 3;

/** Columns of a help text. */
const HELP_COLUMNS = 110;

/**
 * Understands the words behind a command's name; undefined if they ask for its help.
 *
 * @throws {UsageError} if the command does not take them
 */
export async function parse(command: Command, words: readonly string[]): Promise<Understood | undefined> {
  const options = new Map(
    Object.entries({ ...command.options, help: HELP }).map(([name, option]) => [flagOf(name), option]),
  );
  const { tied, unknown } = tie(words, options);
  const given: Record<string, string | undefined> & { _: string[] } = parseArgs(tied, {
    string: ["_", ...options.keys()],
  });
  if (given.help !== undefined) return undefined;
  if (unknown !== undefined) {
    const flag = unknown.replace(/=.*/s, "");
    throw misunderstood(`unknown option "${flag}"${await suggestion(flag, [...options.keys()])}`);
  }

  const values: Understood["values"] = {};
  for (const [name, option] of Object.entries(command.options)) {
    const flag = flagOf(name);
    const value = given[flag] ?? option.default;
    if (value === undefined) {
      if (option.required) throw misunderstood(`required option "${term(flag, option)}" is not given`);
      continue;
    }
    if (option.choices?.includes(value) === false) {
      throw misunderstood(`--${flag} cannot be "${value}", only ${option.choices.join(", ")}`);
    }
    values[name] = option.value === undefined ? true : value;
  }

  const places = Object.keys(command.args);
  const missing = places.find((place, i) => place.startsWith("<") && i >= given._.length);
  if (missing !== undefined) throw misunderstood(`required argument "${bare(missing)}" is not given`);
  if (given._.length > places.length && !places.at(-1)?.includes("...")) {
    throw misunderstood(`too many arguments: at most ${places.length} expected, ${given._.length} given`);
  }
  return { values, args: given._ };
}

/**
 * Puts each option and its value into one word, and finds the first word that looks like an option and is none. To
 * parse-args, a value may not begin with "-", not even be "-" alone, a flag takes the "true" behind it, "--no-level=3"
 * is "--level=3", and "--_" the list of what is no option.
 */
function tie(
  words: readonly string[],
  options: ReadonlyMap<string, Option>,
): { tied: string[]; unknown?: string } {
  const tied: string[] = [];
  let unknown: string | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === "--") {
      tied.push(...words.slice(i));
      break;
    }
    const [, flag, value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [, longOf(word, options)];
    const option = flag === undefined ? undefined : options.get(flag);
    if (option === undefined) {
      if (/^-./s.test(word)) unknown ??= word;
      else tied.push(word);
    } else if (option.value === undefined) {
      if (value !== undefined) throw misunderstood(`option "--${flag}" takes no value`);
      tied.push(`--${flag}=`);
    } else {
      const next = value ?? words[++i];
      if (next === undefined) throw misunderstood(`option "${term(flag!, option)}" has no value`);
      tied.push(`--${flag}=${next}`);
    }
  }
  return { tied, unknown };
}

/** The option that a word such as `-q` stands for. */
function longOf(word: string, options: ReadonlyMap<string, Option>): string | undefined {
  return [...options].find(([, { short }]) => short !== undefined && word === `-${short}`)?.[0];
}

/** Loaded for those alone who have mistyped: it takes 4 MiB. */
async function suggestion(flag: string, names: readonly string[]): Promise<string> {
  const { levenshteinDistance } = await import("@std/text/levenshtein-distance");
  const near = names.map((name) => ({ name, errors: levenshteinDistance(flag, `--${name}`) as number }))
    .filter(({ name, errors }) => errors <= MAX_TYPING_ERRORS && errors < name.length / 2)
    .sort((a, b) => a.errors - b.errors);
  return near.length > 0 ? `, did you mean "--${near[0].name}"?` : "";
}

/** What `vmdkbkp help COMMAND` prints. */
export function helpText(command: Command): string {
  const { name, description, examples, args } = command;
  const argRows = Object.entries(args).map(([place, help]) => [bare(place), help]);
  const optionRows = Object.entries({ ...command.options, help: HELP }).map(([name, option]) => {
    const choices = option.choices && `choices: ${option.choices.map((choice) => `"${choice}"`).join(", ")}`;
    const preset = option.default && `default: "${option.default}"`;
    const notes = [choices, preset].filter((note) => note !== undefined).join(", ");
    return [term(flagOf(name), option), notes === "" ? option.help : `${option.help} (${notes})`];
  });
  const width = Math.max(...[...argRows, ...optionRows].map(([term]) => term.length));
  const list = (title: string, rows: string[][]) =>
    rows.length === 0 ? "" : `${title}:\n${
      rows.map(([term, help]) => {
        const lines = broken(help, HELP_COLUMNS - width - 4);
        return `  ${term.padEnd(width)}  ${lines.join(`\n${" ".repeat(width + 4)}`)}\n`;
      }).join("")
    }\n`;
  return `Usage: ${["vmdkbkp", name, "[options]", ...Object.keys(args)].join(" ")}\n\n${description}\n\n` +
    list("Arguments", argRows) + list("Options", optionRows) +
    `Examples:\n${examples.trim().replaceAll(/^/gm, "  ")}\n\n${EXIT_CODES}`;
}

/** The words of `text` in lines of at most `columns`. */
function broken(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= columns) lines.push(`${lines.pop()} ${word}`);
    else lines.push(word);
  }
  return lines;
}

/** `-q, --quiet`, `--mode <mode>`. */
function term(flag: string, { short, value }: Option): string {
  return (short === undefined ? "" : `-${short}, `) + `--${flag}` +
    (value === undefined ? "" : ` <${value}>`);
}

/** `allow-outside` of `allowOutside`. */
export function flagOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `archives` of `<archives...>`. */
function bare(place: string): string {
  return place.replaceAll(/[^\w-]/g, "");
}

function misunderstood(what: string): UsageError {
  return new UsageError(`Cannot understand the command line: ${what} (see --help)`);
}
