/**
 * A replacement of libvixDiskLib that has as few functions as a test wants, such as the library of nbdkit's tests. It
 * shares no code with the stand-in. A disk is the raw file at its path; a server is not asked for anything.
 */

import { join } from "@std/path/posix/join";
import { findCompiler } from "../../../scripts/c_compiler.ts";

/** The functions without which the program cannot read a disk. */
export const LEAST = ["InitEx", "ConnectEx", "Disconnect", "Open", "Close", "GetInfo", "Read"] as const;

/** The functions that the library can have besides. */
export const MORE = [
  "Exit",
  "GetErrorText",
  "FreeErrorText",
  "FreeInfo",
  "GetTransportMode",
  "ListTransportModes",
  "Write",
  "Flush",
  "GetMetadataKeys",
  "ReadMetadata",
  "WriteMetadata",
  "Create",
  "Rename",
  "Unlink",
  "PrepareForAccess",
  "EndAccess",
  "Cleanup",
] as const;

/** The choices of a test. */
export interface SmallLibrary {
  functions: readonly string[];
  /** Codes that functions return in place of 0. */
  codes?: Readonly<Record<string, number>>;
  /** Lines that Open logs. */
  openLog?: readonly string[];
  /** The name of the file; the default has a version. */
  name?: string;
}

