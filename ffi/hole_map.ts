/**
 * Finds the holes of a sparse file: `lseek` with `SEEK_HOLE` and `SEEK_DATA`, which Deno does not have.
 *
 * Without the system call there is no map, and the caller must treat every byte as data.
 */

import { isNameOf, type Libc, O_RDONLY, openDescriptor, useLibc } from "./libc.ts";

/** A run of bytes of a file that is a hole or counts as data. */
export interface HoleRun {
  /**
   * The first byte after the run: greater than the offset that was asked for, at most the size of the file.
   */
  endBytes: number;
  /** Whether the file system stores nothing here, so that the run reads as zeros. */
  hole: boolean;
}

const SEEK_END = 2;
const ENXIO = 6;

/** The holes of one open file; {@linkcode openHoleMap} makes it. */
export class HoleMap implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;
  /** The size of the file when it was opened. */
  readonly sizeBytes: number;

  /** Takes ownership of `libc`, even if it throws. */
  constructor(path: string, libc: Libc) {
    this.#libc = libc;
    this.#fd = openDescriptor(libc, path, O_RDONLY);
    if (this.#fd < 0) {
      libc[Symbol.dispose]();
      throw new Error(`Cannot map holes of "${path}": it does not open a second time`);
    }
    this.sizeBytes = this.#seek(0, SEEK_END);
  }

  /**
   * Returns the run that begins at `offsetBytes` (0 <= `offsetBytes` < `sizeBytes`).
   *
   * Only two answers make a hole; everything else is data up to the end of the file:
   * - the hole begins here, and data begin further on;
   * - the hole begins here, there are no more data (`ENXIO`), and the last byte lies in a hole, too.
   *
   * A second call reads the errno. If something in the runtime overwrites it in between, the value cannot be
   * `ENXIO`, which no call on memory or time returns; any other value makes the run data. So an I/O error in
   * `SEEK_DATA`, which returns -1 like the end of the data, never becomes a hole.
   */
  runAt(offsetBytes: number): HoleRun {
    const { seekHole, seekData } = this.#libc.system;
    const size = this.sizeBytes;
    const hole = this.#seek(offsetBytes, seekHole);
    if (hole !== offsetBytes) {
      return { endBytes: hole > offsetBytes && hole < size ? hole : size, hole: false };
    }
    const data = this.#seek(offsetBytes, seekData);
    if (data > offsetBytes && data < size) return { endBytes: data, hole: true };
    const noMoreData = data === -1 && this.#errno() === ENXIO && this.#seek(size - 1, seekHole) === size - 1;
    return { endBytes: size, hole: noMoreData };
  }

  #seek(offsetBytes: number, whence: number): number {
    return Number(this.#libc.calls.lseek(this.#fd, BigInt(offsetBytes), whence));
  }

  #errno(): number {
    const location = this.#libc.calls.errnoLocation();
    return location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#libc.calls.close(this.#fd);
    this.#libc[Symbol.dispose]();
  }
}

/**
 * Returns the map of the holes of `file`, a regular file opened by `path`, or undefined if they cannot be
 * known. Never asks for a permission.
 *
 * The second descriptor must belong to the same file: the path must still name it after the opening, and the
 * sizes must agree.
 *
 * @example
 * ```ts
 * import { openHoleMap } from "./hole_map.ts";
 *
 * using file = Deno.openSync("deno.json");
 * using map = openHoleMap("deno.json", file);
 * console.log(map?.runAt(0).hole ?? "no map: everything is data");
 * ```
 */
export function openHoleMap(path: string, file: Deno.FsFile): HoleMap | undefined {
  let map: HoleMap | undefined;
  try {
    const libc = useLibc();
    if (libc === undefined) return undefined;
    map = new HoleMap(path, libc);
    if (isNameOf(path, file) && file.statSync().size === map.sizeBytes) return map;
  } catch {
    // A map only saves time: whatever fails here, the bytes themselves can be read.
  }
  map?.[Symbol.dispose]();
  return undefined;
}
