/** The engine of jobs: the core with its memory, and the threads that compute. */

import { askForLargePages } from "../../ffi/large_pages.ts";
import { Core } from "../core.ts";
import { canHaveWorkers, Crew } from "../workers/crew.ts";

/** Threads that an engine has by default, at most. More are faster only where everything is compressed, and each takes 20 MiB. */
export const DEFAULT_THREADS = 4;

/** How an engine is started. */
export interface EngineOptions {
  /** Threads that compute, 1 or more; by default one for each processor, up to {@linkcode DEFAULT_THREADS}. */
  threads?: number;
  /** Size of the core's memory in bytes, at most 4 GiB; by default 256 MiB. Jobs that run side by side share it. */
  memoryBytes?: number;
}

/**
 * A core and its threads. Any number of jobs can use one engine, one after the other or, as far as its memory
 * lasts, at the same time. Starting an engine takes some milliseconds and a worker thread 0.2 s, so a program
 * that runs many jobs keeps its engine.
 *
 * @example
 * ```ts
 * import { Engine } from "./engine.ts";
 *
 * await using engine = await Engine.start({ threads: 1 });
 * engine.core.usedBytes; // what jobs have allocated now
 * ```
 */
export class Engine implements AsyncDisposable {
  /** The core. Jobs allocate from scopes of it. */
  readonly core: Core;
  /** The threads. */
  readonly crew: Crew;
  readonly #resources = new AsyncDisposableStack();

  private constructor(core: Core, threads: number) {
    this.core = this.#resources.use(core);
    const largePages = askForLargePages(core.bytes(0, core.memoryBytes));
    if (largePages !== undefined) this.#resources.use(largePages);
    this.crew = this.#resources.use(new Crew(core, { threads: canHaveWorkers() ? threads : 1 }));
  }

  /** Starts an engine. @throws {Error} if the runtime cannot give it the memory */
  static async start({ threads = defaultThreads(), memoryBytes }: EngineOptions = {}): Promise<Engine> {
    return new Engine(await Core.load({ memoryBytes }), threads);
  }

  /** Ends the threads and gives the memory back. All jobs must have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** Deno 2.4 takes 40 MiB more to begin with, and its zstd leaves memory behind: with two threads it comes to 265 MiB. */
function isOldDeno(): boolean {
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  return major === 2 && minor < 9;
}

/** Threads of an engine whose user does not say how many. */
export function defaultThreads(): number {
  return isOldDeno() || !canHaveWorkers() ? 1 : Math.min(navigator.hardwareConcurrency, DEFAULT_THREADS);
}
