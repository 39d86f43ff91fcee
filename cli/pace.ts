/** Long loops that let the rest of the program run: signals, timers, other files. */

/** The first timer of a program takes Deno 2.9 some 20 ms, so that runs that are soon over do without one. */
const FIRST_REST_MS = 500;
const REST_INTERVAL_MS = 50;

/** Calls of {@linkcode Pace.isDue} for one look at the clock, which takes as long as a small step of a loop: 80 ns. */
const CALLS_PER_LOOK = 16;

/** How a {@linkcode Pace} is kept. */
export interface PaceOptions {
  /** Ends the loops when it is aborted; its reason is what they throw. */
  signal?: AbortSignal;
  /** Milliseconds from any begin; the system's clock if it is not given. */
  now?: () => number;
}

/**
 * The pace of loops that may run long without waiting for anything. A loop of settled promises and synchronous calls never
 * lets a signal handler run, so such a loop asks in every step whether it is time to rest.
 *
 * @example
 * ```ts
 * import { Pace } from "./pace.ts";
 *
 * const pace = new Pace();
 * for (let step = 0; step < 100; step++) {
 *   if (pace.isDue()) await pace.rest();
 * }
 * ```
 */
export class Pace {
  readonly #signal?: AbortSignal;
  readonly #now: () => number;
  #calls = 0;
  #nextRestMs: number;

  /** The first rest is due half a second from now. */
  constructor({ signal, now = () => performance.now() }: PaceOptions = {}) {
    this.#signal = signal;
    this.#now = now;
    this.#nextRestMs = now() + FIRST_REST_MS;
  }

  /** Whether the loop has run long enough; for loops with short steps, since not every call looks at the clock. */
  isDue(): boolean {
    return ++this.#calls % CALLS_PER_LOOK === 0 && this.isDueNow();
  }

  /** The same for loops with long steps. */
  isDueNow(): boolean {
    return this.#now() >= this.#nextRestMs;
  }

  /** Gives way to whatever waits. @throws the reason of the signal, if it was aborted */
  async rest(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#nextRestMs = this.#now() + REST_INTERVAL_MS;
    this.#signal?.throwIfAborted();
  }
}
