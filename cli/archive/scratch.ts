/** A file for what does not fit into memory. It has no name, so that it goes with the process, however that ends. */

/** An open scratch file, empty at first and read and written at once; nobody else moves its position. */
export type Scratch = Pick<Deno.FsFile, "readSync" | "writeSync" | "seekSync">;

/** A scratch file could not be had, written or read. */
export class ScratchError extends Error {}

/** Opens a scratch file, which its opener closes. */
export type OpenScratch = () => Scratch;

/** Bytes at offsets of a scratch file, which is opened by the first write. */
export class ScratchFile {
  readonly #open: OpenScratch;
  #file?: Scratch;

  constructor(open: OpenScratch) {
    this.#open = open;
  }

  /** Writes all of `bytes` from `offsetBytes` on. @throws {ScratchError} with the system's reason */
  write(bytes: Uint8Array, offsetBytes: number): void {
    try {
      const file = this.#file ??= this.#open();
      file.seekSync(offsetBytes, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    } catch (cause) {
      throw scratchError("write", cause);
    }
  }

  /** Fills `into` from `offsetBytes`, where as much was written. @throws {ScratchError} with the reason */
  read(into: Uint8Array, offsetBytes: number): void {
    try {
      const file = this.#file!;
      file.seekSync(offsetBytes, Deno.SeekMode.Start);
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
