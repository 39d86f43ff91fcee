/** `vmdkbkp check`: prove archives. */

import { leadsToFolder } from "../files/paths.ts";
import {
  EXIT,
  FormatError,
  InterruptedError,
  type MismatchError,
  ReportedError,
  UsageError,
} from "../errors.ts";
import { check, checkFolders } from "../jobs/check.ts";
import { STREAM } from "../jobs/input_file.ts";
import type { JobOptions } from "../jobs/options.ts";
import { writeReportFile } from "../jobs/report_file.ts";
import { newCommand } from "./common.ts";
import { diagnosisText } from "./diagnosis_text.ts";
import { reportFolders, type Verdict } from "./folder_report.ts";
import { isJunit, junitXml, type TestSuite } from "./junit.ts";
import { reportList } from "./list_report.ts";
import { flagOf, type ValuesOf } from "../options/option.ts";
import { areMachines, millisecondsOf, OPTIONAL_REPOSITORY } from "./repository/options.ts";
import { Printer } from "./printer.ts";
import { TRUSTED_KEY } from "./signing.ts";
import { secondsSince } from "./summary.ts";

export const command = newCommand("check", {
  description: `Check archives, newest first, or all that lie in folders.

A list of archives is compared with the digest of the generation that it leads to (--digestin), and with the
seals beside the files: every block is read and hashed, every checksum of a compressed file is verified, and
every file with a seal must have its SHA-256. A seal proves the blocks, too, where there is no digest. Rdiffs
without a dump are checked for the blocks that they hold.

Of folders, every archive is checked, and each generation is reported: whether it can be restored, and from
which files. A folder without archives is wrong. Folders in them are not looked into.

With --quick no block is read: lengths, seals, headers, the links of a chain, the structure of plain archives
and of containers.

With --repo the machines of a repository are checked, all of them if none is named: every file, and every
block of every generation.

The last line on standard output is "Check: OK", "Check: WRONG", "Check: NOT PROVED" (exit code 6) where
nothing is wrong and nothing tells what the blocks must be, or "Check: NOT READ" (exit code 1) where nothing
is wrong but that the system could not read a file. Of wrong archives it is told which blocks
are bad or missing, where in which file, and in which other file of the folders they are intact.`,
  examples: `
vmdkbkp check --digestin 2.digest 2.dump.zst
vmdkbkp check 2.dump.zst 1.rdiff.zst 0.rdiff.zst
vmdkbkp check --quick --junit check.xml backups/web backups/db
vmdkbkp check --repo backup --max-age 26h web`,
  args: { "[archives...]": "a dump and rdiffs, newest first; or folders; with --repo names of machines" },
  options: {
    digestin: { type: "input", value: "file", help: "digest of the last archive's generation" },
    quick: { type: "flag", help: "do not read the blocks" },
    repo: OPTIONAL_REPOSITORY,
    maxAge: {
      type: "text",
      value: "duration",
      group: "repository",
      help: "a machine is wrong whose newest generation is older, such as 26h or 7d",
    },
    trustedKey: TRUSTED_KEY,
    junit: { type: "output", value: "file", help: "write the result as JUnit XML, too" },
  },
});

type Options = ValuesOf<typeof command>;

/** The last word of the report and the exit code. */
function endOf({ ok, isRight, isRead }: Verdict): [string, number] {
  if (ok) return ["OK", EXIT.done];
  if (isRight) return ["NOT PROVED", EXIT.unproved];
  return isRead ? ["WRONG", EXIT.corrupt] : ["NOT READ", EXIT.environment];
}

