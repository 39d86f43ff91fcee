/** The program as a user meets it: as a process, or, much faster, as a call of its main function. */

import process from "node:process";
import { main } from "../../cli/main.ts";

/** What a run said and how it ended. */
export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
  stdoutBytes: Uint8Array;
}

/** Surroundings of a process. */
export interface RunOptions {
  cwd?: string;
  /** All of standard input; without it there is none. */
  stdin?: Uint8Array;
  env?: Record<string, string>;
}

const ROOT = new URL("../../", import.meta.url).pathname;

/** Arguments of Deno in front of the command line of `script`, by default the program. */
export function denoArgs(script: string = `${ROOT}cli/main.ts`): string[] {
  return ["run", "--quiet", "--no-check", "-A", "--config", `${ROOT}deno.json`, script];
}

/** Runs the program as a process of its own: for streams, signals, real exit codes; a tenth of a second and more. */
export async function runCli(args: string[], options: RunOptions = {}): Promise<CliResult> {
  const { cwd, env, stdin } = options;
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

/** Runs the program inside this process, a hundredth of a second; all paths in `args` must be absolute. */
export async function callMain(args: string[]): Promise<CliResult> {
  using out = new Capture();
  const code = await main(args);
  return resultOf(code, out.stdout(), out.stderr());
}

/** A program that refuses its input does not read it to the end. */
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

/** Keeps what the program prints while it exists: by console, by bytes, and by the parser of the command line. */
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
    this.#replace(process.stdout, { write: text(this.#out) });
    this.#replace(process.stderr, { write: text(this.#err) });
  }

  stdout(): Uint8Array {
    return joined(this.#out);
  }

  stderr(): Uint8Array {
    return joined(this.#err);
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

function joined(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
