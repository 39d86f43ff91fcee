/** `vmdkbkp check`: prove archives. */

import { EXIT, FormatError, InterruptedError, MismatchError, ReportedError, UsageError } from "../errors.ts";
import { dirname } from "@std/path/posix/dirname";
import { isHidden } from "../files/hidden_names.ts";
import { Moment } from "../files/moment.ts";
import { checkFolders } from "./check_folders.ts";
import { checkList } from "./check_list.ts";
import { explain, type Explanation } from "./diagnosis.ts";
import { isJunit, junitXml, type TestSuite } from "./junit.ts";
import type { ValuesOf } from "./options.ts";
import { SEAL_SUFFIX } from "../archive/seal.ts";
import { HOLDS_BLOCKS, HOLDS_DIGESTS, STREAM } from "./input_file.ts";
import { newCommand } from "./common.ts";
import { TRUSTED_KEY } from "./signing.ts";
import { Session } from "./session.ts";
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

The last line on standard output is "Check: OK", "Check: WRONG", or "Check: NOT PROVED" (exit code 6) where
nothing is wrong and nothing tells what the blocks must be. Of wrong archives it is told which blocks
are bad or missing, where in which file, and in which other file of the folders they are intact.`,
  examples: `
vmdkbkp check --digestin 2.digest 2.dump.zst
vmdkbkp check 2.dump.zst 1.rdiff.zst 0.rdiff.zst
vmdkbkp check --quick --junit check.xml backups/web backups/db`,
  args: { "<archives...>": "a dump and rdiffs, newest first; or folders" },
  options: {
    digestin: { value: "file", help: "digest of the last archive's generation" },
    quick: { help: "do not read the blocks" },
    trustedKey: TRUSTED_KEY,
    junit: { value: "file", help: "write the result as JUnit XML, too" },
  },
});

type Options = ValuesOf<typeof command>;

/** What came of a check. */
export interface Verdict {
  /** Everything is right, and something proves it. */
  ok: boolean;
  /** Nothing is known to be wrong. */
  isRight: boolean;
  text: string[];
  json: Record<string, unknown>;
  suites: TestSuite[];
}

export async function run(options: Options, paths: string[]): Promise<number> {
  const start = performance.now();
  const { digestin, quick = false, junit } = options;
  const folders = paths.filter(isFolder);
  if (folders.length > 0 && folders.length < paths.length) {
    const other = paths.find((path) => !folders.includes(path));
    throw new UsageError(
      `Cannot check folders and files at once: "${folders[0]}" is a folder, "${other}" is not`,
    );
  }
  if (folders.length > 0 && digestin !== undefined) {
    throw new UsageError("Cannot use --digestin with folders: digests are looked for there");
  }
  if (junit === STREAM && options.json) throw new UsageError('Cannot use --junit "-" with --json');
  const inputs = folders.length > 0 ? [] : [...paths, ...digestin === undefined ? [] : [digestin]];
  await using session = await Session.start(options, { inputs, outputs: [junit] });
  const seconds = () => secondsSince(start);
  // Files that are replaced meanwhile look damaged, or as if they did not belong together.
  const moment = new Moment({
    paths: inputs.filter((path) => path !== STREAM),
    folders: placesOf(inputs, folders),
    ofInterest: (name) =>
      !isHidden(name) && (name.endsWith(SEAL_SUFFIX) ||
        folders.length > 0 && (HOLDS_BLOCKS.test(name) || HOLDS_DIGESTS.test(name))),
  });
  const writeJunit = async (suites: TestSuite[]) => {
    if (junit === undefined) return;
    const bytes = new TextEncoder().encode(junitXml(suites, { seconds: seconds() }));
    await session.writeReport(junit, bytes, { isReport: isJunit });
  };
  try {
    const verdict = folders.length > 0
      ? await checkFolders(session, folders, { quick })
      : await checkList(session, paths, { digestin, quick });
    if (!verdict.isRight) await moment.assertUnchanged();
    const told = !verdict.isRight && folders.length === 0 && await explainList(session, paths, options);
    if (told) {
      verdict.text.push(...told.text);
      verdict.json.diagnosis = told.json;
    }
    await writeJunit(verdict.suites);
    session.commit();
    return session.report({
      text: [
        ...verdict.text,
        `  ${seconds().toFixed(2)} s`,
        `Check: ${verdict.ok ? "OK" : verdict.isRight ? "NOT PROVED" : "WRONG"}`,
      ],
      json: { command: "check", ok: verdict.ok, quick, ...verdict.json, seconds: seconds() },
      exitCode: verdict.ok ? EXIT.done : verdict.isRight ? EXIT.unproved : EXIT.corrupt,
    });
  } catch (error) {
    // Scripts look at the last line; an archive that cannot be read is wrong, a file that cannot be opened is another matter.
    if (error instanceof FormatError || error instanceof MismatchError) {
      await moment.assertUnchanged();
      const told = error instanceof FormatError ? await explainList(session, paths, options) : undefined;
      const failure = [error.message, ...told?.text ?? []].join("\n");
      await writeJunit([{ name: "archives", cases: [{ name: paths.join(" "), failure }] }]);
      session.commit();
      if (!options.json) session.report({ text: [...told?.text ?? [], "Check: WRONG"], json: {} });
      else if (told !== undefined) {
        const { message } = error;
        const fault = {
          message,
          exitCode: EXIT.corrupt,
          ...(error instanceof FormatError ? error.fault : {}),
        };
        session.report({
          text: [],
          json: { command: "check", ok: false, error: fault, diagnosis: told.json },
        });
        throw new ReportedError(error);
      }
    } else if (!(error instanceof InterruptedError)) {
      // What an earlier check found must not be taken for the result of this one.
      const message = error instanceof Error ? error.message : String(error);
      try {
        await writeJunit([{ name: "archives", cases: [{ name: paths.join(" "), error: message }] }]);
        session.commit();
      } catch {
        // The first error is the one to tell.
      }
    }
    throw error;
  }
}

/** What is wrong with the archives of a list, where the digest can tell. */
async function explainList(
  session: Session,
  archives: readonly string[],
  { digestin, quick }: Options,
): Promise<Explanation | undefined> {
  return digestin === undefined || quick ? undefined : await explain(session, { archives, digestin });
}

/** The folders that are looked into: those that are named, or those in which seals are looked for. */
function placesOf(inputs: readonly string[], folders: readonly string[]): string[] {
  if (folders.length > 0) return [...folders];
  const beside = inputs.filter((path) => path !== STREAM).map((path) => dirname(path));
  return [...new Set(beside)].filter(isFolder);
}

function isFolder(path: string): boolean {
  try {
    return path !== STREAM && Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