export async function run(options: Options, paths: string[]): Promise<number> {
  if (junitNeedsFile(options)) throw new UsageError('Cannot use --junit "-" with --json');
  if (areMachines(options.repo, paths)) return await checkOnes(options, paths);
  if (options.maxAge !== undefined) {
    throw new UsageError("Cannot use --max-age with archives, only with --repo");
  }
  if (paths.length === 0) {
    throw new UsageError(
      'Cannot understand the command line: required argument "archives" is not given (see --help)',
    );
  }
  const start = performance.now();
  const { digestin, junit } = options;
  const folders = paths.filter((path) => path !== STREAM && leadsToFolder(path));
  if (folders.length > 0 && folders.length < paths.length) {
    const other = paths.find((path) => !folders.includes(path));
    throw new UsageError(
      `Cannot check folders and files at once: "${folders[0]}" is a folder, "${other}" is not`,
    );
  }
  if (folders.length > 0 && digestin !== undefined) {
    throw new UsageError("Cannot use --digestin with folders: digests are looked for there");
  }
  using printer = new Printer(options, { outputs: [junit] });
  const jobOptions = await printer.jobOptions();
  const about = digestin === undefined ? paths : [...paths, digestin];
  let isJunitBegun = false;
  const writeJunit = async (suites: TestSuite[], about: readonly string[]) => {
    // A file that could not be written is not tried again.
    if (junit === undefined || isJunitBegun) return;
    isJunitBegun = true;
    const bytes = new TextEncoder().encode(junitXml(suites, { seconds: secondsSince(start) }));
    await writeReportFile({ path: junit, bytes, about, isReport: isJunit }, jobOptions);
  };
  const name = paths.join(" ");
  try {
    const verdict = folders.length > 0
      ? await verdictOfFolders(options, folders, jobOptions)
      : await verdictOfList(options, paths, jobOptions);
    const [word, exitCode] = endOf(verdict);
    await writeJunit(verdict.suites, verdict.files ?? about);
    const seconds = secondsSince(start);
    return printer.report({
      text: [
        ...verdict.text,
        `  ${seconds.toFixed(2)} s`,
        `Check: ${word}`,
      ],
      json: { command: "check", ok: verdict.ok, quick: options.quick ?? false, ...verdict.json, seconds },
      exitCode,
    });
  } catch (error) {
    if (error instanceof WrongArchive) {
      const { cause, text, diagnosis } = error;
      await writeJunit(
        [{ name: "archives", cases: [{ name, failure: [cause.message, ...text].join("\n") }] }],
        about,
      );
      // Scripts look at the last line.
      if (!options.json) printer.report({ text: [...text, "Check: WRONG"], json: {} });
      else if (diagnosis !== undefined) {
        const details = cause instanceof FormatError ? cause.fault : {};
        const fault = { message: cause.message, exitCode: EXIT.corrupt, ...details };
        printer.report({ text: [], json: { command: "check", ok: false, error: fault, diagnosis } });
        throw new ReportedError(cause);
      }
      throw cause;
    }
    if (!(error instanceof InterruptedError)) {
      // What an earlier check found must not be taken for the result of this one.
      const message = error instanceof Error ? error.message : String(error);
      try {
        await writeJunit([{ name: "archives", cases: [{ name, error: message }] }], about);
      } catch {
        // The first error is the one to tell.
      }
    }
    throw error;
  }
}

function junitNeedsFile({ junit, json }: Options): boolean {
  return junit === STREAM && json === true;
}

/** Checks machines of a repository. */
async function checkOnes(options: Options, machines: readonly string[]): Promise<number> {
  for (const name of ["digestin", "quick", "trustedKey"] as const) {
    if (options[name] !== undefined) throw new UsageError(`Cannot use --${flagOf(name)} with --repo`);
  }
  const { maxAge, junit } = options;
  const maxAgeMs = maxAge === undefined ? undefined : millisecondsOf(maxAge, { flag: "--max-age" });
  const { checkMachines } = await import("./repository/check.ts");
  return await checkMachines(options, { repository: options.repo!, machines, maxAgeMs, junit });
}

/** A verdict, and the files that were found in folders. */
interface Outcome extends Verdict {
  files?: readonly string[];
}

/** An archive of the list cannot be read to its end, or does not belong to the others. */
class WrongArchive extends Error {
  declare readonly cause: FormatError | MismatchError;
  readonly text: string[];
  readonly diagnosis?: unknown;

  constructor(
    cause: FormatError | MismatchError,
    { text, diagnosis }: { text: string[]; diagnosis?: unknown },
  ) {
    super(cause.message, { cause });
    this.text = text;
    this.diagnosis = diagnosis;
  }
}

async function verdictOfList(
  { digestin, quick }: Options,
  archives: readonly string[],
  jobOptions: JobOptions,
): Promise<Outcome> {
  const { findings, failure, explanation } = await check({ archives, digestin, quick }, jobOptions);
  const text = explanation === undefined ? [] : diagnosisText(explanation);
  const diagnosis = explanation?.diagnosis;
  if (findings === undefined) throw new WrongArchive(failure!, { text, diagnosis });
  const verdict = reportList(findings, { archives, digestin });
  verdict.text.push(...text);
  if (diagnosis !== undefined) verdict.json.diagnosis = diagnosis;
  return verdict;
}

async function verdictOfFolders(
  { quick }: Options,
  folders: readonly string[],
  jobOptions: JobOptions,
): Promise<Outcome> {
  const findings = await checkFolders({ folders, quick }, jobOptions);
  const { items, seals, unreadable } = findings.inventory;
  return {
    ...reportFolders(findings),
    files: [...items, ...seals, ...unreadable].map(({ path }) => path),
  };
}
