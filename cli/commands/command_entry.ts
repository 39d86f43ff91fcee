/** What the table of the commands consists of. */

import type { Command, DescribedCommand } from "../options/option.ts";

/** What a command file exports. Each is loaded only when it is asked for, so that `--version` starts fast. */
export interface CommandModule {
  command: Command;
  /** Takes the values of the options that its own `command` describes, the arguments, and the table of all commands. */
  run(options: never, args: string[], commands: CommandTable): Promise<number>;
}

/** A command, of which no more is loaded than this line. */
export interface CommandEntry {
  summary: string;
  load: () => Promise<CommandModule>;
}

/** Commands by their names. */
export type CommandTable = Readonly<Record<string, CommandEntry>>;

/** Loads all commands of a table. */
export async function loadAll(commands: CommandTable): Promise<DescribedCommand[]> {
  return await Promise.all(
    Object.values(commands).map(async ({ summary, load }) => ({ summary, command: (await load()).command })),
  );
}
