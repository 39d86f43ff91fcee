/** A file for data that does not fit into memory. It is unlinked when it is open, so that it cannot be left behind. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { journalNameOf, temporaryNameOf } from "./hidden_names.ts";
import { onFile } from "./system_errors.ts";

/** An open file without a name. Its errors contain its former name. */
export class UnnamedFile implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Makes an empty file in the folder of `path`, or without `path` in the folder for temporary files. If the program is
   * killed before the file is unlinked, an empty journal without a temporary file is left, which the next run for the
   * output `path` removes.
   *
   * @throws {FileError} if the file cannot be made or unlinked
   */
  static open(path?: string): UnnamedFile {
    const own = path === undefined
      ? Deno.makeTempFileSync({ prefix: "vmdkbkp-" })
      : join(dirname(path), journalNameOf(temporaryNameOf(basename(path))));
    const how = path === undefined ? {} : { createNew: true, mode: 0o600 };
    const file = onFile("create", own, () => Deno.openSync(own, { read: true, write: true, ...how }));
    try {
      onFile("remove", own, () => Deno.removeSync(own));
      return new UnnamedFile(own, file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  readSync(into: Uint8Array): number | null {
    return onFile("read", this.#path, () => this.#file.readSync(into));
  }

  writeSync(bytes: Uint8Array): number {
    return onFile("write", this.#path, () => this.#file.writeSync(bytes));
  }

  seekSync(offsetBytes: number, whence: Deno.SeekMode): number {
    return onFile("seek in", this.#path, () => this.#file.seekSync(offsetBytes, whence));
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
