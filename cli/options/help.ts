/** What `vmdkbkp help COMMAND` prints. */

import { EXIT_CODES } from "../errors.ts";
import { inGroups } from "./groups.ts";
import { argumentOf, bareName, type Command, flagOf, type Option, optionsOf, termOf } from "./option.ts";

/** Columns of a help text. */
const HELP_COLUMNS = 110;

/** The help of a command: how it is used, its options in groups, examples. */
export function helpText(command: Command): string {
  const { description, examples, args } = command;
  const argRows = Object.entries(args).map(([place, declared]) => {
    const { help, choices } = argumentOf(declared);
    return [bareName(place), choices === undefined ? help : `${help} (${choicesText(choices)})`];
  });
  const rowOf = (
    [name, option]: [string, Option],
  ) => [termOf(name, option), helpWithNotes(option)];
  const groups = inGroups(optionsOf(command), ([, option]) => option.group)
    .map(({ title, items }) => ({ title, rows: items.map(rowOf) }));
  const width = Math.max(...[argRows, ...groups.map(({ rows }) => rows)].flat().map(([term]) => term.length));
  const list = (title: string, rows: string[][]) =>
    rows.length === 0 ? "" : `${title}:\n${
      rows.map(([term, help]) => {
        const lines = broken(help, HELP_COLUMNS - width - 4);
        return `  ${term.padEnd(width)}  ${lines.join(`\n${" ".repeat(width + 4)}`)}\n`;
      }).join("")
    }\n`;
  return `Usage: ${usageOf(command)}\n\n${description}\n\n${list("Arguments", argRows)}` +
    groups.map(({ title, rows }) => list(title, rows)).join("") +
    `Examples:\n${examples.trim().replaceAll(/^/gm, "  ")}\n\n${EXIT_CODES}`;
}

/** `vmdkbkp dump [options] [disk]`. */
function usageOf({ name, args }: Command): string {
  return ["vmdkbkp", name, "[options]", ...Object.keys(args)].join(" ");
}

/** The help of an option, and in parentheses what else is to be known: choices, default, where it has a use. */
function helpWithNotes(option: Option): string {
  const preset = option.type === "flag" ? undefined : option.default;
  const { when, environment } = option;
  const notes = [
    option.required && "required",
    option.type === "choice" && choicesText(option.choices),
    preset !== undefined && `default: ${typeof preset === "string" ? `"${preset}"` : preset}`,
    when !== undefined && `with --${flagOf(when.name)} ${when.is.join(" or ")}`,
    environment?.givesValue && `or set ${environment.variable}`,
  ].filter((note) => typeof note === "string");
  const { help } = option;
  if (notes.length === 0) return help;
  return help.endsWith(")") ? `${help.slice(0, -1)}, ${notes.join(", ")})` : `${help} (${notes.join(", ")})`;
}

function choicesText(choices: readonly string[]): string {
  return `choices: ${choices.map((choice) => `"${choice}"`).join(", ")}`;
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
