/**
 * Where a sparse file has holes, asked of the C library: `lseek` with `SEEK_HOLE` and `SEEK_DATA`.
 *
 * Deno has no such call and does not tell the descriptor of a `Deno.FsFile`, so the file is opened a second time.
 * Importing this file loads nothing. Without the library, the permission or the system call there is no map, and
 * whoever asks must take every byte as data.
 */

/** A stretch of a file of one kind. */
export interface Stretch {
  /** First byte after the stretch; above the offset that was asked for, at most the file's size. */
  endBytes: number;
  /** The file system stores nothing here: the stretch reads as zeros. */
  hole: boolean;
}

/** What differs between systems. Linux: `<fcntl.h>`, `<unistd.h>`; macOS: `sys/fcntl.h`, `sys/unistd.h`. */
const SYSTEMS: Partial<Record<typeof Deno.build.os, System>> = {
  linux: {
    libraries: ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`],
    errno: "__errno_location",
    closeOnExec: 0x80000,
    seekData: 3,
    seekHole: 4,
  },
  darwin: {
    libraries: ["libSystem.B.dylib"],
    errno: "__error",
    closeOnExec: 0x1000000,
    seekData: 4,
    seekHole: 3,
  },
};

interface System {
  libraries: string[];
  errno: string;
  closeOnExec: number;
  seekData: number;
  seekHole: number;
}

const SEEK_END = 2;
const ENXIO = 6;

function symbols(system: System) {
  return {
    // int open(const char *path, int flags, ...): the third argument is for O_CREAT only.
    open: { parameters: ["buffer", "i32"], result: "i32" },
    // off_t lseek(int fd, off_t offset, int whence): off_t has 64 bits on every system Deno is built for.
    lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
    // int close(int fd)
    close: { parameters: ["i32"], result: "i32" },
    // int *errno_location(void): the calling thread's errno.
    errnoLocation: { name: system.errno, parameters: [], result: "pointer" },
  } as const;
}

type Libc = Deno.DynamicLibrary<ReturnType<typeof symbols>>;

/** The holes of one open file; {@linkcode openHoleMap} makes it. */
export class HoleMap implements Disposable {
  readonly #libc: Libc;
  readonly #system: System;
  readonly #fd: number;
  /** Bytes of the file at the time it was opened. */
  readonly sizeBytes: number;

  /** Takes over `libc`, also when it throws. */
  constructor(path: string, { libc, system }: { libc: Libc; system: System }) {
    this.#libc = libc;
    this.#system = system;
    this.#fd = libc.symbols.open(new TextEncoder().encode(`${path}\0`), system.closeOnExec);
    if (this.#fd < 0) {
      libc.close();
      throw new Error(`Cannot map holes of "${path}": it does not open a second time`);
    }
    this.sizeBytes = this.#seek(0, SEEK_END);
  }

  /**
   * The stretch that begins at `offsetBytes` (0 <= `offsetBytes` < `sizeBytes`).
   *
   * Only two answers make a hole, all else is data up to the end of the file:
   * - the hole begins here, and data begin further on;
   * - the hole begins here, there are no more data (`ENXIO`), and the last byte lies in a hole, too.
   *
   * The errno is asked for by a second call. Should something in the runtime overwrite it in between, then not with
   * `ENXIO`, which no call on memory or time gives; any other value makes data of the stretch. So an I/O error in
   * `SEEK_DATA`, which returns -1 like the end of the data, never becomes a hole.
   */
  stretchAt(offsetBytes: number): Stretch {
    const { seekHole, seekData } = this.#system;
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
    return Number(this.#libc.symbols.lseek(this.#fd, BigInt(offsetBytes), whence));
  }

  #errno(): number {
    const location = this.#libc.symbols.errnoLocation();
    return location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#libc.symbols.close(this.#fd);
    this.#libc.close();
  }
}

/**
 * The holes of `file`, a regular file opened by `path`; undefined if they cannot be known. Never asks for a permission.
 *
 * The second descriptor must be of the same file: the path must still name it after the opening, and sizes must agree.
 *
 * @example
 * ```ts
 * import { openHoleMap } from "./libc.ts";
 *
 * using file = Deno.openSync("deno.json");
 * using map = openHoleMap("deno.json", file);
 * console.log(map?.stretchAt(0).hole ?? "no map: everything is data");
 * ```
 */
export function openHoleMap(path: string, file: Deno.FsFile): HoleMap | undefined {
  const system = SYSTEMS[Deno.build.os];
  if (system === undefined) return undefined;
  let map: HoleMap | undefined;
  try {
    const libc = load(system);
    if (libc === undefined) return undefined;
    map = new HoleMap(path, { libc, system });
    const opened = file.statSync();
    const named = Deno.statSync(path);
    if (opened.dev === named.dev && opened.ino === named.ino && opened.size === map.sizeBytes) return map;
  } catch {
    // A map is a favour: whatever goes wrong here, the bytes themselves can be read.
  }
  map?.[Symbol.dispose]();
  return undefined;
}

function load(system: System): Libc | undefined {
  for (const library of system.libraries) {
    if (Deno.permissions.querySync({ name: "ffi", path: library }).state !== "granted") continue;
    try {
      return Deno.dlopen(library, symbols(system));
    } catch {
      // The other C library, perhaps.
    }
  }
  return undefined;
}
