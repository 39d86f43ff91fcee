/** The engine of jobs: the core with its memory, and the threads that compute. */

import { askForLargePages } from "../../ffi/large_pages.ts";
import { Core } from "../core.ts";
import { canHaveWorkers, Crew } from "../workers/crew.ts";

/**
 * Threads that an engine has by default, at most. Each takes 20 MiB, and more of them are faster only where
 * all files are compressed.
 */
export const DEFAULT_THREADS = 4;

/** How an engine is started. */
export interface EngineOptions {
  /**
   * Threads that compute, 1 or more; by default one for each processor, up to 4. With 1 the calling thread
   * computes alone, as it does where Deno may not read the files of this library, from which threads are
   * loaded.
   */
  threads?: number;
  /**
   * Size of the core's memory in bytes, at most 4 GiB; by default 256 MiB. Jobs that run side by side share
   * it.
   */
  memoryBytes?: number;
}

/** The parts of an engine that jobs use. */
export interface EngineParts {
  /** Jobs allocate from scopes of it. */
  core: Core;
  crew: Crew;
}

/**
 * Returns the parts of an engine. Only the jobs have this function: users of the library pass the engine on.
 */
export let partsOf: (engine: Engine) => EngineParts;

/**
 * A core and its threads. Any number of jobs can use one engine, one after the other or, as far as its memory
 * lasts, at the same time. Starting an engine takes some milliseconds and starting a thread 0.2 s, so a
 * program that runs many jobs keeps its engine.
 *
 * @example
 * ```ts
 * import { Engine } from "./engine.ts";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = await Engine.start({ threads: 1 });
 * assertEquals(engine.usedBytes, 0); // no job is running
 * ```
 */
export class Engine implements AsyncDisposable {
  static {
    partsOf = (engine) => engine.#parts;
  }

  readonly #parts: EngineParts;
  /** Memory in bytes that the threads have for as long as the engine lives. */
  readonly #sharedBytes: number;
  readonly #resources = new AsyncDisposableStack();

  private constructor(core: Core, threads: number) {
    this.#resources.use(core);
    const largePages = askForLargePages(core.bytes(0, core.memoryBytes));
    if (largePages !== undefined) this.#resources.use(largePages);
    const crew = this.#resources.use(new Crew(core, { threads: canHaveWorkers() ? threads : 1 }));
    this.#parts = { core, crew };
    this.#sharedBytes = core.usedBytes;
  }

  /**
   * Starts an engine.
   *
   * @throws {RangeError} if `threads` is not a whole number from 1 on
   * @throws {Error} if the runtime cannot give the core its memory
   */
  static async start({ threads = defaultThreads(), memoryBytes }: EngineOptions = {}): Promise<Engine> {
    if (!Number.isSafeInteger(threads) || threads < 1) {
      throw new RangeError(`Cannot start an engine with ${threads} threads: 1 or more are needed`);
    }
    return new Engine(await Core.load({ memoryBytes }), threads);
  }

  /** Bytes of the core's memory that running jobs have allocated: 0 when no job is running. */
  get usedBytes(): number {
    return this.#parts.core.usedBytes - this.#sharedBytes;
  }

  /** Ends the threads and gives the memory back. All jobs that use the engine must have ended before. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/**
 * Deno 2.4 takes 40 MiB more to begin with, and its zstd leaves memory behind: with two threads it comes to
 * 265 MiB.
 */
function isOldDeno(): boolean {
  const [major, minor] = Deno.version.deno.split(".").map(Number);
  return major === 2 && minor < 9;
}

/** Threads of an engine whose user does not say how many. */
export function defaultThreads(): number {
  return isOldDeno() || !canHaveWorkers() ? 1 : Math.min(navigator.hardwareConcurrency, DEFAULT_THREADS);
}
