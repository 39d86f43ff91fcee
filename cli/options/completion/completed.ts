/** What the scripts of all shells are made of. */

import { argumentOf, type Command, flagOf, type Option, optionsOf } from "../option.ts";

/** What may stand in the place of a value. */
export type Completed =
  | { kind: "words"; words: readonly string[] }
  | { kind: "files" | "folders" | "nothing" };

/** What the value of an option is completed with; undefined for a flag, which has none. */
export function completedValue(option: Option): Completed | undefined {
  switch (option.type) {
    case "flag":
      return undefined;
    case "choice":
      return { kind: "words", words: option.choices };
    case "input":
    case "output":
    case "file":
      return { kind: "files" };
    case "folder":
      return { kind: "folders" };
    default:
      return { kind: "nothing" };
  }
}

/** What the arguments of a command are completed with. Commands whose arguments differ in kind take paths. */
export function completedArguments({ args }: Command): Completed {
  const declared = Object.values(args).map(argumentOf);
  if (declared.length === 0) return { kind: "nothing" };
  if (declared.some(({ isPath }) => isPath)) return { kind: "files" };
  const words = declared.flatMap(({ choices = [] }) => choices);
  return words.length > 0 ? { kind: "words", words } : { kind: "nothing" };
}

/** The options of a command: the words that stand for each, its help, and what its value is completed with. */
export function completedOptions(command: Command) {
  return optionsOf(command).map(([name, option]) => ({
    long: flagOf(name),
    short: option.short,
    help: option.help,
    valueName: option.type === "flag" ? undefined : option.value,
    value: completedValue(option),
  }));
}

/** Options of the program itself. */
export const PROGRAM_OPTIONS = [
  { long: "help", short: "h", help: "list the commands" },
  { long: "version", short: "V", help: "print the version" },
] as const;
