/** A small file system for tests of full disks. Mounting it needs the rights of root. */

import { join } from "@std/path/posix/join";

/** A file system of 1 MiB in memory. It is unmounted when the object is disposed of. */
export class SmallFileSystem implements Disposable {
  readonly #path: string;

  /**
   * Mounts the file system.
   *
   * @param path the folder to make and to mount on
   * @throws {Error} if mounting is not allowed
   */
  constructor(path: string) {
    this.#path = path;
    Deno.mkdirSync(path);
    command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path);
  }

  /** Returns whether the tests may mount a file system. */
  static canBeMade(): boolean {
    const folder = Deno.makeTempDirSync({ prefix: "vmdkbkp-mount-" });
    try {
      new SmallFileSystem(join(folder, "small"))[Symbol.dispose]();
      return true;
    } catch {
      return false;
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }

  /** Fills the file system to its last byte. Files can still be created and renamed. */
  fill(): void {
    using file = Deno.createSync(this.#filler);
    const page = new Uint8Array(4096);
    try {
      for (;;) file.writeSync(page);
    } catch (error) {
      if (!String(error).includes("No space left")) throw error;
    }
  }

  /** Frees the space that {@linkcode fill} has filled. */
  empty(): void {
    Deno.removeSync(this.#filler);
  }

  /** Makes the file system read-only, or writable again. */
  setReadOnly(readOnly: boolean): void {
    command("mount", "-o", `remount,${readOnly ? "ro" : "rw"}`, this.#path);
  }

  [Symbol.dispose](): void {
    command("umount", this.#path);
  }

  get #filler(): string {
    return join(this.#path, "filler");
  }
}

function command(name: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(name, { args }).outputSync();
  if (!success) throw new Error(`${name} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
