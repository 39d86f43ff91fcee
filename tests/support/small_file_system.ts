/** A file system that is soon full, for those who may mount one. */

import { join } from "@std/path/posix/join";

/** A megabyte of memory, mounted as a folder. */
export class SmallFileSystem implements Disposable {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    Deno.mkdirSync(path);
    command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path);
  }

  /** Whether the tests may mount. */
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

  /** Leaves no byte free; new names can still be given. */
  fill(): void {
    using file = Deno.createSync(this.#filler);
    const page = new Uint8Array(4096);
    try {
      for (;;) file.writeSync(page);
    } catch (error) {
      if (!String(error).includes("No space left")) throw error;
    }
  }

  /** Frees what {@linkcode fill} took. */
  empty(): void {
    Deno.removeSync(this.#filler);
  }

  /** From here on nothing can be written, or it can again. */
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
