/** Understands a command line. */

import { UsageError } from "../errors.ts";
import {
  argumentOf,
  bareName,
  type Command,
  flagOf,
  type Option,
  optionsOf,
  type OptionValue,
  STANDARD_STREAM,
  termOf,
} from "./option.ts";
import { assertRules } from "./rules.ts";
import { expectation, isStandardOutput, readValue } from "./values.ts";

/** A command line that is understood: the values of the options that have one, and what is no option. */
export interface Understood {
  values: Record<string, OptionValue>;
  args: string[];
}

/** What the parser asks of its surroundings. */
export interface ParseSurroundings {
  /** The value of an environment variable. */
  variable?: (name: string) => string | undefined;
}

/**
 * Understands the words behind a command's name; undefined if they ask for its help.
 *
 * @throws {UsageError} if the command does not take them
 */
export async function parse(
  command: Command,
  words: readonly string[],
  { variable = () => undefined }: ParseSurroundings = {},
): Promise<Understood | undefined> {
  const { texts, args, unknown } = splitWords(words, optionsOf(command));
  if (texts.has("help")) return undefined;
  if (unknown !== undefined) {
    const flag = unknown.replace(/=.*/s, "");
    // Loaded for a mistyped line alone: the package takes 4 MiB.
    const { suggestion } = await import("./suggestion.ts");
    const flags = optionsOf(command).map(([name]) => `--${flagOf(name)}`);
    throw misunderstood(`unknown option "${flag}"${suggestion(flag, flags)}`);
  }

  const values: Understood["values"] = {};
  for (const [name, option] of Object.entries(command.options)) {
    const value = valueOf(name, { option, texts, variable });
    if (value !== undefined) values[name] = value;
    else if (option.required) throw misunderstood(`required option "${termOf(name, option)}" is not given`);
  }
  assertRules(command, { given: new Set(texts.keys()), values });
  assertArguments(command, args);
  return { values, args };
}

/** Whether a command line has the command write data to standard output: then every report goes to standard error. */
export function writesDataToStdout(command: Command, { values }: Pick<Understood, "values">): boolean {
  return Object.entries(command.options).some(([name, option]) => isStandardOutput(option, values[name]));
}

/**
 * Whether data may be expected on standard output by whoever wrote a line that is not understood: what looks like a
 * mistyped option may be one of an output. Of an unknown command nothing is known.
 */
export function mayWriteDataToStdout(command: Command | undefined, words: readonly string[]): boolean {
  return command === undefined || words.some((word) => word === STANDARD_STREAM || word.endsWith("=-")) ||
    Object.values(command.options).some((option) =>
      option.type === "output" && option.default === STANDARD_STREAM
    );
}

/** The words of a command line, apart. */
interface SplitWords {
  /** The texts of the options that are given, by their names; that of a flag is empty. */
  texts: Map<string, string>;
  args: string[];
  /** The first word that looks like an option and is none. */
  unknown?: string;
}

/** Takes the words apart. Behind `--` all are arguments; `-` alone is one as well, unless it is the value of an option. */
function splitWords(
  words: readonly string[],
  options: readonly [name: string, option: Option][],
): SplitWords {
  const byFlag = new Map(options.map(([name, option]) => [`--${flagOf(name)}`, { name, option }]));
  for (const [name, option] of options) {
    if (option.short !== undefined) byFlag.set(`-${option.short}`, { name, option });
  }
  const split: SplitWords = { texts: new Map(), args: [] };
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === "--") {
      split.args.push(...words.slice(i + 1));
      break;
    }
    // A short option has no value in the same word.
    const [, flag, value] = /^(--[^=]+)(?:=(.*))?$/s.exec(word) ?? [, word];
    const found = byFlag.get(flag!);
    if (found === undefined) {
      if (/^-./s.test(word)) split.unknown ??= word;
      else split.args.push(word);
    } else if (found.option.type === "flag") {
      if (value !== undefined) throw misunderstood(`option "${flag}" takes no value`);
      split.texts.set(found.name, "");
    } else {
      const text = value ?? words[++i];
      if (text === undefined) {
        throw misunderstood(
          `option "${termOf(found.name, found.option)}" has no value, ${
            expectation(found.option)
          } is expected`,
        );
      }
      split.texts.set(found.name, text);
    }
  }
  return split;
}

/** The value of an option: that of the command line, of its environment variable, or its default. */
function valueOf(
  name: string,
  { option, texts, variable }: {
    option: Option;
    texts: ReadonlyMap<string, string>;
    variable: (name: string) => string | undefined;
  },
): OptionValue | undefined {
  const text = texts.get(name);
  if (option.type === "flag") return text === undefined ? undefined : true;
  const { environment } = option;
  const isOfVariable = text === undefined && environment?.givesValue === true;
  const given = isOfVariable ? variable(environment.variable) : text;
  if (given === undefined) return option.default;
  const value = readValue(option, given);
  if (value !== undefined) return value;
  const source = isOfVariable ? environment.variable : `--${flagOf(name)}`;
  throw misunderstood(`${source} cannot be "${given}", only ${expectation(option)}`);
}

function assertArguments(command: Command, args: readonly string[]): void {
  const places = Object.entries(command.args);
  const missing = places.find(([place], i) => place.startsWith("<") && i >= args.length)?.[0];
  if (missing !== undefined) throw misunderstood(`required argument "${bareName(missing)}" is not given`);
  if (args.length > places.length && !places.at(-1)?.[0].includes("...")) {
    throw misunderstood(`too many arguments: at most ${places.length} expected, ${args.length} given`);
  }
  for (const [i, [place, declared]] of places.entries()) {
    const { choices } = argumentOf(declared);
    if (i >= args.length || choices === undefined || choices.includes(args[i])) continue;
    throw misunderstood(`"${bareName(place)}" cannot be "${args[i]}", only ${choices.join(", ")}`);
  }
}

function misunderstood(what: string): UsageError {
  return new UsageError(`Cannot understand the command line: ${what} (see --help)`);
}
