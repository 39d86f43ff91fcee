/** Completion for bash, without the package bash-completion (bash manual, "Programmable Completion"). */

import type { DescribedCommand } from "../option.ts";
import { type Completed, completedArguments, completedOptions, PROGRAM_OPTIONS } from "./completed.ts";

/**
 * The script. bash splits `--mode=full` into `--mode`, `=` and `full` (COMP_WORDBREAKS), so the script puts such words together
 * again. It walks over the words before the one that is completed, because a value of an option may look like an option.
 */
export function bashScript(lines: readonly DescribedCommand[]): string {
  const names = lines.map(({ command }) => command.name);
  const programWords = PROGRAM_OPTIONS.flatMap(({ long, short }) => [`--${long}`, `-${short}`]);
  return `# bash completion for vmdkbkp
_vmdkbkp() {
  local cur=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]} option= word flags= options= values= arguments=
  local -i i
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${words(["help", ...names, ...programWords])}' -- "$cur"))
    return
  fi
  case $command in
${lines.map(commandCase).join("")}    help)
      ((COMP_CWORD == 2)) && COMPREPLY=($(compgen -W '${words(names)}' -- "$cur"))
      return
      ;;
    *) return ;;
  esac
  # The option whose value is completed, if the word is one; "--" if only arguments follow.
  for ((i = 2; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $option == -- ]]; then
      break
    elif [[ -n $option ]]; then
      [[ $word == = ]] || option=
    elif [[ $word == -- || " $options " == *" $word "* ]]; then
      option=$word
    fi
  done
  [[ -n $option && $cur == = ]] && cur=
  if [[ -n $option && $option != -- ]]; then
    _vmdkbkp_value "$command" "$option"
    arguments=$values
  elif [[ -z $option && $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags $options" -- "$cur"))
    return
  fi
  case $arguments in
    files)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      ;;
    folders)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      ;;
    words\\ *) COMPREPLY=($(compgen -W "\${arguments#words }" -- "$cur")) ;;
  esac
}

# What the value of an option is completed with.
_vmdkbkp_value() {
  values=
  case "$1 $2" in
${lines.map(valueCases).join("")}  esac
}

complete -F _vmdkbkp vmdkbkp
`;
}

function commandCase({ command }: DescribedCommand): string {
  const all = completedOptions(command);
  const flags = all.filter(({ value }) => value === undefined)
    .flatMap(({ long, short }) => [`--${long}`, ...short === undefined ? [] : [`-${short}`]]);
  const options = all.filter(({ value }) => value !== undefined).map(({ long }) => `--${long}`);
  return `    ${command.name})
      flags='${words(flags)}'
      options='${words(options)}'
      arguments='${textOf(completedArguments(command))}'
      ;;
`;
}

/** One pattern for all options of a command with the same values. */
function valueCases({ command }: DescribedCommand): string {
  const byValue = new Map<string, string[]>();
  for (const { long, value } of completedOptions(command)) {
    if (value === undefined || value.kind === "nothing") continue;
    const text = textOf(value);
    byValue.set(text, [...byValue.get(text) ?? [], `'${command.name} --${long}'`]);
  }
  return [...byValue].map(([text, patterns]) => `    ${patterns.join(" | ")}) values='${text}' ;;\n`).join(
    "",
  );
}

function textOf(completed: Completed): string {
  return completed.kind === "words" ? `words ${words(completed.words)}` : completed.kind;
}

/** Words between quotes of the shell, none of which has a blank or a quote. */
function words(list: readonly string[]): string {
  const odd = list.find((word) => !/^[\w.:-]+$/.test(word));
  if (odd !== undefined) {
    throw new TypeError(`Cannot complete the word "${odd}": it must be quoted in a shell`);
  }
  return list.join(" ");
}
