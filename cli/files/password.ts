/** Where the password of a server comes from: an option, a file, the environment, or the user at the terminal. */

import { FileError, UsageError } from "../errors.ts";
import { reasonOf } from "./system_errors.ts";
import { variableOf } from "../environment.ts";
import { askHidden, hasTerminal } from "./terminal.ts";

/** The environment variable that holds the password of a server. */
export const PASSWORD_VARIABLE = "VMDKBKP_PASSWORD";

/** Standard input instead of a file. */
const STREAM = "-";

/** More is no password, but another file given by mistake. */
const MAX_LINE_BYTES = 4096;

const LINE_FEED = 10;

/** The modes of a file that let others than its owner and its group read it, and its group too. */
const READ_BY_OTHERS = 0o004;
const READ_BY_GROUP = 0o040;
const ROOT_ID = 0;

/** What the command line says about the password. */
export interface PasswordChoice {
  password?: string;
  /** `-` is standard input: whoever reads archives from there must refuse both at once. */
  passwordFile?: string;
  /** Ends the question at the terminal. */
  signal?: AbortSignal;
}

/** Whom the password is for, and how to tell the user that it is not kept well. */
export interface PasswordPurpose {
  user: string;
  server: string;
  warn: (line: string) => void;
}

/**
 * The password, from `--password`, `--password-file`, the environment or the terminal, in this order. No error
 * contains it.
 *
 * @throws {UsageError} if both options are given, or no source has a password
 * @throws {InterruptedError} if the user presses Ctrl-C, and the reason of `signal`
 */
export async function readPassword(
  { password, passwordFile, signal }: PasswordChoice,
  { user, server, warn }: PasswordPurpose,
): Promise<string> {
  signal?.throwIfAborted();
  if (password !== undefined && passwordFile !== undefined) {
    throw new UsageError("Cannot use --password and --password-file together: only one of them can be given");
  }
  if (password !== undefined) {
    warn(`--password shows in the process list: use --password-file or ${PASSWORD_VARIABLE} instead`);
    return usable(password, "--password");
  }
  const question = `Password for ${user} at ${server}: `;
  // Typed into standard input the password would be seen on the terminal.
  if (passwordFile === STREAM && Deno.stdin.isTerminal()) {
    return usable(await askHidden(question, { signal }), "the terminal");
  }
  if (passwordFile === STREAM) return firstLine(Deno.stdin, "standard input");
  if (passwordFile !== undefined) return await passwordOfFile(passwordFile, warn);
  const variable = variableOf(PASSWORD_VARIABLE);
  // Empty is what a failed command in a script leaves there: to ask for another one would stop the script.
  if (variable !== undefined) return usable(variable, PASSWORD_VARIABLE);
  if (hasTerminal()) return usable(await askHidden(question, { signal }), "the terminal");
  throw new UsageError(
    `Cannot ask for the password of ${user} at ${server}: there is no terminal; use --password-file FILE ` +
      `(- for standard input), the environment variable ${PASSWORD_VARIABLE}, or --password`,
  );
}

async function passwordOfFile(path: string, warn: (line: string) => void): Promise<string> {
  const name = `password file "${path}"`;
  try {
    using file = await Deno.open(path);
    // Asked of the open file: the name may lead to another one a moment later.
    const readers = readersOf(file.statSync());
    if (readers !== undefined) warn(`${name} can be read by ${readers}: chmod 600 keeps it private`);
    return await firstLine(file, name);
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    const fault = { action: "read", path, reason: reasonOf(cause) };
    throw new FileError(fault, { message: `Cannot read ${name}: ${fault.reason}`, cause });
  }
}

/**
 * Who else reads the file. The group of root's files may: that is how services get theirs, and the rule by which
 * PostgreSQL judges its private keys (manual, "Secure TCP/IP Connections with SSL").
 */
function readersOf({ isFile, mode, uid }: Deno.FileInfo): string | undefined {
  if (!isFile || mode === null) return undefined;
  if (mode & READ_BY_OTHERS) return "all users";
  return mode & READ_BY_GROUP && uid !== ROOT_ID ? "its group" : undefined;
}

/** Reads no further than it must: a terminal or a pipe may stay open behind the line. */
async function firstLine(
  source: { read(buffer: Uint8Array): Promise<number | null> },
  name: string,
): Promise<string> {
  const buffer = new Uint8Array(MAX_LINE_BYTES);
  let length = 0;
  let end = -1;
  while (end < 0) {
    if (length === buffer.length) {
      throw new UsageError(`Cannot use ${name}: its first line is longer than ${MAX_LINE_BYTES} bytes`);
    }
    const part = await source.read(buffer.subarray(length));
    if (part === null) break;
    length += part;
    end = buffer.subarray(0, length).indexOf(LINE_FEED);
  }
  const line = buffer.subarray(0, end < 0 ? length : end);
  try {
    return usable(new TextDecoder("utf-8", { fatal: true }).decode(line).replace(/\r$/, ""), name);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    // The decoder's own message may change and show what it met.
    throw new UsageError(`Cannot use ${name}: its first line is not UTF-8`);
  }
}

/** The disk library takes a C string: NUL would end it early. */
function usable(password: string, name: string): string {
  if (password === "") throw new UsageError(`Cannot use the password of ${name}: it is empty`);
  if (/[\0\n\r]/.test(password)) {
    throw new UsageError(`Cannot use the password of ${name}: it contains a NUL character or a line end`);
  }
  return password;
}
