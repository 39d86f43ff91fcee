/** Where a command prints: its progress, its warnings and its report. */

import { note, STDERR, STDOUT } from "../files/standard_streams.ts";
import { reasonOf } from "../files/system_errors.ts";
import type { JobObserver, JobOptions } from "../jobs/options.ts";
import { Pace } from "../pace.ts";
import { printable } from "../printable.ts";
import { type CommonOptions, printReport, type Report } from "./common.ts";
import { variableOf } from "../environment.ts";
import { STREAM } from "../jobs/input_file.ts";
import { ProgressLine } from "./progress.ts";
import { readSigningKey, readTrustedKey } from "./signing.ts";
import { THREADS_VARIABLE } from "./threads.ts";

/** Characters of a long text that are written at a time. */
const TEXT_LENGTH = 64 * 1024;

/** The terminal, or what stands for it, as one command uses it. Disposing erases the progress line. */
export class Printer implements Disposable {
  readonly #options: CommonOptions;
  readonly #progress: ProgressLine;
  /** Standard output carries data, so that the report goes to standard error. */
  readonly #usesStdout: boolean;
  readonly #pace: Pace;
  /** Files that are complete, as the user named them. */
  readonly #written: string[] = [];

  /** `outputs`: what the command writes; `-` is standard output. */
  constructor(options: CommonOptions, { outputs = [] }: { outputs?: readonly (string | undefined)[] } = {}) {
    this.#options = options;
    this.#pace = new Pace(options);
    this.#usesStdout = outputs.includes(STREAM);
    this.#progress = new ProgressLine({ shown: options.quiet !== true && Deno.stderr.isTerminal() });
  }

  /** What jobs of the command take besides their requests. @throws {UsageError} if an option cannot be meant */
  async jobOptions(): Promise<JobOptions> {
    const { sign, trustedKey, threads, signal, force, withoutSeal } = this.#options;
    return {
      signal,
      force,
      withoutSeal,
      threads,
      startsThreads: variableOf(THREADS_VARIABLE) !== undefined,
      observer: this.#observer,
      signingKey: sign === undefined ? undefined : await readSigningKey(sign, { signal }),
      trustedKey: trustedKey === undefined ? undefined : await readTrustedKey(trustedKey),
    };
  }

  get #observer(): JobObserver {
    return {
      progress: this.#progress.isShown ? (done) => this.#progress.show(done) : undefined,
      warning: (line) => this.warn(line),
      file: ({ path }) => this.#written.push(path),
    };
  }

  /** Prints a warning on standard error. A warning that cannot be printed does not fail the command. */
  warn(line: string): void {
    this.#progress.clear();
    note(`Warning: ${printable(line)}\n`);
  }

  /** Prints a report, to standard error where standard output carries data, and returns the exit code. */
  report(report: Report): number {
    this.#progress.clear();
    const stream = this.#usesStdout ? STDERR : STDOUT;
    return printReport({ json: this.#options.json, stream, written: this.#written }, report);
  }

  /** Writes a part of a result that is too long to be held. Signals are heard while the reader of a pipe does not read. */
  async write(text: string): Promise<void> {
    this.#progress.clear();
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) {
      try {
        at += await Deno.stdout.write(bytes.subarray(at));
      } catch (cause) {
        throw new Error(`Cannot write ${STDOUT.name}: ${reasonOf(cause)}`, { cause });
      }
    }
  }

  /** Writes a text of any length to standard output, in large parts. */
  async writeLines(lines: Iterable<string>): Promise<void> {
    let text = "";
    for (const line of lines) {
      text += line;
      if (text.length < TEXT_LENGTH) continue;
      await this.write(text);
      text = "";
      if (this.#pace.isDueNow()) await this.#pace.rest();
    }
    await this.write(text);
  }

  [Symbol.dispose](): void {
    this.#progress.clear();
  }
}
