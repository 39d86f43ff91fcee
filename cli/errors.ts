/**
 * The errors that carry more than a message, and the exit code of each kind.
 *
 * Messages name the action first, then the state found against the state wanted; paths stand in quotes.
 */

/** Exit codes by kind; `main.ts` maps errors to them and the help prints them. */
export const EXIT = {
  done: 0,
  environment: 1,
  usage: 2,
  corrupt: 3,
  diskLibrary: 4,
  different: 5,
  unproved: 6,
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;

/** The last lines of every help text. */
export const EXIT_CODES =
  `Exit codes: ${EXIT.done} done, ${EXIT.environment} environment, ${EXIT.usage} usage, ` +
  `${EXIT.corrupt} corrupt or mismatching archive, ${EXIT.diskLibrary} disk library,\n` +
  `            ${EXIT.different} different (compare), ${EXIT.unproved} nothing proves what was checked (check),\n` +
  `            stopped: ${EXIT.hungUp} hung up, ${EXIT.interrupted} interrupted, ${EXIT.terminated} terminated`;

/** A request or a command line contradicts itself, or asks for something that the program refuses. Exit code 2. */
export class UsageError extends Error {
  /** Always `UsageError`. */
  override name = "UsageError";
}

/** Where in a file something is wrong, and what. All fields but `path` may be unknown. */
export interface FormatFault {
  /** The file, or `-` for standard input. */
  path: string;
  /** Byte offset: of a fault in an archive in its decompressed stream, of a fault in a container in the file. */
  offsetBytes?: number;
  /** What the format wants there. */
  expected?: string;
  /** What the file holds there. */
  found?: string;
}

/** A file is not what its format says: cut, damaged, or of another kind. Exit code 3. */
export class FormatError extends Error {
  /** Always `FormatError`. */
  override name = "FormatError";
  /** The place of the damage, as far as it is known. */
  readonly fault: FormatFault;

  /** Takes the whole sentence as `message`; {@linkcode formatError} writes the usual one. */
  constructor(message: string, fault: FormatFault, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/**
 * The usual sentence of a {@linkcode FormatError}:
 * `Cannot read dump "a.dump": at byte 120 block 7 is expected, block 9 is found`.
 */
export function formatError(what: string, fault: FormatFault, options?: ErrorOptions): FormatError {
  const at = fault.offsetBytes === undefined ? "" : `at byte ${fault.offsetBytes} `;
  const expected = fault.expected === undefined ? "" : `${fault.expected} is expected, `;
  const found = fault.found === undefined ? "nothing usable" : fault.found;
  return new FormatError(
    `Cannot read ${what} "${fault.path}": ${at}${expected}${found} is found`,
    fault,
    options,
  );
}

/** An action on a file that the system refused. */
export interface FileFault {
  /** Path of the file. */
  path: string;
  /** What was tried, worded to stand between "Cannot" and the path: `sync`, `rename "a" to`, `set the mode of`. */
  action: string;
  /** The reason in the words of the system. */
  reason: string;
}

/** The system refused an action on a file. Exit code 1. */
export class FileError extends Error {
  /** Always `FileError`. */
  override name = "FileError";
  /** The file, and the action that the system refused. */
  readonly fault: FileFault;

  /** Without `message` the error has the usual sentence: `Cannot sync "a": No space left on device`. */
  constructor(fault: FileFault, { message, ...options }: ErrorOptions & { message?: string } = {}) {
    super(message ?? `Cannot ${fault.action} "${fault.path}": ${fault.reason}`, options);
    this.fault = fault;
  }
}

/** Returns the fault of the innermost {@linkcode FileError} in the chain of causes of an error. */
export function fileFaultOf(error: unknown): FileFault | undefined {
  let fault: FileFault | undefined;
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof FileError) fault = at.fault;
  }
  return fault;
}

/** A thread of this program failed at its work: no fault of a file. Exit code 1. */
export class ThreadError extends Error {
  /** Always `ThreadError`. */
  override name = "ThreadError";
}

/** The disk library failed, or the server behind it, or there is none. Exit code 4. */
export class DiskLibraryError extends Error {
  override name = "DiskLibraryError";
  /** The function of the library that failed, and its code, if one did. */
  readonly fault?: { call: string; code: number };

  constructor(message: string, options?: ErrorOptions & { fault?: { call: string; code: number } }) {
    super(message, options);
    this.fault = options?.fault;
  }
}

/** A server failed, refused, or sent something that cannot be used. Exit code 4, as of a disk library. */
export class ServerError extends DiskLibraryError {
  override name = "ServerError";
}

/** Two inputs that are each well-formed do not belong together, or a block differs. Exit code 3. */
export class MismatchError extends Error {
  /** Always `MismatchError`. */
  override name = "MismatchError";
  /** The block where the difference lies, if it lies in one. */
  readonly block?: number;

  /** Takes the whole sentence as `message`, and the number of the block where a difference lies. */
  constructor(message: string, options?: ErrorOptions & { block?: number }) {
    super(message, options);
    this.block = options?.block;
  }
}

/** An error that the result on standard output tells already, in its own place; `cause` is the error itself. */
export class ReportedError extends Error {
  override name = "ReportedError";

  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

/** The signals that end a command in an orderly way. */
export type EndingSignal = "SIGHUP" | "SIGINT" | "SIGTERM";

/** A signal asked the program to stop. Exit code 128 + the signal's number. */
export class InterruptedError extends Error {
  override name = "InterruptedError";
  readonly signal: EndingSignal;

  constructor(signal: EndingSignal) {
    super(`Interrupted by ${signal}`);
    this.signal = signal;
  }
}
