/** A question at the terminal whose answer does not appear there. */

import { InterruptedError, UsageError } from "../errors.ts";
import { print } from "./standard_streams.ts";

/** The user's terminal, wherever standard input and output lead. */
const CONTROLLING_TERMINAL = "/dev/tty";

/** Longer than what anybody types or pastes at once; more arrives with the next read. */
const READ_BYTES = 1024;

const CTRL_C = "\x03";
const CTRL_D = "\x04";
const CTRL_U = "\x15";
const BACKSPACE = /^[\b\x7f]$/;
const ENTER = /^[\r\n]$/;
// deno-lint-ignore no-control-regex
const CONTROL = /^[\0-\x1f\x7f-\x9f]$/;

/** What arrow keys and the like send, in one piece (ECMA-48, 5.4 "Control sequences"; SS3 of VT100). */
// deno-lint-ignore no-control-regex
const KEY_SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])/g;

type Input = Pick<Deno.FsFile, "read" | "setRaw">;
type Output = Pick<Deno.FsFile, "writeSync">;

/** Whether {@linkcode askHidden} has somebody to ask. */
export function hasTerminal(): boolean {
  if (Deno.stdin.isTerminal()) return true;
  using tty = openTerminal();
  return tty !== undefined;
}

/**
 * Shows `question`, reads a line without showing it, and leaves the terminal as it was on every way out. Backspace
 * takes back a character and Ctrl-U all; other control characters and arrow keys are ignored.
 *
 * @returns what was typed; empty after Ctrl-D, or if the terminal goes away
 * @throws {InterruptedError} after Ctrl-C, and the reason of `signal`
 * @throws {UsageError} if there is no terminal, or it does not send UTF-8
 */
export async function askHidden(question: string, options: { signal?: AbortSignal } = {}): Promise<string> {
  const { signal } = options;
  signal?.throwIfAborted();
  using terminal = new HiddenInput();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  // At once, not when this function goes on: the program may have ended by then.
  const stop = () => {
    terminal[Symbol.dispose]();
    reject(signal?.reason);
  };
  signal?.addEventListener("abort", stop);
  try {
    terminal.show(question);
    return await Promise.race([readLine(terminal), stopped]);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

async function readLine(terminal: HiddenInput): Promise<string> {
  // By code points: that is what backspace takes back.
  const line: string[] = [];
  for await (const text of terminal.texts()) {
    for (const key of text.replaceAll(KEY_SEQUENCE, "")) {
      if (ENTER.test(key)) return line.join("");
      if (key === CTRL_C) throw new InterruptedError("SIGINT");
      if (key === CTRL_D && line.length === 0) return "";
      if (key === CTRL_U) line.length = 0;
      else if (BACKSPACE.test(key)) line.pop();
      else if (!CONTROL.test(key)) line.push(key);
    }
  }
  return "";
}

/** The terminal while it shows nothing of what is typed and sends every key at once, Ctrl-C too. */
class HiddenInput implements Disposable {
  readonly #input: Input;
  readonly #output: Output;
  readonly #scope = new DisposableStack();

  constructor() {
    // Asked for only if need be: Deno opens it with -A alone, and asks the user for the permission otherwise.
    const tty = Deno.stdin.isTerminal() && Deno.stderr.isTerminal() ? undefined : openTerminal();
    if (tty === undefined && !Deno.stdin.isTerminal()) {
      throw new UsageError("Cannot ask for the password: there is no terminal");
    }
    if (tty !== undefined) this.#scope.use(tty);
    this.#input = tty ?? Deno.stdin;
    // Standard output may carry data.
    this.#output = tty ?? Deno.stderr;
    this.#input.setRaw(true);
    this.#scope.defer(() => {
      try {
        this.#input.setRaw(false);
        this.show("\n");
      } catch {
        // The terminal is gone, and nothing of it is left to restore.
      }
    });
  }

  show(text: string): void {
    print(text, { stream: { name: "the terminal", file: this.#output } });
  }

  /** What is typed, as it comes, until the terminal goes away. */
  async *texts(): AsyncGenerator<string> {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const buffer = new Uint8Array(READ_BYTES);
    for (;;) {
      const length = await this.#input.read(buffer);
      if (length === null) return;
      yield decode(decoder, buffer.subarray(0, length));
    }
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }
}

function decode(decoder: TextDecoder, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes, { stream: true });
  } catch {
    throw new UsageError("Cannot read the password from the terminal: what it sends is not UTF-8");
  }
}

function openTerminal(): Deno.FsFile | undefined {
  try {
    return Deno.openSync(CONTROLLING_TERMINAL, { read: true, write: true });
  } catch {
    // No terminal, or no permission: both mean that nobody can be asked this way.
    return undefined;
  }
}
