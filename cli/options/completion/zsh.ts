/** Completion for zsh (zshcompsys(1), "_arguments" and "_describe"). */

import type { DescribedCommand } from "../option.ts";
import { type Completed, completedArguments, completedOptions, PROGRAM_OPTIONS } from "./completed.ts";

/** The script: a file `_vmdkbkp` of the function path, which can be sourced after `compinit` as well. */
export function zshScript(lines: readonly DescribedCommand[]): string {
  const described = lines.map(({ command, summary }) =>
    quoted(`${command.name}:${summary.replaceAll(":", "\\:")}`)
  );
  const cases = lines.map(({ command }) => {
    const specs = [
      ...completedOptions(command).flatMap(specsOf),
      ...argumentSpec(completedArguments(command)),
    ];
    return `    ${command.name})\n      _arguments -S ${
      specs.map((spec) => `\\\n        ${quoted(spec)}`).join(" ")
    }\n      ;;\n`;
  });
  const programWords = PROGRAM_OPTIONS.map(({ long, help }) => quoted(`--${long}:${help}`));
  return `#compdef vmdkbkp
# zsh completion for vmdkbkp
_vmdkbkp() {
  local curcontext=$curcontext
  local -a commands
  commands=(
    ${described.join("\n    ")}
  )
  if ((CURRENT == 2)); then
    commands+=('help:show the help of a command' ${programWords.join(" ")})
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.join("")}    help) ((CURRENT == 2)) && _describe command commands ;;
  esac
}

if [[ $funcstack[1] == _vmdkbkp ]]; then
  _vmdkbkp "$@"
else
  compdef _vmdkbkp vmdkbkp
fi
`;
}

/** The specifications of an option for _arguments, one for each of its forms. */
function specsOf(
  { long, short, help, valueName, value }: ReturnType<typeof completedOptions>[number],
): string[] {
  const explanation = `[${help.replaceAll(/[[\]\\:]/g, "\\$&")}]`;
  if (value === undefined) {
    return [`--${long}${explanation}`, ...short === undefined ? [] : [`-${short}${explanation}`]];
  }
  return [`--${long}=${explanation}:${valueName!.replaceAll(/[[\]:]/g, "\\$&")}:${actionOf(value)}`];
}

function argumentSpec(completed: Completed): string[] {
  return completed.kind === "nothing" ? [] : [`*:argument:${actionOf(completed)}`];
}

function actionOf(completed: Completed): string {
  switch (completed.kind) {
    case "words":
      return `(${completed.words.join(" ")})`;
    case "files":
      return "_files";
    case "folders":
      return "_files -/";
    default:
      return " ";
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
