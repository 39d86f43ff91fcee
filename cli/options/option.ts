/**
 * How a command describes its options and arguments, as data. Parsing, the types of the values, the help, the
 * completion of shells and the manual pages all follow from these declarations.
 */

import type { OptionGroup } from "./groups.ts";

/** What all kinds of options have in common. */
interface OptionBase {
  help: string;
  /** The heading under which help and manual show the option; without it, the first one. */
  group?: OptionGroup;
  /** The letter of the short form: `q` for `-q`. */
  short?: string;
  required?: true;
  /** The option has a use only where the option `name` has one of the values `is`, and is `required` there. */
  when?: { name: string; is: readonly string[]; required?: true };
  /** Names of options that must be given too; of those in an inner list, one must be. */
  requires?: readonly (string | readonly string[])[];
  /** Names of options that must not be given too, each with the reason. */
  excludes?: Readonly<Record<string, string>>;
  /** An environment variable that belongs to the option. */
  environment?: {
    variable: string;
    /** What the variable is for. */
    help: string;
    /** The variable gives the value where the option is not given; otherwise the command itself reads it. */
    givesValue?: true;
  };
}

/** An option without a value: it is `true` where it is given. */
interface FlagOption extends OptionBase {
  type: "flag";
}

/** What all options with a value have in common. */
interface ValueBase<Value> extends OptionBase {
  /** What the help calls the value. */
  value: string;
  /** The value where the option is not given. */
  default?: Value;
}

/** Any text. */
interface TextOption extends ValueBase<string> {
  type: "text";
}

/**
 * A path. An `input` is read and an `output` is written, and `-` is standard input or output. A `file` and a `folder` are
 * neither: a disk, a key, a log. The path is not examined before the command uses it.
 */
interface PathOption extends ValueBase<string> {
  type: "input" | "output" | "file" | "folder";
}

/** One of several words. */
interface ChoiceOption extends ValueBase<string> {
  type: "choice";
  choices: readonly string[];
}

/** A number of bytes or of something else, in decimal digits. */
interface CountOption extends ValueBase<number> {
  type: "bytes" | "count";
  min?: number;
  max?: number;
  /** The number must be a multiple of this one. */
  multipleOf?: number;
}

/** Seconds, with at most three digits behind the point. */
interface SecondsOption extends ValueBase<number> {
  type: "seconds";
  min?: number;
  max?: number;
  /** Whole seconds only. */
  whole?: true;
}

/** A share of 0 to 100 percent, `5%` or `0.5%`; nothing is `0` as well. */
interface PercentOption extends ValueBase<number> {
  type: "percent";
}

/** A time of RFC 3339 with its offset, or a day, which begins in UTC. The value is a `Date`. */
interface TimeOption extends ValueBase<Date> {
  type: "time";
}

/** An option with a value. */
export type ValueOption =
  | TextOption
  | PathOption
  | ChoiceOption
  | CountOption
  | SecondsOption
  | PercentOption
  | TimeOption;

/** One option; of several with the same name the last counts. */
export type Option = FlagOption | ValueOption;

/** Options by their names: `allowOutside` is `--allow-outside`. */
export type Options = Readonly<Record<string, Option>>;

/** An argument that is no path. */
export interface Argument {
  help: string;
  /** The words that it may be; any text without them. */
  choices?: readonly string[];
}

/** A command and what may stand behind its name. */
export interface Command<Own extends Options = Options> {
  name: string;
  description: string;
  examples: string;
  /**
   * In their order: `<a>` is needed, `[a]` is not, `<a...>` and `[a...]` take all that are left. Of a path there is its help
   * alone.
   */
  args: Readonly<Record<string, string | Argument>>;
  options: Own;
}

/** A command and what the overview says of it. */
export interface DescribedCommand {
  command: Command;
  summary: string;
}

/** The value of an option, as the parser gives it. */
export type OptionValue = string | number | true | Date;

type ValueOf<O extends Option> = O extends { type: "flag" } ? true
  : O extends { type: "choice"; choices: readonly (infer Choice)[] } ? Choice
  : O extends { type: "bytes" | "count" | "seconds" | "percent" } ? number
  : O extends { type: "time" } ? Date
  : string;

/** The values of options. */
export type OptionValues<Own extends Options> = {
  [Name in keyof Own]: Own[Name] extends { required: true } | { default: OptionValue } ? ValueOf<Own[Name]>
    : ValueOf<Own[Name]> | undefined;
};

/** The values of a command's options. */
export type ValuesOf<C extends Command> = OptionValues<C["options"]>;

/** Standard input or output in the place of a path. */
export const STANDARD_STREAM = "-";

/** The option that every command has. */
export const HELP: Option = { type: "flag", short: "h", group: "general", help: "show this help" };

/** All options of a command, with `--help`. */
export function optionsOf(command: Command): [name: string, option: Option][] {
  return Object.entries({ ...command.options, help: HELP });
}

/** `allow-outside` of `allowOutside`. */
export function flagOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `-q, --quiet`, `--mode <mode>`. */
export function termOf(name: string, option: Option): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  return `${short}--${flagOf(name)}${option.type === "flag" ? "" : ` <${option.value}>`}`;
}

/** `archives` of `<archives...>`. */
export function bareName(place: string): string {
  return place.replaceAll(/[^\w-]/g, "");
}

/** An argument, whichever way it is declared. */
export function argumentOf(declared: string | Argument): Argument & { isPath: boolean } {
  return typeof declared === "string" ? { help: declared, isPath: true } : { ...declared, isPath: false };
}
