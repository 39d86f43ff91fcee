/** The options of `deno task bench`. */

import { parseArgs } from "node:util";

export const USAGE = `Usage: deno task bench [options]

  --mib N       size of the mixed disk in MiB, from 64 (default: 1024); the others follow it
  --rounds N    how often each command runs (default: 5)
  --only REGEX  the lines to run; md5sum and cp always run
  --threads N   given to vmdkbkp as its --threads
  --quick       without the tools of others, and on the mixed disk alone
  --json        one JSON object with every sample, instead of tables
  --help        show this`;

/** What a run of the benchmark is asked for. */
export interface Options {
  /** Size of the mixed disk. */
  mib: number;
  rounds: number;
  only: RegExp;
  threads?: number;
  quick: boolean;
  json: boolean;
  help: boolean;
}

/**
 * Reads the command line.
 *
 * @throws {TypeError} if an option is unknown, or a number is none
 */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      mib: { type: "string", default: "1024" },
      rounds: { type: "string", default: "5" },
      only: { type: "string", default: "" },
      threads: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    ...values,
    // 64 MiB are four times the pattern of the mixed disk, and leave something to change.
    mib: integer("--mib", values.mib, 64),
    rounds: integer("--rounds", values.rounds, 1),
    only: new RegExp(values.only),
    threads: values.threads === undefined ? undefined : integer("--threads", values.threads, 1),
  };
}

function integer(name: string, value: string, least: number): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= least) return number;
  throw new TypeError(`Cannot take ${name} "${value}": a whole number from ${least} is wanted`);
}
