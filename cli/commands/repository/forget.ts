/** `vmdkbkp forget`: remove generations. */

import { EXIT, FormatError, MismatchError } from "../../errors.ts";
import { forget, type ForgottenMachine } from "../../jobs/repository/forget.ts";
import type { ValuesOf } from "../../options/option.ts";
import { newCommand } from "../common.ts";
import { Printer } from "../printer.ts";
import { durationOf, REPOSITORY, SCHEMA } from "./options.ts";

const KEEP = { type: "count", value: "n", min: 0, max: 1_000_000 } as const;

export const command = newCommand("forget", {
  description: `Remove the generations of machines that no rule keeps.

The rules are those of restic. Each looks at the generations from the newest to the oldest, by the calendar of
this machine: --keep-last keeps so many; --keep-daily and its like keep the newest one of each day that has
one, for so many days. At least one rule is needed, and the newest generation always stays. Generations in the
middle are removed as well; all others stay as they are.`,
  examples: `
vmdkbkp forget --repo backup --keep-last 3 --keep-daily 14 --keep-monthly 12 --dry-run
vmdkbkp forget --repo backup --keep-within 30d --keep-noted web`,
  args: { "[machines...]": { help: "names of machines (default: all, each by itself)" } },
  options: {
    repo: REPOSITORY,
    keepLast: { ...KEEP, help: "keep the newest n generations" },
    keepDaily: { ...KEEP, help: "keep the newest generation of each of n days" },
    keepWeekly: { ...KEEP, help: "keep the newest generation of each of n weeks" },
    keepMonthly: { ...KEEP, help: "keep the newest generation of each of n months" },
    keepYearly: { ...KEEP, help: "keep the newest generation of each of n years" },
    keepWithin: {
      type: "text",
      value: "duration",
      help: "keep all that are not older than this before the newest one, such as 30d or 1y6m",
    },
    keepNoted: { type: "flag", help: "keep all that have a note" },
    dryRun: { type: "flag", help: "only tell what would go" },
  },
});

export async function run(options: ValuesOf<typeof command>, names: string[]): Promise<number> {
  using printer = new Printer(options);
  const { keepWithin, dryRun } = options;
  const { machines } = await forget({
    repository: options.repo,
    machines: names,
    keep: {
      last: options.keepLast,
      daily: options.keepDaily,
      weekly: options.keepWeekly,
      monthly: options.keepMonthly,
      yearly: options.keepYearly,
      within: keepWithin === undefined ? undefined : durationOf(keepWithin, { flag: "--keep-within" }),
      noted: options.keepNoted,
    },
    dryRun,
  }, await printer.jobOptions());
  const problems = machines.flatMap(({ problem }) => problem ?? []);
  const isDamaged = problems.some((error) => error instanceof FormatError || error instanceof MismatchError);
  return printer.report({
    text: machines.flatMap((machine) => machineText(machine, { dryRun: dryRun === true })),
    json: {
      command: "forget",
      schema: SCHEMA,
      repository: options.repo,
      dryRun: dryRun ?? false,
      machines: machines.map(({ name, generations, problem }) => ({
        name,
        generations: generations.map(({ id, note, reasons }) => ({
          id,
          ...(note === undefined ? {} : { note }),
          kept: reasons.length > 0,
          reasons,
        })),
        ...(problem === undefined ? {} : { problem: problem.message }),
      })),
    },
    exitCode: problems.length === 0 ? EXIT.done : isDamaged ? EXIT.corrupt : EXIT.environment,
  });
}

function machineText(
  { name, generations, problem }: ForgottenMachine,
  { dryRun }: { dryRun: boolean },
): string[] {
  const gone = dryRun ? "would be removed" : "removed";
  const lines = generations.map(({ id, reasons }) =>
    `  ${id}  ${reasons.length === 0 ? gone : `stays: ${reasons.join(", ")}`}`
  );
  return [`${name}:`, ...lines, ...(problem === undefined ? [] : [`  NOT CHANGED: ${problem.message}`])];
}
