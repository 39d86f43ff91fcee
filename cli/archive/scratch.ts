/**
 * A scratch file for data that does not fit into memory. It has no name, so that the system removes it when
 * the process ends in any way.
 */

import { SEEK } from "./bytes.ts";

/**
 * An open scratch file. It is empty at first, is used with synchronous calls, and no other code moves its
 * position.
 */
export type Scratch = Pick<Deno.FsFile, "readSync" | "writeSync" | "seekSync">;

/** A scratch file could not be opened, written or read. */
export class ScratchError extends Error {}

/** Opens a scratch file. The code that provides this function closes the file. */
export type OpenScratch = () => Scratch;

/** Reads and writes at offsets of a scratch file, which is opened by the first write. */
export class ScratchFile {
  readonly #open: OpenScratch;
  #file?: Scratch;

  constructor(open: OpenScratch) {
    this.#open = open;
  }

  /** Writes all of `bytes` at `offsetBytes`. @throws {ScratchError} with the reason of the system */
  write(bytes: Uint8Array, offsetBytes: number): void {
    try {
      const file = this.#file ??= this.#open();
      file.seekSync(offsetBytes, SEEK.start);
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    } catch (cause) {
      throw scratchError("write", cause);
    }
  }

  /**
   * Fills `into` from `offsetBytes`. All of these bytes must have been written. @throws {ScratchError} with
   * the reason
   */
  read(into: Uint8Array, offsetBytes: number): void {
    try {
      const file = this.#file!;
      file.seekSync(offsetBytes, SEEK.start);
      for (let done = 0; done < into.length;) {
        const got = file.readSync(into.subarray(done));
        if (got === null) throw new Error(`it ends at byte ${offsetBytes + done}`);
        done += got;
      }
    } catch (cause) {
      throw scratchError("read", cause);
    }
  }
}

function scratchError(action: string, cause: unknown): ScratchError {
  const reason = (cause as Error).message.replace(/^Cannot /, "cannot ");
  return new ScratchError(`Cannot ${action} a temporary file: ${reason}`, { cause });
}