const SOURCE = `
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef void Log(const char *, va_list);
typedef uint64_t VixError;
typedef struct { uint32_t geometry[6]; uint64_t capacity; int adapter, links; char *hint, *uuid; } Info;
static Log *log_function;

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_function(format, arguments);
  va_end(arguments);
}

#define CODE(name) (VixError)(CODE_##name | 0xabcd0000u)
#define RETURN_CODE(name) if (CODE_##name != 0) return CODE(name)

#ifdef HAS_InitEx
VixError VixDiskLib_InitEx(uint32_t major, uint32_t minor, Log *log, Log *warn, Log *panic, const char *dir,
                           const char *config) {
  log_function = log;
  say("small library %u.%u\\n", major, minor);
  (void)warn, (void)panic, (void)dir, (void)config;
  RETURN_CODE(InitEx);
  return 0;
}
#endif
#ifdef HAS_Exit
void VixDiskLib_Exit(void) {}
#endif
#ifdef HAS_GetErrorText
char *VixDiskLib_GetErrorText(VixError error, const char *locale) {
  (void)error, (void)locale;
  return strdup("small text");
}
#endif
#ifdef HAS_FreeErrorText
void VixDiskLib_FreeErrorText(char *text) { free(text); }
#endif
#ifdef HAS_ConnectEx
VixError VixDiskLib_ConnectEx(const void *params, char read_only, const char *snapshot, const char *modes, void **out) {
  say("connect to %s by %s\\n", params == NULL ? "this machine" : "a server", modes == NULL ? "any mode" : modes);
  (void)read_only, (void)snapshot;
  RETURN_CODE(ConnectEx);
  *out = malloc(1);
  return 0;
}
#endif
#ifdef HAS_Disconnect
VixError VixDiskLib_Disconnect(void *connection) { free(connection); return 0; }
#endif
#ifdef HAS_Open
VixError VixDiskLib_Open(void *connection, const char *path, uint32_t flags, void **out) {
  (void)connection;
  OPEN_LOG
  RETURN_CODE(Open);
  int fd = open(path, flags & 4 ? O_RDONLY : O_RDWR);
  if (fd < 0) return 4;
  int *handle = malloc(sizeof *handle);
  *handle = fd;
  *out = handle;
  return 0;
}
#endif
#ifdef HAS_Close
VixError VixDiskLib_Close(int *handle) { close(*handle); free(handle); return 0; }
#endif
#ifdef HAS_GetInfo
VixError VixDiskLib_GetInfo(int *handle, Info **out) {
  struct stat status;
  fstat(*handle, &status);
  *out = calloc(1, sizeof **out);
  (*out)->capacity = (uint64_t)status.st_size / 512;
  (*out)->adapter = 3;
  return 0;
}
#endif
#ifdef HAS_FreeInfo
void VixDiskLib_FreeInfo(Info *info) { free(info); }
#endif
#ifdef HAS_GetTransportMode
const char *VixDiskLib_GetTransportMode(int *handle) { (void)handle; return "file"; }
#endif
#ifdef HAS_ListTransportModes
const char *VixDiskLib_ListTransportModes(void) { return "file"; }
#endif
#ifdef HAS_Read
VixError VixDiskLib_Read(int *handle, uint64_t start, uint64_t count, uint8_t *into) {
  RETURN_CODE(Read);
  return pread(*handle, into, count * 512, (off_t)start * 512) == (ssize_t)(count * 512) ? 0 : 7;
}
#endif
#ifdef HAS_Write
VixError VixDiskLib_Write(int *handle, uint64_t start, uint64_t count, const uint8_t *from) {
  return pwrite(*handle, from, count * 512, (off_t)start * 512) == (ssize_t)(count * 512) ? 0 : 7;
}
#endif
#ifdef HAS_Flush
VixError VixDiskLib_Flush(int *handle) { fsync(*handle); return 0; }
#endif
#ifdef HAS_GetMetadataKeys
VixError VixDiskLib_GetMetadataKeys(int *handle, char *keys, size_t length, size_t *needed) {
  (void)handle;
  RETURN_CODE(GetMetadataKeys);
  *needed = sizeof "uuid\\0";
  if (length < *needed) return 24;
  memcpy(keys, "uuid\\0", *needed);
  return 0;
}
#endif
#ifdef HAS_ReadMetadata
VixError VixDiskLib_ReadMetadata(int *handle, const char *key, char *value, size_t length, size_t *needed) {
  (void)handle, (void)key;
  RETURN_CODE(ReadMetadata);
  *needed = sizeof "1 2 3";
  if (length < *needed) return 24;
  memcpy(value, "1 2 3", *needed);
  return 0;
}
#endif
#ifdef HAS_WriteMetadata
VixError VixDiskLib_WriteMetadata(int *handle, const char *key, const char *value) {
  (void)handle, (void)key, (void)value;
  return CODE_WriteMetadata;
}
#endif
#ifdef HAS_Create
VixError VixDiskLib_Create(void *connection, const char *path, const void *params, void *progress, void *data) {
  (void)connection, (void)progress, (void)data;
  uint64_t capacity;
  memcpy(&capacity, (const char *)params + 16, sizeof capacity);
  int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0666);
  if (fd < 0 || ftruncate(fd, (off_t)capacity * 512) != 0) return 7;
  close(fd);
  return 0;
}
#endif
#ifdef HAS_Rename
VixError VixDiskLib_Rename(const char *from, const char *to) { return rename(from, to) == 0 ? 0 : 7; }
#endif
#ifdef HAS_Unlink
VixError VixDiskLib_Unlink(void *connection, const char *path) { (void)connection; return unlink(path) == 0 ? 0 : 4; }
#endif
#ifdef HAS_PrepareForAccess
VixError VixDiskLib_PrepareForAccess(const void *params, const char *identity) {
  (void)params, (void)identity;
  return CODE_PrepareForAccess;
}
#endif
#ifdef HAS_EndAccess
VixError VixDiskLib_EndAccess(const void *params, const char *identity) { (void)params, (void)identity; return 0; }
#endif
#ifdef HAS_Cleanup
VixError VixDiskLib_Cleanup(const void *params, uint32_t *cleaned, uint32_t *remaining) {
  (void)params, (void)cleaned, (void)remaining;
  return 0;
}
#endif
`;

/**
 * Compiles a library into `folder`, and returns the folder for `--libdir`.
 * @throws {Error} without a compiler, or with its messages
 */
export function buildSmallLibrary(
  folder: string,
  { functions, codes = {}, openLog = [], name = "libvixDiskLib.so.8.0.0" }: SmallLibrary,
): string {
  const libDir = Deno.makeTempDirSync({ dir: folder });
  const log = openLog.map((line) => `say("%s\\n", ${JSON.stringify(line)});`).join(" ");
  const source = join(libDir, "small.c");
  const defined = [...LEAST, ...MORE].map((name) => `#define CODE_${name} ${codes[name] ?? 0}`).join("\n");
  Deno.writeTextFileSync(source, `${defined}\n#define OPEN_LOG ${log}\n${SOURCE}`);
  const args = [
    "-shared",
    "-fPIC",
    "-o",
    join(libDir, name),
    ...functions.map((name) => `-DHAS_${name}`),
    source,
  ];
  const { success, stderr } = new Deno.Command(findCompiler()!, { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return libDir;
}
