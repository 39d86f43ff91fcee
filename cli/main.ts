/** The command line: picks the command, prints the error, exits. */

import { COMMANDS } from "./commands/all.ts";
import { refuseGarbled } from "./files/garbled_names.ts";
import { SERVER_COMMAND } from "./disks/vddk/protocol.ts";
import {
  DiskLibraryError,
  EXIT,
  EXIT_CODES,
  fileFaultOf,
  FormatError,
  InterruptedError,
  MismatchError,
  ReportedError,
  UsageError,
} from "./errors.ts";
import { Interrupt } from "./files/interrupt.ts";
import { note, print, STDERR, STDOUT } from "./files/standard_streams.ts";
import type { Command } from "./options/option.ts";
import type { Understood } from "./options/parse.ts";
import { jsonText, printable } from "./printable.ts";
import { VERSION } from "./version.ts";

function overview(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(11)} ${summary}`);
  return `vmdkbkp ${VERSION}: backup of virtual disks, block by block

Usage: vmdkbkp COMMAND [options] [files]
       vmdkbkp help COMMAND

Commands:
${lines.join("\n")}

Example:
  vmdkbkp dump --mode full --local disk.vmdk --dumpout 0.dump.zst --digestout 0.digest
  vmdkbkp check --digestin 0.digest 0.dump.zst

${EXIT_CODES}`;
}

/**
 * Makes a write above the limit of the size of files (`ulimit -f`) an error like others. Without a listener SIGXFSZ kills the
 * process (setrlimit(2), RLIMIT_FSIZE). The listener stays until the end of the process, because Deno writes a cache when it exits.
 */
export function surviveFileSizeLimit(): void {
  Deno.addSignalListener("SIGXFSZ", () => {});
}

/** How far a command line is understood. */
interface LineState {
  words: readonly string[];
  /** The command, once its name is known. */
  command?: Command;
  /** The rest of the line, once it is understood. */
  understood?: Understood;
}

/** Runs one command line and returns its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const line: LineState = { words: argv };
  try {
    refuseGarbled(argv);
    return await dispatch(line);
  } catch (thrown) {
    const error = firstOf(thrown);
    const exitCode = exitCodeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    note(`vmdkbkp: ${printable(message.replaceAll("\n", " "))}\n`);
    if (wantsJson(line) && !(error instanceof ReportedError)) {
      const details = error instanceof FormatError
        ? error.fault
        : error instanceof MismatchError
        ? { block: error.block }
        : error instanceof DiskLibraryError
        ? error.fault
        : fileFaultOf(error);
      await sayIfPossible(jsonText({ ok: false, error: { message, exitCode, ...details } }), line);
    }
    return exitCode;
  }
}

/** Understands `line`, notes in it what is understood, and runs the command. */
async function dispatch(line: LineState): Promise<number> {
  const [name, ...args] = line.words;
  if (name === "--version" || name === "-V") return say(VERSION);
  if (name === "--help" || name === "-h" || (name === "help" && args.length === 0)) return say(overview());
  if (name === undefined) throw new UsageError("No command is given (vmdkbkp help lists them)");
  const wanted = name === "help" ? args[0] : name;
  if (!Object.hasOwn(COMMANDS, wanted)) {
    // Loaded for a mistyped name alone: the package takes 4 MiB.
    const { suggestion } = await import("./options/suggestion.ts");
    throw new UsageError(
      `Unknown command "${wanted}"${suggestion(wanted, Object.keys(COMMANDS))} (vmdkbkp help lists them)`,
    );
  }
  const { command, run } = await COMMANDS[wanted].load();
  line.command = command;
  const understood = name === "help" ? undefined : await understand(command, args);
  if (understood === undefined) return say((await import("./options/help.ts")).helpText(command));
  line.understood = understood;

  using interrupt = new Interrupt();
  const { signal } = interrupt;
  // The command may be waiting for a pipe that stays silent: a signal ends it there too.
  const interrupted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  try {
    return await Promise.race([
      run({ ...understood.values, signal } as never, understood.args, COMMANDS),
      interrupted,
    ]);
  } catch (error) {
    if (signal.aborted) {
      await (await import("./files/outputs.ts")).openingEnds();
      await (await import("./files/last_work.ts")).lastWorkEnds();
    }
    throw error;
  }
}

/** Loads the parser, which `--version` and `help` do without, and parses; undefined if the help is asked for. */
async function understand(command: Command, args: readonly string[]): Promise<Understood | undefined> {
  const { parse } = await import("./options/parse.ts");
  const { variableOf } = await import("./environment.ts");
  return await parse(command, args, { variable: variableOf });
}

function say(text: string): number {
  print(`${text}\n`);
  return EXIT.done;
}

/** Whether the result is wanted as JSON: of a line that is not understood, whether the option stands there. */
function wantsJson({ words, understood }: LineState): boolean {
  return understood === undefined ? words.includes("--json") : understood.values.json === true;
}

/** Prints the object of an error, to standard error if standard output has data, or may be expected to have. */
async function sayIfPossible(text: string, { words, command, understood }: LineState): Promise<void> {
  const { mayWriteDataToStdout, writesDataToStdout } = await import("./options/parse.ts");
  const isForData = command !== undefined && understood !== undefined
    ? writesDataToStdout(command, understood)
    : mayWriteDataToStdout(command, words);
  try {
    print(`${text}\n`, { stream: isForData ? STDERR : STDOUT });
  } catch {
    // Standard output may be what failed. The message is on standard error already.
  }
}

/** The error that came first, where others came when files were closed because of it. */
function firstOf(error: unknown): unknown {
  while (error instanceof SuppressedError) error = error.suppressed;
  return error;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ReportedError) return exitCodeOf(error.cause);
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof FormatError || error instanceof MismatchError) return EXIT.corrupt;
  if (error instanceof DiskLibraryError) return EXIT.diskLibrary;
  if (error instanceof InterruptedError) {
    return { SIGHUP: EXIT.hungUp, SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated }[error.signal];
  }
  return EXIT.environment;
}

if (import.meta.main) {
  if (Deno.args[0] === SERVER_COMMAND) {
    (await import("./disks/vddk/server.ts")).serve();
    Deno.exit(EXIT.done);
  }
  surviveFileSizeLimit();
  Deno.exit(await main(Deno.args));
}
