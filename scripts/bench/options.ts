/** The options of `deno task bench`. */

import { parseArgs } from "node:util";

/** The text of `--help`. */
export const USAGE = `Usage: deno task bench [options]

  --mib N       size of the mixed disk in MiB, at least 64 (default: 1024);
                other disks have multiples of this size
  --rounds N    how often each command runs (default: 5)
  --only REGEX  run only the rows whose names match; md5sum and cp always run
  --threads N   passed to vmdkbkp as --threads
  --quick       leave out other programs, and disks of noise or text only
  --json        print one JSON object with all samples instead of tables
  --help        print this help`;

/** The options of a run of the benchmark. */
export interface BenchOptions {
  /** Size of the mixed disk in MiB, at least 64. */
  mib: number;
  /** How often each row runs, at least once. */
  rounds: number;
  /** Matches the names of the rows to run. */
  only: RegExp;
  /** Threads of vmdkbkp; by default vmdkbkp chooses. */
  threads?: number;
  /** Whether other programs, and disks of one kind of content, are left out. */
  quick: boolean;
  /** Whether JSON is printed instead of tables. */
  json: boolean;
  /** Whether the help is asked for. */
  help: boolean;
}

/**
 * Parses the command line.
 *
 * @throws {TypeError} if an option is unknown, or a value is not a number or too small
 */
export function parseOptions(args: string[]): BenchOptions {
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
    // 64 MiB are four times the pattern of the mixed disk, so that one in 20 MiB can be changed.
    mib: integer("--mib", values.mib, 64),
    rounds: integer("--rounds", values.rounds, 1),
    only: new RegExp(values.only),
    threads: values.threads === undefined ? undefined : integer("--threads", values.threads, 1),
  };
}

function integer(name: string, value: string, least: number): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= least) return number;
  throw new TypeError(`Cannot use ${name} "${value}": a whole number of at least ${least} is needed`);
}
