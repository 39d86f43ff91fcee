/** Completion for fish (fish documentation, "complete"). */

import type { DescribedCommand } from "../option.ts";
import { type Completed, completedArguments, completedOptions, PROGRAM_OPTIONS } from "./completed.ts";

/** The script: lines of `complete`, each with the condition under which it counts. */
export function fishScript(lines: readonly DescribedCommand[]): string {
  const names = lines.map(({ command }) => command.name);
  const program = [
    "# fish completion for vmdkbkp",
    // Not `__fish_seen_subcommand_from`: the name of another command may be an argument.
    "function __vmdkbkp_command",
    "    set -l words (commandline -opc)",
    '    test "$words[2]" = "$argv[1]"',
    "end",
    // Files are offered only where a path is expected.
    "complete -c vmdkbkp -f",
    ...PROGRAM_OPTIONS.map(({ long, short, help }) =>
      `complete -c vmdkbkp -n __fish_use_subcommand -l ${long} -s ${short} -d ${quoted(help)}`
    ),
    ...lines.map(({ command, summary }) =>
      `complete -c vmdkbkp -n __fish_use_subcommand -a ${command.name} -d ${quoted(summary)}`
    ),
    "complete -c vmdkbkp -n __fish_use_subcommand -a help -d 'show the help of a command'",
    `complete -c vmdkbkp -n '__vmdkbkp_command help; and test (count (commandline -opc)) = 2' -a ${
      quoted(names.join(" "))
    }`,
  ];
  return `${[...program, ...lines.flatMap(linesOf)].join("\n")}\n`;
}

function linesOf({ command }: DescribedCommand): string[] {
  const start = `complete -c vmdkbkp -n '__vmdkbkp_command ${command.name}'`;
  const options = completedOptions(command).map(({ long, short, help, value }) =>
    `${start} -l ${long}${short === undefined ? "" : ` -s ${short}`}${
      value === undefined ? "" : valueOf(value)
    } -d ${quoted(help)}`
  );
  const args = completedArguments(command);
  switch (args.kind) {
    case "nothing":
      return options;
    case "words":
      return [`${start} -a ${quoted(args.words.join(" "))}`, ...options];
    default:
      return [`${start} -F`, ...options];
  }
}

/** `-x` has a value and no files, `-r -F` has files. */
function valueOf(completed: Completed): string {
  switch (completed.kind) {
    case "words":
      return ` -x -a ${quoted(completed.words.join(" "))}`;
    case "files":
      return " -r -F";
    case "folders":
      return " -x -a '(__fish_complete_directories)'";
    default:
      return " -x";
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
