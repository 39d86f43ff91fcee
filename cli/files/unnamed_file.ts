/** A file for what does not fit into memory. Its name is gone as soon as it is open, so that nothing can be left behind. */

import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { temporaryNameOf } from "./hidden_names.ts";
import { onFile } from "./system_errors.ts";

/** An open file without a name; its errors have the name that it had. */
export class UnnamedFile implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Makes an empty file beside `path`, where there is room for outputs, or else where the system keeps temporary files. If
   * the program is killed before the name is gone, an empty file is left that no later run takes for the output `path`.
   *
   * @throws {FileError} if the system refuses
   */
  static open(path?: string): UnnamedFile {
    const own = path === undefined
      ? Deno.makeTempFileSync({ prefix: "vmdkbkp-" })
      : join(dirname(path), temporaryNameOf(`${basename(path)}.scratch`));
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
