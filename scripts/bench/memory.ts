/**
 * Memory that costs the same for every command.
 *
 * A virtual machine gives free memory back to its host after about two seconds, in pieces of 2 MiB, and has to ask for
 * it again on the next touch: a file of 512 MiB in /dev/shm takes 0.1 s on memory that was in use just before, and up
 * to 1.1 s on memory that was not (measured on two cores). So a command would be measured by what ran before it, and a
 * slow command would lose the memory that it has not yet reached.
 *
 * One page of each 2 MiB is therefore kept for the whole run: the pieces are never wholly free, so they stay, and as
 * the kernel serves single pages from broken pieces first, the commands get them.
 *
 *     before   [................................]  given back
 *     pool     [p aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]  p one page of the pin file, a the rest, written in turn
 *     after    [p ..............................]  a removed: free, but still with the machine
 */

import { join } from "@std/path/posix/join";

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;
const PIECE_BYTES = 2 * MIB;

/** A pool of memory that stays with the machine while this lives. */
export class WarmMemory implements Disposable {
  readonly #folder: string;
  readonly #bytes: number;
  readonly #content = new Uint8Array(PIECE_BYTES).fill(1);
  /** Shortest time in which the pool could be written. */
  #quickestMs = Infinity;

  /** @param bytes what a command writes and uses at most */
  constructor(folder: string, bytes: number) {
    this.#folder = folder;
    this.#bytes = bytes;
    using filler = this.#create("warm.filler");
    using pin = this.#create("warm.pin");
    for (let at = 0; at < bytes; at += PIECE_BYTES) {
      filler.writeSync(this.#content.subarray(PAGE_BYTES));
      pin.writeSync(this.#content.subarray(0, PAGE_BYTES));
    }
    Deno.removeSync(join(folder, "warm.filler"));
  }

  /**
   * Makes sure that the pool is warm: writes it until that is quick. To be called before each measured command, ours
   * and theirs.
   */
  warm(): void {
    // A slow attempt brings the memory back, the next shows it. Three slow ones: it is the machine that is slow.
    for (let attempt = 0; attempt < 3; attempt++) {
      const start = performance.now();
      {
        using file = this.#create("warm.file");
        for (let at = 0; at < this.#bytes; at += PIECE_BYTES) file.writeSync(this.#content);
      }
      const ms = performance.now() - start;
      Deno.removeSync(join(this.#folder, "warm.file"));
      this.#quickestMs = Math.min(this.#quickestMs, ms);
      if (ms < 2 * this.#quickestMs) return;
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(join(this.#folder, "warm.pin"));
  }

  #create(name: string): Deno.FsFile {
    return Deno.openSync(join(this.#folder, name), { write: true, create: true, truncate: true });
  }
}
