/** The command line: picks the command, prints the error, exits. */

import { refuseGarbled } from "./files/garbled_names.ts";
import { type Command, helpText, parse } from "./commands/options.ts";
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
import { jsonText, printable } from "./printable.ts";
import { VERSION } from "./version.ts";

/** What a command file exports. Each is loaded only when it is asked for, so that `--version` starts fast. */
interface CommandModule {
  command: Command;
  /** Takes the options that its own `command` describes. */
  run(options: never, args: string[]): Promise<number>;
}

const COMMANDS: Record<string, { summary: string; load: () => Promise<CommandModule> }> = {
  dump: { summary: "back up a disk", load: () => import("./commands/dump.ts") },
  restore: { summary: "write a generation back to a disk", load: () => import("./commands/restore.ts") },
  check: { summary: "prove archives with a digest", load: () => import("./commands/check.ts") },
  merge: { summary: "make one archive of several", load: () => import("./commands/merge.ts") },
  salvage: {
    summary: "bring back what is left of damaged archives",
    load: () => import("./commands/salvage.ts"),
  },
  digest: { summary: "compute the digest of a dump", load: () => import("./commands/digest.ts") },
  seal: { summary: "make the seal of archives without one", load: () => import("./commands/seal.ts") },
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
  map: { summary: "show where the bytes of a disk lie", load: () => import("./commands/map.ts") },
  changed: {
    summary: "make a bitmap of the blocks in snapshots of a VMDK",
    load: () => import("./commands/changed.ts"),
  },
  doctor: { summary: "tell which disks can be used here", load: () => import("./commands/doctor.ts") },
  "print-bmp": { summary: "show a bitmap of changed blocks", load: () => import("./commands/print_bmp.ts") },
  thumbprint: {
    summary: "fetch the thumbprint of a server's certificate",
    load: () => import("./commands/thumbprint.ts"),
  },
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

${EXIT_CODES}`;
}

/**
 * Makes a write above the limit of the size of files (`ulimit -f`) an error like others. Without a listener SIGXFSZ kills the
 * process (setrlimit(2), RLIMIT_FSIZE). The listener stays until the end of the process, because Deno writes a cache when it exits.
 */
export function surviveFileSizeLimit(): void {
  Deno.addSignalListener("SIGXFSZ", () => {});
}

/** Runs one command line and returns its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    refuseGarbled(argv);
    return await dispatch(argv);
  } catch (thrown) {
    const error = firstOf(thrown);
    const exitCode = exitCodeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    note(`vmdkbkp: ${printable(message.replaceAll("\n", " "))}\n`);
    if (argv.includes("--json") && !(error instanceof ReportedError)) {
      const details = error instanceof FormatError
        ? error.fault
        : error instanceof MismatchError
        ? { block: error.block }
        : error instanceof DiskLibraryError
        ? error.fault
        : fileFaultOf(error);
      sayIfPossible(jsonText({ ok: false, error: { message, exitCode, ...details } }), argv);
    }
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
  const understood = await parse(command, name === "help" ? ["--help"] : args);
  if (understood === undefined) return say(helpText(command));

  using interrupt = new Interrupt();
  const { signal } = interrupt;
  // The command may be waiting for a pipe that stays silent: a signal ends it there too.
  const interrupted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  try {
    return await Promise.race([run({ ...understood.values, signal } as never, understood.args), interrupted]);
  } catch (error) {
    if (signal.aborted) await (await import("./files/outputs.ts")).openingEnds();
    throw error;
  }
}

function say(text: string): number {
  print(`${text}\n`);
  return EXIT.done;
}

/** Standard output may be what failed. */
function sayIfPossible(text: string, argv: readonly string[]): void {
  try {
    print(`${text}\n`, { stream: writesToStdout(argv) ? STDERR : STDOUT });
  } catch {
    // The message is on standard error already.
  }
}

/** Standard output holds the beginning of an archive: `--dumpout -` and the like; `rdiff2bmp` writes there unless told. */
function writesToStdout(argv: readonly string[]): boolean {
  const outputs = argv.flatMap((arg, i) => {
    const [, value] = /^--(?:\w+out|junit)(?:=(.*))?$/s.exec(arg) ?? [];
    return /^--(?:\w+out|junit)(=|$)/.test(arg) ? [value ?? argv[i + 1]] : [];
  });
  return outputs.includes("-") || (argv[0] === "rdiff2bmp" && outputs.length === 0);
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
