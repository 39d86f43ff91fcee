/** A hash that detects memory that is changed too early. */

import type { PassingHash } from "../../cli/archive/bytes.ts";
import { concat } from "./files.ts";

/**
 * A slow hash that copies its input late. If the input changes before the promise of update() resolves,
 * `heard` shows this.
 */
export class SlowHash implements PassingHash {
  readonly #heard: Uint8Array[] = [];
  #last: Promise<void> = Promise.resolve();

  update(parts: readonly Uint8Array[]): Promise<void> {
    return this.#last = this.#last.then(async () => {
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 0));
      for (const part of parts) this.#heard.push(part.slice());
    });
  }

  get heard(): Uint8Array {
    return concat(...this.#heard);
  }
}
