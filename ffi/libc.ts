/**
 * The C library. The neighbouring files use it, each for one purpose.
 *
 * Importing this file loads nothing. If the library or the permission is missing, or the system is another
 * one, there is no library, and every caller uses a slower way with Deno's own functions.
 */

import { openLibrary } from "./open_library.ts";

/**
 * The differences between systems. Linux: `<fcntl.h>`, `<unistd.h>`; macOS: `sys/fcntl.h`, `sys/unistd.h`.
 */
const SYSTEMS: Partial<Record<typeof Deno.build.os, System>> = {
  linux: {
    libraries: ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"],
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

/** The numbers of one system. */
export interface System {
  readonly libraries: readonly string[];
  readonly errno: string;
  readonly closeOnExec: number;
  readonly seekData: number;
  readonly seekHole: number;
}

/** The access modes of `open`, the same on every system. */
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
    // int *errno_location(void): the errno of the calling thread.
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
    // void *memcpy(void *to, const void *from, size_t count), declared twice: once for each side that is not
    // a buffer
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
    // int fallocate(int fd, int mode, off_t offset, off_t len): Linux
    fallocate: {
      parameters: ["i32", "i32", "i64", "i64"],
      result: "i32",
      nonblocking: true,
      optional: true,
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
    // ssize_t write(int fd, const void *buf, size_t count): synchronous
    write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    // int dup(int fd), int dup2(int from, int to)
    dup: { parameters: ["i32"], result: "i32" },
    dup2: { parameters: ["i32", "i32"], result: "i32" },
    // void (*signal(int number, void (*handler)(int)))(int)
    signal: { parameters: ["i32", "pointer"], result: "pointer" },
    // unsigned alarm(unsigned seconds)
    alarm: { parameters: ["u32"], result: "u32" },
    // void vwarnx(const char *format, va_list arguments): only its address is used
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

/**
 * Returns the C library, or undefined if there is none. It is loaded once for all users, and unloaded with
 * the last one.
 */
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

/**
 * Opens `path` in addition to a `Deno.FsFile`, which does not reveal its descriptor. Returns -1 if that
 * fails.
 */
export function openDescriptor({ calls, system }: Libc, path: string, accessMode: number): number {
  return calls.open(new TextEncoder().encode(`${path}\0`), accessMode | system.closeOnExec);
}

/**
 * Whether `path` names the open `file`. If so, a descriptor that was opened by `path` just before is of the
 * same file.
 */
export function isNameOf(path: string, file: Pick<Deno.FsFile, "statSync">): boolean {
  const opened = file.statSync();
  const named = Deno.statSync(path);
  return opened.ino !== null && opened.dev === named.dev && opened.ino === named.ino;
}

/** Loads the C library. Never asks for a permission. */
function load(system: System): Library | undefined {
  for (const library of system.libraries) {
    if (Deno.permissions.querySync({ name: "ffi", path: library }).state !== "granted") continue;
    try {
      return openLibrary(library, symbols(system)) as Library;
    } catch {
      // The system may have the other C library.
    }
  }
  return undefined;
}
