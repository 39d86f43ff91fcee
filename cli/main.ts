/** The command line: picks the command, prints the error, exits. */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, FormatError, InterruptedError, MismatchError, UsageError } from "./errors.ts";
import { VERSION } from "./version.ts";

/** What a command file exports. Each is loaded only when it is asked for, so that `--version` starts fast. */
interface CommandModule {
  command(): CommandUnknownOpts;
  // deno-lint-ignore no-explicit-any -- each command's run() takes the options that its own command() describes
  run(options: any, args: string[]): Promise<number>;
}

const COMMANDS: Record<string, { summary: string; load: () => Promise<CommandModule> }> = {
  dump: { summary: "back up a disk", load: () => import("./commands/dump.ts") },
  restore: { summary: "write a generation back to a disk", load: () => import("./commands/restore.ts") },
  check: { summary: "prove archives with a digest", load: () => import("./commands/check.ts") },
  merge: { summary: "make one archive of several", load: () => import("./commands/merge.ts") },
  digest: { summary: "compute the digest of a dump", load: () => import("./commands/digest.ts") },
  print: { summary: "show headers and records of archives", load: () => import("./commands/print.ts") },
  rdiff: { summary: "make the rdiff between two dumps", load: () => import("./commands/rdiff.ts") },
  compare: {
    summary: "compare two dumps, two rdiffs or two digests",
    load: () => import("./commands/compare.ts"),
  },
  rdiff2bmp: {
    summary: "make a bitmap of the blocks in an rdiff",
    load: () => import("./commands/rdiff2bmp.ts"),
  },
  "print-bmp": { summary: "show a bitmap of changed blocks", load: () => import("./commands/print_bmp.ts") },
};

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

Exit codes: ${EXIT.done} done, ${EXIT.environment} environment, ${EXIT.usage} usage, ${EXIT.corrupt} corrupt or mismatching archive,
            ${EXIT.diskLibrary} disk library, ${EXIT.interrupted} interrupted, ${EXIT.terminated} terminated`;
}

/** Runs one command line and returns its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv);
  } catch (error) {
    if (isCommanderError(error)) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const exitCode = exitCodeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    if (argv.includes("--json")) console.log(JSON.stringify({ ok: false, error: { message, exitCode } }));
    console.error(`vmdkbkp: ${message}`);
    return exitCode;
  }
}

async function dispatch([name, ...args]: readonly string[]): Promise<number> {
  if (name === "--version" || name === "-V") return say(VERSION);
  if (name === "--help" || name === "-h" || (name === "help" && args.length === 0)) return say(overview());
  if (name === undefined) throw new UsageError("No command is given (vmdkbkp help lists them)");
  const wanted = name === "help" ? args[0] : name;
  if (!Object.hasOwn(COMMANDS, wanted)) {
    throw new UsageError(`Unknown command "${wanted}" (vmdkbkp help lists them)`);
  }
  const { command, run } = await COMMANDS[wanted].load();
  const parser = command().exitOverride();
  parser.parse(name === "help" ? ["--help"] : args, { from: "user" });
  return await run(parser.opts(), parser.args);
}

function say(text: string): number {
  console.log(text);
  return EXIT.done;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof FormatError || error instanceof MismatchError) return EXIT.corrupt;
  if (error instanceof InterruptedError) {
    return error.signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
  }
  return EXIT.environment;
}

/** The parser has printed its message already; the code says whether help was asked for. */
function isCommanderError(error: unknown): error is Error & { exitCode: number } {
  return error instanceof Error && "code" in error && String(error.code).startsWith("commander.");
}

if (import.meta.main) Deno.exit(await main(Deno.args));
