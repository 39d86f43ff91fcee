/**
 * The C library. What it is asked for is in the neighbouring files, one a purpose.
 *
 * Importing this file loads nothing. Without the library, the permission or the system there is none, and whoever asks
 * must do without: everything here has a slower way in Deno's own functions.
 */

import { openLibrary } from "./open_library.ts";

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

/** Numbers of one system. */
export interface System {
  readonly libraries: readonly string[];
  readonly errno: string;
  readonly closeOnExec: number;
  readonly seekData: number;
  readonly seekHole: number;
}

/** Access modes of `open`, the same everywhere. */
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;

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
    // ssize_t pread(int fd, void *buf, size_t count, off_t offset)
    pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize", nonblocking: true },
    // ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)
    pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize", nonblocking: true },
    // ssize_t pwritev(int fd, const struct iovec *iov, int iovcnt, off_t offset)
    pwritev: {
      parameters: ["i32", "buffer", "i32", "i64"],
      result: "isize",
      nonblocking: true,
      optional: true,
    },
    // ssize_t copy_file_range(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len, unsigned flags): Linux
    copyFileRange: {
      name: "copy_file_range",
      parameters: ["i32", "buffer", "i32", "buffer", "usize", "u32"],
      result: "isize",
      nonblocking: true,
      optional: true,
    },
    // void *memcpy(void *to, const void *from, size_t count), once for each side that is no buffer
    copyIn: {
      name: "memcpy",
      parameters: ["buffer", "pointer", "usize"],
      result: "pointer",
      nonblocking: true,
    },
    copyOut: {
      name: "memcpy",
      parameters: ["pointer", "buffer", "usize"],
      result: "pointer",
      nonblocking: true,
    },
    // int munmap(void *addr, size_t length)
    munmap: { parameters: ["pointer", "usize"], result: "i32" },
    // int madvise(void *addr, size_t length, int advice)
    madvise: { parameters: ["buffer", "usize", "i32"], result: "i32" },
    // int memfd_create(const char *name, unsigned flags): Linux
    memfdCreate: { name: "memfd_create", parameters: ["buffer", "u32"], result: "i32", optional: true },
    // int ftruncate(int fd, off_t length)
    ftruncate: { parameters: ["i32", "i64"], result: "i32" },
    // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
    mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
    // ssize_t write(int fd, const void *buf, size_t count): at once
    write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    // int dup(int fd), int dup2(int from, int to)
    dup: { parameters: ["i32"], result: "i32" },
    dup2: { parameters: ["i32", "i32"], result: "i32" },
    // void (*signal(int number, void (*handler)(int)))(int)
    signal: { parameters: ["i32", "pointer"], result: "pointer" },
    // unsigned alarm(unsigned seconds)
    alarm: { parameters: ["u32"], result: "u32" },
    // void vwarnx(const char *format, va_list arguments): only its address is of use
    vwarnx: { type: "pointer" },
  } as const;
}

type Library = Deno.DynamicLibrary<ReturnType<typeof symbols>>;

/** The functions of the C library, and the numbers of the system. */
export interface Libc extends Disposable {
  readonly calls: Library["symbols"];
  readonly system: System;
}

let loaded: { library: Library; users: number } | undefined;

/** The C library, loaded once for all who use it and unloaded with the last; undefined where there is none. */
export function useLibc(): Libc | undefined {
  const system = SYSTEMS[Deno.build.os];
  if (system === undefined) return undefined;
  const library = loaded?.library ?? load(system);
  if (library === undefined) return undefined;
  loaded ??= { library, users: 0 };
  loaded.users++;
  return { calls: library.symbols, system, [Symbol.dispose]: leave };
}

function leave(): void {
  if (loaded === undefined || --loaded.users > 0) return;
  loaded.library.close();
  loaded = undefined;
}

/** Opens `path` beside a `Deno.FsFile`, which does not tell its descriptor; -1 if that fails. */
export function openDescriptor({ calls, system }: Libc, path: string, accessMode: number): number {
  return calls.open(new TextEncoder().encode(`${path}\0`), accessMode | system.closeOnExec);
}

/** Whether `path` names the open `file`: what was opened by it a moment ago is the same file then. */
export function isNameOf(path: string, file: Pick<Deno.FsFile, "statSync">): boolean {
  const opened = file.statSync();
  const named = Deno.statSync(path);
  return opened.ino !== null && opened.dev === named.dev && opened.ino === named.ino;
}

/** Never asks for a permission. */
function load(system: System): Library | undefined {
  for (const library of system.libraries) {
    if (Deno.permissions.querySync({ name: "ffi", path: library }).state !== "granted") continue;
    try {
      return openLibrary(library, symbols(system)) as Library;
    } catch {
      // The other C library, perhaps.
    }
  }
  return undefined;
}
