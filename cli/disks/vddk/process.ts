/** The process of the disk library, seen from the program that started it. */

import type { CallStats } from "../../../ffi/vix/vix_disk_lib.ts";
import { VixError } from "../../../ffi/vix/vix_error.ts";
import { type Answer, type Calls, type Request, SERVER_COMMAND } from "./protocol.ts";

/** The process is gone, or was ended because it gave no answer. */
export class ProcessGoneError extends Error {
  override name = "ProcessGoneError";
  /** Whether it had the time it was given. */
  readonly hung: boolean;

  constructor(message: string, { hung }: { hung: boolean }) {
    super(message);
    this.hung = hung;
  }
}

/** How the process starts. */
export interface ProcessOptions {
  /** Where the libraries lie that the library brings along. */
  bundleDir: string;
  /** What a call may take. */
  timeoutSeconds: number;
}

/** The system ends the process when a call takes too long; should that fail, this program does so a little later. */
const GRACE_SECONDS = 5;

/** A timer of more milliseconds fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** How long is listened to what an ended process has said: one of its own children may keep the pipes open. */
const LAST_WORDS_MS = 1000;

/** Variables that are no business of the library. */
const WITHHELD = ["VMDKBKP_PASSWORD"];

interface Waiting {
  calls: number;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** A running process; requests are answered one after the other. */
export class LibraryProcess {
  /** Hears the library's log, a line at a time. */
  log: (line: string) => void = () => {};
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #options: ProcessOptions;
  readonly #waiting: Waiting[] = [];
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
   * Has the library do something, in so many `calls` of it.
   * @throws {VixError} what the library answers
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

  /** What the library was called for so far, by function; empty if the process is gone. */
  async stats(): Promise<Record<string, CallStats>> {
    return await this.call("stats", {}).catch(() => ({}));
  }

  /** Lets the library close what is open and end, in its own time or so many seconds. Returns what went wrong with that. */
  async end({ withinSeconds = Infinity } = {}): Promise<string[]> {
    await this.#closeInput();
    if (this.#gone) return [];
    const timer = this.#killIn(Math.min(withinSeconds, this.#options.timeoutSeconds + GRACE_SECONDS));
    const status = await this.#status;
    clearTimeout(timer);
    await this.#lastWords();
    return status.success ? [] : [`the library did not end well: ${endOf(status)}`];
  }

  /** What is asked at the same time goes in one write: a second one would wait for the event loop. */
  #send(request: Request): void {
    this.#unsent += `${JSON.stringify(request)}\n`;
    if (this.#sending) return;
    this.#sending = true;
    queueMicrotask(() => {
      const bytes = encoder.encode(this.#unsent);
      this.#unsent = "";
      this.#sending = false;
      // A process that is gone takes no more; its end is told by the answer.
      this.#input.write(bytes).catch(() => {});
    });
  }

  /** Tells the process to end; what has ended by itself is closed all the same. */
  #closeInput(): Promise<void> {
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

  /** `warnx` puts the program's name in front of what it prints, and one more line end behind. */
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
    // What it still said comes first.
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
  // Read by the system when the process starts; of no effect later.
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
