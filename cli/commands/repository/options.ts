/** Options and texts of the commands on repositories. */

import { parseDuration } from "../../repository/retention.ts";
import { variableOf } from "../../environment.ts";
import { UsageError } from "../../errors.ts";
import type { Option } from "../../options/option.ts";

/** The environment variable that names the repository. */
const VARIABLE = "VMDKBKP_REPO";

/** The repository of commands that work on nothing else. */
export const REPOSITORY = {
  type: "folder",
  value: "folder",
  required: true,
  help: "the repository",
  environment: {
    variable: VARIABLE,
    help: "The repository where --repo is not given.",
    givesValue: true,
  },
} as const satisfies Option;

/** The repository of commands that work on archives, too. */
export const OPTIONAL_REPOSITORY = {
  type: "folder",
  value: "folder",
  group: "repository",
  help: "the repository that has the machine",
  environment: {
    variable: VARIABLE,
    help: "The repository where --repo is not given, for arguments that are no paths of files or folders.",
    givesValue: true,
  },
} as const satisfies Option;

/** The version of the JSON objects that the commands on repositories print. */
export const SCHEMA = 1;

/**
 * Returns whether arguments name machines of a repository. If only the environment names the repository, arguments
 * that are paths of files or folders are those.
 */
export function areMachines(repo: string | undefined, args: readonly string[]): repo is string {
  return repo !== undefined && (repo !== variableOf(VARIABLE) || !arePaths(args));
}

function arePaths(args: readonly string[]): boolean {
  return args.some((arg) => {
    try {
      Deno.statSync(arg);
      return true;
    } catch {
      return arg === "-";
    }
  });
}

const HOUR_MS = 3_600_000;

/** Returns the milliseconds of a duration such as `26h`, a month as 30 days and a year as 365. */
export function millisecondsOf(text: string, { flag }: { flag: string }): number {
  const { years, months, days, hours } = durationOf(text, { flag });
  return ((years * 365 + months * 30 + days) * 24 + hours) * HOUR_MS;
}

/** Reads a duration. @throws {UsageError} if the text is none */
export function durationOf(
  text: string,
  { flag }: { flag: string },
): NonNullable<ReturnType<typeof parseDuration>> {
  const duration = parseDuration(text);
  if (duration !== undefined) return duration;
  throw new UsageError(
    `Cannot understand the command line: ${flag} cannot be "${text}", only a duration like 26h, 7d or 1y6m`,
  );
}
