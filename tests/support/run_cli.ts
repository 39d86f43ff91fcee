/** Runs of the program: as a process of its own, or, which is much faster, as a call of its main function. */

import { Buffer } from "node:buffer";
import process from "node:process";
import { main } from "../../cli/main.ts";

/** The result of a run. */
export interface CliResult {
  /** The exit code. */
  code: number;
  /** Standard output as text. */
  stdout: string;
  /** Standard error as text. */
  stderr: string;
  /** Standard output as bytes. */
  stdoutBytes: Uint8Array;
}

/** What a process gets beside its arguments. */
export interface CliSurroundings {
  /** The current folder; by default that of the tests. */
  cwd?: string;
  /** All of standard input; by default it is empty. */
  stdin?: Uint8Array;
  /** Additional environment variables. */
  env?: Record<string, string>;
}

const ROOT = new URL("../../", import.meta.url).pathname;

/** Returns the arguments with which Deno runs a script, by default the program, without the script's own. */
export function denoArgs(script: string = `${ROOT}cli/main.ts`): string[] {
  return ["run", "--quiet", "--no-check", "-A", "--config", `${ROOT}deno.json`, script];
}

/** Runs the program as a process, which takes 0.1 s or more: for tests of streams, signals and exit codes. */
export async function runCli(
  args: string[],
  { cwd, env, stdin }: CliSurroundings = {},
): Promise<CliResult> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(), ...args],
    cwd,
    env,
    stdin: stdin ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [output] = await Promise.all([child.output(), stdin && feed(child.stdin, stdin)]);
  return resultOf(output.code, output.stdout, output.stderr);
}

/** Runs the program inside this process, which takes about 0.01 s. All paths in `args` must be absolute. */
export async function callMain(args: string[]): Promise<CliResult> {
  using out = new Capture();
  const code = await main(args);
  return resultOf(code, out.stdout(), out.stderr());
}

/** Writes `bytes` to a pipe. A program that refuses its input need not read it to the end. */
async function feed(pipe: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  try {
    await new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeTo(pipe);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function resultOf(code: number, stdoutBytes: Uint8Array, stderr: Uint8Array): CliResult {
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdoutBytes), stderr: text.decode(stderr), stdoutBytes };
}

/**
 * Captures the output of the program until it is disposed of: that of `console`, that of `Deno.stdout`, and
 * that of the parser of the command line, which uses `process`.
 */
class Capture implements Disposable {
  readonly #out: Uint8Array[] = [];
  readonly #err: Uint8Array[] = [];
  readonly #scope = new DisposableStack();

  constructor() {
    const line = (to: Uint8Array[]) => (text: string) => void to.push(new TextEncoder().encode(`${text}\n`));
    const bytes = (to: Uint8Array[]) => (part: Uint8Array) => to.push(part.slice()) && part.length;
    const text = (to: Uint8Array[]) => (part: string) => to.push(new TextEncoder().encode(part)) > 0;
    this.#replace(console, { log: line(this.#out), error: line(this.#err) });
    const writeSync = bytes(this.#out);
    this.#replace(Deno.stdout, { writeSync, write: (part: Uint8Array) => Promise.resolve(writeSync(part)) });
    this.#replace(Deno.stderr, { writeSync: bytes(this.#err) });
    this.#replace(process.stdout, { write: text(this.#out) });
    this.#replace(process.stderr, { write: text(this.#err) });
  }

  stdout(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#out));
  }

  stderr(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#err));
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  #replace(target: object, methods: Record<string, unknown>): void {
    for (const [name, method] of Object.entries(methods)) {
      const old = Object.getOwnPropertyDescriptor(target, name);
      Object.defineProperty(target, name, { value: method, configurable: true, writable: true });
      this.#scope.defer(() => {
        if (old) Object.defineProperty(target, name, old);
        else Reflect.deleteProperty(target, name);
      });
    }
  }
}
