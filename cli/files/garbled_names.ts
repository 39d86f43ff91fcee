/**
 * Names that are not UTF-8. To JavaScript each byte of them that is none is U+FFFD, so that a file which is read
 * is not found, and one which is written gets another name than it was given. (Deno 2.4 refuses such words by
 * itself, and passes over such files of a folder.)
 */

import { UsageError } from "../errors.ts";

/** What stands for bytes that are not UTF-8; a name may also hold the character itself. */
const REPLACEMENT = "\ufffd";

/** The words of the process as they were given to it, on Linux. */
const COMMAND_LINE = "/proc/self/cmdline";

/** The word behind it is no name, and no message shows it. */
const PASSWORD = /^--password(=|$)/;

/** @throws {UsageError} if a word of the command line is not UTF-8 */
export function refuseGarbled(argv: readonly string[]): void {
  const at = argv.findIndex((word) => word.includes(REPLACEMENT));
  if (at < 0 || isExact(argv)) return;
  const isSecret = PASSWORD.test(argv[at]) || PASSWORD.test(argv[at - 1] ?? "");
  throw new UsageError(
    `Cannot use ${
      isSecret ? "the password" : `"${argv[at]}"`
    }: it is not UTF-8 ("${REPLACEMENT}" stands for bytes that ` +
      `are not)${isSecret ? "" : "; give the file a name that is, or a symbolic link (ln -s) with one"}`,
  );
}

/** Whether these are the very words of the process: then the character was given itself. */
function isExact(argv: readonly string[]): boolean {
  try {
    const words = new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(COMMAND_LINE))
      .split("\0").slice(0, -1).slice(-argv.length);
    return words.length === argv.length && words.every((word, i) => word === argv[i]);
  } catch {
    // Bytes that are not UTF-8, another system, or no permission: Deno opens nothing below /proc without -A.
    return false;
  }
}

/** Why a file of a folder cannot be opened, if that is because of its name. */
export function faultOfName(path: string): string | undefined {
  if (!path.includes(REPLACEMENT)) return undefined;
  try {
    Deno.lstatSync(path);
    return undefined;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return undefined;
    return `its name is not UTF-8 ("${REPLACEMENT}" stands for bytes that are not): give it a name that is`;
  }
}
