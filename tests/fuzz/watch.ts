/** What no case can do to itself: be stopped when it never ends, and be told how much memory it asked for. */

/** Most bytes that one case may ask for at once: the bits of the largest bitmap that is accepted. */
const LARGEST_ALLOCATION = 2 ** 27 + 2 ** 20;

/** Sees to it that every case ends: another thread ends the whole run if one does not. */
export class Watchdog implements Disposable {
  readonly #worker: Worker;
  /** Index of the subject, number of the case. */
  readonly #cases = new Int32Array(new SharedArrayBuffer(8));

  constructor(names: readonly string[]) {
    this.#worker = new Worker(new URL("watch_worker.ts", import.meta.url), { type: "module" });
    this.#worker.postMessage({ cases: this.#cases, names });
  }

  begin(subject: number, number: number): void {
    this.#cases.set([subject, number]);
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

/** Refuses memory beyond the limit while it exists, to whoever asks in JavaScript. The core's memory has a fixed size. */
export class AllocationLimit implements Disposable {
  readonly #originals = { ArrayBuffer, SharedArrayBuffer, Uint8Array };
  #refused?: TypeError;

  constructor() {
    for (const [name, original] of Object.entries(this.#originals)) {
      const limited: typeof original = new Proxy(original, {
        construct: (target, args, newTarget): object => {
          if (args[0] > LARGEST_ALLOCATION) {
            throw this.#refused = new TypeError(`${args[0]} bytes of memory are asked for`);
          }
          return Reflect.construct(target, args, newTarget === limited ? target : newTarget);
        },
      });
      Object.assign(globalThis, { [name]: limited });
    }
  }

  /** @throws {TypeError} if memory was refused, whatever became of that refusal */
  assertKept(): void {
    if (this.#refused !== undefined) throw this.#refused;
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#originals);
  }
}
