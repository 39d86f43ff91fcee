/** What options require of each other. */

import { UsageError } from "../errors.ts";
import { type Command, flagOf, type Option, type OptionValue } from "./option.ts";

/** The options of a command line: those that are given, and the values of all, defaults included. */
export interface GivenOptions {
  given: ReadonlySet<string>;
  values: Readonly<Record<string, OptionValue>>;
}

/**
 * Applies the rules of all options of a command. A rule that names an option which the command does not have says nothing
 * about it.
 *
 * @throws {UsageError} if options do not go together, or one is missing
 */
export function assertRules(command: Command, options: GivenOptions): void {
  for (const [name, option] of Object.entries(command.options)) {
    assertWhen(command, { name, option }, options);
    if (!options.given.has(name)) continue;
    assertNotExcluded(name, option, options);
    assertRequired(command, { name, option }, options);
  }
}

function assertWhen(
  command: Command,
  { name, option: { when } }: { name: string; option: Option },
  { given, values }: GivenOptions,
): void {
  if (when === undefined) return;
  const value = values[when.name];
  const applies = when.is.some((one) => one === value);
  const context = `with --${flagOf(when.name)} ${value}`;
  if (given.has(name) && !applies) {
    const where = `--${flagOf(when.name)} ${when.is.join(" or ")}`;
    throw contradiction(`${context}, --${flagOf(name)} has no use there, only with ${where}`);
  }
  if (!given.has(name) && applies && when.required) {
    throw contradiction(`${context}, --${flagOf(name)} is missing: ${command.options[name].help}`);
  }
}

function assertNotExcluded(name: string, { excludes = {} }: Option, { given }: GivenOptions): void {
  const other = Object.keys(excludes).find((one) => given.has(one));
  if (other === undefined) return;
  throw contradiction(
    `--${flagOf(name)} and --${flagOf(other)} cannot be used together: ${excludes[other]}`,
  );
}

function assertRequired(
  command: Command,
  { name, option: { requires = [] } }: { name: string; option: Option },
  { given }: GivenOptions,
): void {
  for (const need of requires) {
    const names = [need].flat().filter((one) => Object.hasOwn(command.options, one));
    if (names.length === 0 || names.some((one) => given.has(one))) continue;
    const missing = names.map((one) => `--${flagOf(one)}`).join(" or ");
    const help = names.length === 1
      ? `, which is missing: ${command.options[names[0]].help}`
      : ", and neither is given";
    throw contradiction(`--${flagOf(name)} needs ${missing}${help}`);
  }
}

function contradiction(what: string): UsageError {
  return new UsageError(`Cannot understand the command line: ${what} (see --help)`);
}
