/** Programs at a terminal that a test types on. */

import { testWith } from "../support/skip.ts";

/** What a program says must appear within this time. */
const TIMEOUT_MS = 20_000;

/** Why there are no pseudo-terminals here. */
const missing = missingScript();

/** Registers a test that needs a pseudo-terminal. */
export const testAtTerminal = (name: string, fn: () => Promise<void>) => testWith({ missing }, name, fn);

/** `script` of util-linux runs a command at a new terminal, and passes on what stands in its standard input. */
function missingScript(): string | undefined {
  const none = "the program script of util-linux is not installed";
  try {
    const { stdout } = new Deno.Command("script", { args: ["--version"], stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).includes("util-linux") ? undefined : none;
  } catch {
    return none;
  }
}

/** A shell command that runs at a terminal of its own. */
export class PseudoTerminal implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  #screen = "";
  #ended = false;

  constructor(command: string, env: Record<string, string> = {}) {
    this.#child = new Deno.Command("script", {
      args: ["-qec", command, "/dev/null"],
      env: { SHELL: "/bin/sh", NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keys = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** All that has appeared, line ends as programs write them. */
  get screen(): string {
    return this.#screen.replaceAll("\r\n", "\n");
  }

  /** Waits until `text` has appeared. */
  async shows(text: string): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS;
    while (!this.screen.includes(text)) {
      if (this.#ended || performance.now() > deadline) {
        throw new Error(`Cannot see "${text}" on the terminal, but ${JSON.stringify(this.screen)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Presses keys; bytes for what is no UTF-8. */
  async type(keys: string | Uint8Array): Promise<void> {
    await this.#keys.write(typeof keys === "string" ? new TextEncoder().encode(keys) : keys);
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const part of this.#child.stdout) this.#screen += decoder.decode(part, { stream: true });
    this.#ended = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), TIMEOUT_MS);
    // The program may have ended and its terminal be closed.
    await this.#keys.close().catch(() => {});
    await this.#child.status;
    clearTimeout(killer);
    await this.#reading;
  }
}
