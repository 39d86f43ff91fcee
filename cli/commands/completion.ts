/** `vmdkbkp completion`: print the script that completes command lines in a shell. */

import { EXIT } from "../errors.ts";
import type { Command, DescribedCommand } from "../options/option.ts";
import { type CommandTable, loadAll } from "./command_entry.ts";

/** What writes the script of each shell. */
const SHELLS: Readonly<Record<string, () => Promise<(lines: readonly DescribedCommand[]) => string>>> = {
  bash: async () => (await import("../options/completion/bash.ts")).bashScript,
  zsh: async () => (await import("../options/completion/zsh.ts")).zshScript,
  fish: async () => (await import("../options/completion/fish.ts")).fishScript,
};

export const command: Command = {
  name: "completion",
  description:
    `Print the script with which a shell completes command lines of vmdkbkp: commands, options, their choices, and
files where a path is expected.`,
  examples: `
vmdkbkp completion bash > /etc/bash_completion.d/vmdkbkp
vmdkbkp completion zsh > /usr/local/share/zsh/site-functions/_vmdkbkp
vmdkbkp completion fish > ~/.config/fish/completions/vmdkbkp.fish`,
  args: { "<shell>": { help: "the shell", choices: Object.keys(SHELLS) } },
  options: {},
};

export async function run(_options: unknown, [shell]: string[], commands: CommandTable): Promise<number> {
  const scriptOf = await SHELLS[shell]();
  console.log(scriptOf(await loadAll(commands)).trimEnd());
  return EXIT.done;
}
