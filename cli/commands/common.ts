/**
 * What all commands have in common: a command file describes its options behind these, and returns a {@linkcode Report}, which
 * is printed for people or for programs.
 */

import { jsonText, printable } from "../printable.ts";
import { EXIT } from "../errors.ts";
import { note, print, type StandardStream } from "../files/standard_streams.ts";
import { DEFAULT_THREADS } from "../jobs/engine.ts";
import type { Command, Option, Options } from "../options/option.ts";
import { MAX_THREADS, THREADS_VARIABLE } from "./threads.ts";

/** Options of every command. */
export interface CommonOptions {
  json?: true;
  quiet?: true;
  force?: true;
  resume?: true;
  withoutSeal?: true;
  /** Path of a secret key. */
  sign?: string;
  /** A public key, or the path of one. */
  trustedKey?: string;
  threads?: number;
  /** Set by `main.ts`: aborts when the program is asked to stop. */
  signal?: AbortSignal;
}

/** What a command has to say when it is done. */
export interface Report {
  /** Lines for people. */
  text: string[];
  /** The same for programs. */
  json: Record<string, unknown>;
  /** Not 0 where the result itself is bad news: `check` that finds a difference. */
  exitCode?: number;
}

/** Where and in which form a report is printed. */
export interface Printing {
  json?: boolean;
  /** The stream; standard output if it is not given. */
  stream?: StandardStream;
  /** The files that the command has completed, as the user named them. The message about a failure lists them. */
  written?: readonly string[];
}

/**
 * Prints a report as text or JSON and returns the exit code. If the report cannot be printed, a message on standard
 * error says so, and that the command itself is done. The exit code is then 1, unless the result has a worse one.
 */
export function printReport({ json, stream, written = [] }: Printing, report: Report): number {
  const exitCode = report.exitCode ?? EXIT.done;
  // Line by line: all at once, the report of a folder with hundreds of generations takes several times its megabytes.
  const lines = json ? [jsonText({ ok: exitCode === EXIT.done, ...report.json })] : report.text;
  if (lines.every((line) => line === "")) return exitCode;
  try {
    for (const line of lines) {
      print(`${json ? line : printable(line)}\n`, { stream, what: "the report" });
    }
    return exitCode;
  } catch (error) {
    const files = written.length === 0
      ? ""
      : `, and what it has written is complete: "${written.join('", "')}"`;
    const result = exitCode === EXIT.done ? "" : `, with exit code ${exitCode} for its result`;
    note(`vmdkbkp: ${printable(`${(error as Error).message}; the command is done${files}${result}`)}\n`);
    return exitCode === EXIT.done ? EXIT.environment : exitCode;
  }
}

const COMMON = {
  json: { type: "flag", group: "general", help: "print the result as one JSON object" },
  quiet: { type: "flag", group: "general", short: "q", help: "show no progress" },
  threads: {
    type: "count",
    group: "general",
    value: "n",
    min: 1,
    max: MAX_THREADS,
    help: `processor cores to use, 1 to ${MAX_THREADS} (default: all, up to ${DEFAULT_THREADS})`,
    environment: {
      variable: THREADS_VARIABLE,
      help: "The number of threads where --threads is not given.",
      givesValue: true,
    },
  },
} as const satisfies Options;

/** Of every command that writes archives. */
export const LEVEL = {
  type: "count",
  group: "more",
  value: "n",
  min: 1,
  max: 19,
  help: "compression: gzip 1 to 9 (default: 2), zstd 1 to 19 (default: 1)",
} as const satisfies Option;

/** Of every command that reads archives to make something of them. */
export const WITHOUT_SEAL = {
  type: "flag",
  group: "seals",
  excludes: { trustedKey: "one goes by seals, the other by none" },
  help: "go by no seal: for files that were changed on purpose, or whose seal cannot be read",
} as const satisfies Option;

/** A command with the common options in front of its own. */
export function newCommand<const Own extends Options>(
  name: string,
  own: Omit<Command<Own>, "name">,
): Command<typeof COMMON & Own> {
  return { ...own, name, options: { ...COMMON, ...own.options } };
}
