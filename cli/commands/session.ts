/**
 * What every command shares: the options that all have, the signal that stops it, its outputs, its progress line,
 * and how its result is printed. A command file describes its options and returns a {@linkcode Report}.
 */

import { Command } from "@commander-js/extra-typings";
import type { ByteSink, ByteSource } from "../archive/bytes.ts";
import { HERE, STREAMED } from "../archive/codecs.ts";
import { sinkFor, sourceFor } from "../archive/container.ts";
import { PlainSink, PlainSource } from "../archive/plain.ts";
import { Core } from "../core.ts";
import { EXIT, EXIT_CODES, UsageError } from "../errors.ts";
import { Outputs } from "../files/outputs.ts";
import { DumpReader } from "../pipeline/archive_reader.ts";
import { Chain } from "../pipeline/chain.ts";
import type { RunOptions } from "../pipeline/run.ts";
import { ProgressLine } from "./progress.ts";

/** Options of every command. */
export interface CommonOptions {
  json?: true;
  quiet?: true;
  force?: true;
  /** Set by `main.ts`: aborts when the program is asked to stop. */
  signal?: AbortSignal;
}

/** What a command has to say when it is done. */
export interface Report {
  /** Lines for people. */
  text: string[];
  /** The same for programs. */
  json: Record<string, unknown>;
  /** Not 0 where the result itself is bad news: `check` that finds a difference. */
  exitCode?: number;
}

/** Standard input or output instead of a file. */
export const STREAM = "-";

/** Archives of a list above which each gets a small window and is decoded in a stream: memory goes with their number. */
const LONG_CHAIN = 8;

/** Archives of a list: each takes a file descriptor and memory. */
const MAX_CHAIN = 800;

/** A command with the common options and the given help behind the list of options. */
export function newCommand(name: string, help: { summary: string; description: string; examples: string }) {
  return new Command(`vmdkbkp ${name}`)
    .summary(help.summary)
    .description(help.description)
    .option("--json", "print the result as one JSON object")
    .option("-q, --quiet", "show no progress")
    .configureHelp({ helpWidth: 110 })
    .helpOption("-h, --help", "show this help")
    // An error of the command line is reported like every other one, by main.ts.
    .configureOutput({ outputError: () => {} })
    .addHelpText("after", `\nExamples:\n${help.examples.trim().replaceAll(/^/gm, "  ")}\n\n${EXIT_CODES}`);
}

/** What a command reads and writes; `-` at most once on each side. */
export interface SessionPaths {
  inputs: string[];
  outputs?: (string | undefined)[];
}

/** One run of a command: opens its files, cleans up on every way out. */
export class Session implements Disposable {
  readonly core: Core;
  /** The core's memory as it was at the start, for {@linkcode Core.release}. */
  readonly memory: number;
  readonly #signal?: AbortSignal;
  readonly #outputs: Outputs;
  readonly #progress: ProgressLine;
  readonly #disposables: Disposable[] = [];
  readonly #usesStdout: boolean;
  readonly #json: boolean;

  private constructor(core: Core, options: CommonOptions, { inputs, outputs }: SessionPaths) {
    this.core = core;
    this.memory = core.mark();
    this.#usesStdout = (outputs ?? []).includes(STREAM);
    this.#json = options.json === true;
    this.#outputs = new Outputs({ force: options.force === true, inputs });
    this.#progress = new ProgressLine({ shown: options.quiet !== true && Deno.stderr.isTerminal() });
    this.#signal = options.signal;
    // The command may be waiting for a pipe and never come to its own clean-up.
    this.#signal?.addEventListener("abort", () => this.#outputs[Symbol.dispose]());
  }

  /** Starts a command that reads and writes `paths`. @throws {UsageError} if the common options or the paths cannot be meant */
  static async start(options: CommonOptions, paths: SessionPaths): Promise<Session> {
    for (const list of [paths.inputs, paths.outputs ?? []]) {
      if (list.filter((path) => path === STREAM).length > 1) {
        throw new UsageError('"-" can be used only once');
      }
    }
    return new Session(await Core.load(), options, paths);
  }

