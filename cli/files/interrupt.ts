/**
 * SIGHUP, SIGINT and SIGTERM as an abort signal, so that the same clean-up runs in every way in which the
 * program can end.
 */

import { type EndingSignal, InterruptedError } from "../errors.ts";

const SIGNALS: readonly EndingSignal[] = ["SIGHUP", "SIGINT", "SIGTERM"];

/**
 * Aborts with an {@linkcode InterruptedError} at the first signal. Disposal restores the default action of
 * the signals.
 */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #listeners = SIGNALS.map((name) => {
    const listener = () => this.#controller.abort(new InterruptedError(name));
    Deno.addSignalListener(name, listener);
    return { name, listener };
  });

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const { name, listener } of this.#listeners) Deno.removeSignalListener(name, listener);
  }
}
