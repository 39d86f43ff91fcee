/** The process of the disk library, as the program that started it uses it. */

import type { CallStats } from "../../../ffi/vix/calls.ts";
import { VixError } from "../../../ffi/vix/vix_error.ts";
import { type Answer, type Calls, type Request, SERVER_COMMAND } from "./protocol.ts";

/** The process has ended, or was killed because it did not answer. */
export class ProcessGoneError extends Error {
  override name = "ProcessGoneError";
  /** Whether it did not answer in time. */
  readonly hung: boolean;

  constructor(message: string, { hung }: { hung: boolean }) {
    super(message);
    this.hung = hung;
  }
}

/** How the process starts. */
export interface ProcessOptions {
  /** The folder of the bundled libraries. */
  bundleDir: string;
  /** The seconds that a call may take. */
  timeoutSeconds: number;
}

/**
 * The system ends the process when a call takes too long. If that fails, this program ends it so many seconds
 * later.
 */
const GRACE_SECONDS = 5;

/** The largest number of milliseconds of a timer; a longer timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The time in which the last output of an ended process is read. One of its own children may keep the pipes
 * open.
 */
const LAST_WORDS_MS = 1000;

/** The environment variables that the library does not get. */
const WITHHELD = ["VMDKBKP_PASSWORD"];

interface PendingRequest {
  calls: number;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** A running process, which answers requests one after the other. */
export class LibraryProcess {
  /** Called with each line of the library's log. */
  log: (line: string) => void = () => {};
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #options: ProcessOptions;
  readonly #waiting: PendingRequest[] = [];
  #inputClosed?: Promise<void>;
  #unsent = "";
  #sending = false;
  readonly #status: Promise<Deno.CommandStatus>;
  readonly #listening: Promise<unknown>;
  #watchdog?: ReturnType<typeof setTimeout>;
  #timedOut = false;
  #gone?: ProcessGoneError;

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#child = spawn(options);
    this.#input = this.#child.stdin.getWriter();
    this.#status = this.#child.status;
    this.#listening = Promise.allSettled([
      eachLine(this.#child.stdout, (line) => this.#hear(JSON.parse(line))),
      eachLine(this.#child.stderr, (line) => this.#hearLog(line)),
    ]);
    this.#status.then((status) => this.#bury(status));
  }

  /**
   * Sends a request, which takes so many `calls` of the library, and returns the answer.
   * @throws {VixError} if the library returns an error
   * @throws {ProcessGoneError} if the process ends before it answers
   */
  async call<Name extends keyof Calls>(
    name: Name,
    request: Calls[Name]["request"],
    { calls = 1 } = {},
  ): Promise<Calls[Name]["reply"]> {
    if (this.#gone) throw this.#gone;
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.push({ resolve, reject, calls }));
    this.#watch();
    this.#send({ name, ...request } as unknown as Request);
    return await answer as Calls[Name]["reply"];
  }

  /** Returns the number of calls of each function so far; empty if the process has ended. */
  async stats(): Promise<Record<string, CallStats>> {
    return await this.call("stats", {}).catch(() => ({}));
  }

  /**
   * Lets the library close everything and end, in its own time or within so many seconds. Returns what went
   * wrong.
   */
  async end({ withinSeconds = Infinity } = {}): Promise<string[]> {
    await this.#closeInput();
    if (this.#gone) return [];
    const timer = this.#killIn(Math.min(withinSeconds, this.#options.timeoutSeconds + GRACE_SECONDS));
    const status = await this.#status;
    clearTimeout(timer);
    await this.#lastWords();
    return status.success ? [] : [`the library did not end well: ${endOf(status)}`];
  }

  /**
   * Sends a request. Requests that are made at the same time go in one write, because a second write would
   * wait for the event loop.
   */
  #send(request: Request): void {
    this.#unsent += `${JSON.stringify(request)}\n`;
    if (this.#sending) return;
    this.#sending = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#sending = false;
    if (this.#unsent === "") return;
    const bytes = encoder.encode(this.#unsent);
    this.#unsent = "";
    // A process that has ended takes no requests; the answer fails with its end.
    this.#input.write(bytes).catch(() => {});
  }

  /** Tells the process to end by closing its input, which is closed after its end, too. */
  #closeInput(): Promise<void> {
    if (this.#inputClosed === undefined) this.#flush();
    return this.#inputClosed ??= this.#input.close().catch(() => {});
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
  }

  #killIn(seconds: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#timedOut = true;
      this.#kill();
    }, Math.min(seconds * 1000, MAX_TIMER_MS));
  }

  async #lastWords(): Promise<void> {
    let timer;
    const patience = new Promise((resolve) => timer = setTimeout(resolve, LAST_WORDS_MS));
    await Promise.race([this.#listening, patience]);
    clearTimeout(timer);
  }

  /** Watches over the oldest request. */
  #watch(): void {
    if (this.#gone || this.#watchdog !== undefined || this.#waiting.length === 0) return;
    this.#watchdog = this.#killIn(this.#waiting[0].calls * this.#options.timeoutSeconds + GRACE_SECONDS);
  }

  #hear(answer: Answer): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = undefined;
    const waiting = this.#waiting.shift();
    this.#watch();
    if (waiting === undefined) return;
    if ("value" in answer) waiting.resolve(answer.value);
    else if ("failed" in answer) waiting.reject(new VixError(answer.failed));
    else waiting.reject(new Error(answer.broken));
  }

  /** `warnx` prints the program's name before the text, and one more line end behind it. */
  #hearLog(line: string): void {
    const text = line.replace(/^[\w.-]+: /, "");
    if (text !== "") this.log(text);
  }

  #bury(status: Deno.CommandStatus): void {
    clearTimeout(this.#watchdog);
    void this.#closeInput();
    const hung = this.#timedOut || status.signal === "SIGALRM";
    this.#gone = new ProcessGoneError(
      hung
        ? `the disk library gave no answer for ${this.#options.timeoutSeconds} s`
        : `the process of the disk library ended: ${endOf(status)}`,
      { hung },
    );
    // The lines that it printed before its end are read first.
    this.#lastWords().then(() => {
      for (const { reject } of this.#waiting.splice(0)) reject(this.#gone);
    });
  }
}

const encoder = new TextEncoder();

function endOf({ code, signal }: Deno.CommandStatus): string {
  return signal === null ? `exit code ${code}` : signal;
}

function spawn({ bundleDir }: ProcessOptions): Deno.ChildProcess {
  const env = Deno.env.toObject();
  for (const name of WITHHELD) delete env[name];
  // The system reads it when a process starts; later changes have no effect.
  env.LD_LIBRARY_PATH = [bundleDir, env.LD_LIBRARY_PATH].filter(Boolean).join(":");
  const args = Deno.build.standalone ? [SERVER_COMMAND] : [
    "run",
    "--quiet",
    "--no-config",
    "--no-lock",
    "--no-prompt",
    "--allow-ffi",
    import.meta.resolve("./server.ts"),
  ];
  return new Deno.Command(Deno.execPath(), {
    args,
    clearEnv: true,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function eachLine(stream: ReadableStream<Uint8Array>, hear: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    lines.forEach(hear);
  }
  if (rest !== "") hear(rest);
}
