/**
 * Names that are not UTF-8. JavaScript gets U+FFFD for each of their invalid bytes, so that an input file is
 * not found, and an output file gets another name than the user gave. (Deno 2.4 refuses such arguments
 * itself, and omits such files when it lists a folder.)
 */

import { UsageError } from "../errors.ts";

/** The character that replaces bytes that are not UTF-8. A valid name may also contain it. */
const REPLACEMENT = "\ufffd";

/** The file in which Linux shows the original arguments of the process. */
const COMMAND_LINE = "/proc/self/cmdline";

/** The option whose value is not a name and must not appear in a message. */
const PASSWORD = /^--password(=|$)/;

/** Checks the arguments of the command line. @throws {UsageError} if one of them is not UTF-8 */
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

/**
 * Returns whether `argv` is exactly what the process was given. The character is then part of a valid
 * argument.
 */
function isExact(argv: readonly string[]): boolean {
  try {
    const words = new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(COMMAND_LINE))
      .split("\0").slice(0, -1).slice(-argv.length);
    return words.length === argv.length && words.every((word, i) => word === argv[i]);
  } catch {
    // The arguments are not UTF-8, the system is not Linux, or Deno has no permission: it opens nothing in
    // /proc without -A.
    return false;
  }
}

/** Returns why a file of a folder cannot be opened, if its name is the reason. */
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
