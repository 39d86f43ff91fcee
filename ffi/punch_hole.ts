/**
 * Makes holes in files with `fallocate` and `FALLOC_FL_PUNCH_HOLE`, which only Linux has. The bytes of a hole read as zeros and
 * take no space. Without the system call, and on a file system without holes, the caller writes zeros.
 */

import { isNameOf, type Libc, O_WRONLY, openDescriptor, useLibc } from "./libc.ts";

/** Flags of `<linux/falloc.h>`. The second one requires the first one. */
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;

/** A second descriptor of an open file; {@linkcode openHolePuncher} makes it. */
export class HolePuncher implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;
  #underWay = 0;
  #disposed = false;

  /** Takes ownership of `libc` and `fd`. */
  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** Makes a hole of a range of the file. Returns false if that fails. The range may then be a hole in part. */
  async punch(offsetBytes: number, lenBytes: number): Promise<boolean> {
    const { fallocate } = this.#libc.calls;
    if (!fallocate || this.#disposed || lenBytes === 0) return false;
    this.#underWay++;
    try {
      return await fallocate(this.#fd, PUNCH_HOLE | KEEP_SIZE, BigInt(offsetBytes), BigInt(lenBytes)) === 0;
    } finally {
      this.#leave();
    }
  }

  /** Closes the file when the last call on it has ended. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#underWay++;
    this.#leave();
  }

  #leave(): void {
    if (--this.#underWay > 0 || !this.#disposed) return;
    this.#libc.calls.close(this.#fd);
    this.#libc[Symbol.dispose]();
  }
}

/**
 * Opens a second descriptor of `file`, a regular file that was opened by `path`. Returns undefined if that is not possible. Does
 * not prompt for a permission.
 */
export function openHolePuncher(path: string, file: Pick<Deno.FsFile, "statSync">): HolePuncher | undefined {
  let opened: HolePuncher | undefined;
  try {
    if (!file.statSync().isFile || !isNameOf(path, file)) return undefined;
    const libc = useLibc();
    if (libc === undefined) return undefined;
    const fd = openDescriptor(libc, path, O_WRONLY);
    if (fd < 0 || !libc.calls.fallocate) {
      if (fd >= 0) libc.calls.close(fd);
      libc[Symbol.dispose]();
      return undefined;
    }
    opened = new HolePuncher(libc, fd);
    // The name may have been given to another file in the meantime.
    if (isNameOf(path, file)) return opened;
  } catch {
    // The caller writes zeros instead.
  }
  opened?.[Symbol.dispose]();
  return undefined;
}
