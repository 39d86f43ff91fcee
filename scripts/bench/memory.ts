/**
 * Warm memory, so that memory is equally quick for every command that is measured.
 *
 * A virtual machine returns free memory to its host after about two seconds, in pieces of 2 MiB, and has to
 * request it again when it is used the next time. Writing a file of 512 MiB to /dev/shm takes 0.1 s if the
 * memory was in use just before, and up to 1.1 s otherwise (measured on two cores). So the time of a command
 * would depend on what ran before it, and a slow command would lose the memory that it has not used yet.
 *
 * Therefore one page of each piece of 2 MiB is kept in use for the whole run. Pieces that are not completely
 * free are not returned to the host; and as the kernel takes single pages from such pieces first, the
 * commands get these.
 *
 *     before   [................................]  free: returned to the host
 *     filled   [p aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]  p: a page of the file "pin"; a: the file "filler"
 *     after    [p ..............................]  filler removed: free, but not returned to the host
 */

import { join } from "@std/path/posix/join";

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;
const PIECE_BYTES = 2 * MIB;

/** Memory that is not returned to the host until the object is disposed of. */
export class WarmMemory implements Disposable {
  readonly #folder: string;
  readonly #bytes: number;
  readonly #content = new Uint8Array(PIECE_BYTES).fill(1);
  /** Shortest time in which the memory was written so far. */
  #quickestMs = Infinity;

  /**
   * @param folder a folder in memory, in which the files of this class are
   * @param bytes how much memory a command uses at most, including its outputs
   */
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
   * Makes sure that the memory is warm: writes all of it until this is quick. To be called before each
   * command that is measured.
   */
  warm(): void {
    // A slow attempt brings the memory back, so that the next one is quick; if it is not, the machine itself
    // is slow.
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