  /** Signal and progress for the pipeline. */
  get run(): RunOptions {
    return { signal: this.#signal, onProgress: (progress) => this.#progress.show(progress) };
  }

  /** Names more files that the command reads: those of a disk. No output may be one of them. */
  addInputs(paths: readonly string[]): void {
    this.#outputs.addInputs(paths);
  }

  /** Says `line` if the command is stopped or fails from now on. Returns how to take that back. */
  warnUnlessDone(line: string): Disposable {
    const onAbort = () => this.warn(line);
    this.#signal?.addEventListener("abort", onAbort);
    return { [Symbol.dispose]: () => this.#signal?.removeEventListener("abort", onAbort) };
  }

  /** Closes `resource` when the session ends. */
  using<T extends Disposable>(resource: T): T {
    this.#disposables.push(resource);
    return resource;
  }

  /** Opens an archive or a digest for reading. */
  async source(path: string, { codecs = HERE } = {}): Promise<ByteSource> {
    return this.using(
      await sourceFor(path, path === STREAM ? Deno.stdin : await openInput(path), { codecs }),
    );
  }

  /** Opens a bitmap, which is plain whatever its name. */
  async plainSource(path: string): Promise<ByteSource> {
    return this.using(new PlainSource(path, path === STREAM ? Deno.stdin : await openInput(path)));
  }

  /** Opens a list of archives, newest first. */
  async chain(paths: readonly string[]): Promise<Chain> {
    if (paths.length > MAX_CHAIN) {
      throw new UsageError(
        `Cannot read ${paths.length} archives at a time: at most ${MAX_CHAIN} are accepted; merge some of them first`,
      );
    }
    const readers = [];
    const smallWindow = paths.length > LONG_CHAIN;
    for (const path of paths) {
      const source = await this.source(path, smallWindow && readers.length > 0 ? { codecs: STREAMED } : {});
      readers.push(await DumpReader.open(this.core, source, { smallWindow }));
    }
    return new Chain(readers);
  }

  /** Opens an archive or a digest for writing; complete with {@linkcode commit}. */
  sink(path: string, options: { level?: string } = {}): ByteSink {
    const file = path === STREAM ? Deno.stdout : this.#outputs.open(path);
    try {
      return sinkFor(path, file, { level: levelOf(options.level) });
    } catch (cause) {
      if (cause instanceof RangeError) {
        throw new UsageError(
          `Cannot use --level ${options.level} for "${path}": ${cause.message} (gzip has 1 to 9, zstd 1 to 19)`,
        );
      }
      throw cause;
    }
  }

  /** Writes a small plain file whole; complete with {@linkcode commit}. */
  async writeWhole(path: string, bytes: Uint8Array): Promise<void> {
    const sink = new PlainSink(path, path === STREAM ? Deno.stdout : this.#outputs.open(path));
    await sink.write(bytes);
    await sink.finish();
  }

  /** Opens a file that becomes a disk. */
  openOutput(path: string): Deno.FsFile {
    return this.#outputs.open(path);
  }

  /** Gives the outputs their names. */
  commit(): void {
    this.#signal?.throwIfAborted();
    this.#outputs.commit();
  }

  /** Prints a report, to standard error where standard output carries data, and returns the exit code. */
  report(report: Report): number {
    this.#progress.clear();
    const exitCode = report.exitCode ?? EXIT.done;
    const json = () => JSON.stringify({ ok: exitCode === EXIT.done, ...report.json });
    const text = this.#json ? json() : report.text.join("\n");
    if (text !== "") (this.#usesStdout ? console.error : console.log)(text);
    return exitCode;
  }

  /** Writes a part of a result that is too long to be held. */
  async write(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at)).catch(failOutput);
  }

  /** A line that the user should see whatever the result. */
  warn(line: string): void {
    this.#progress.clear();
    console.error(`Warning: ${line}`);
  }

  [Symbol.dispose](): void {
    this.#progress.clear();
    for (const disposable of this.#disposables) disposable[Symbol.dispose]();
    this.#outputs[Symbol.dispose]();
  }
}

/** Waits for the other end of a named pipe, while signals are heard (but not by Deno 2.4, which opens in one step). */
async function openInput(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    // The system repeats the path.
    const reason = (cause as Error).message.replace(/: open '.*'$/s, "");
    throw new Error(`Cannot open "${path}": ${reason}`, { cause });
  }
}

function failOutput(cause: unknown): never {
  throw new Error(`Cannot write standard output: ${(cause as Error).message}`, { cause });
}

function levelOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,2}$/.test(text)) throw new UsageError(`Cannot use --level "${text}": it is not a number`);
  return Number(text);
}
