/* Opening and making files. */

#include <stdarg.h>

#include "real.h"
#include "strike.h"

static Kind kind_of(int flags) { return flags & O_CREAT ? KIND_CREATE : KIND_OPEN; }

/* The mode is there only for files that are made. */
#define MODE(flags)                                                                                            \
  mode_t mode = 0;                                                                                             \
  if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {                                                 \
    va_list arguments;                                                                                         \
    va_start(arguments, flags);                                                                                \
    mode = va_arg(arguments, mode_t);                                                                          \
    va_end(arguments);                                                                                         \
  }

EXPORT int open(const char *path, int flags, ...) {
  MODE(flags)
  STRUCK(strike_path(kind_of(flags), AT_FDCWD, path), REAL(open)(path, flags, mode));
}

EXPORT int open64(const char *path, int flags, ...) {
  MODE(flags)
  STRUCK(strike_path(kind_of(flags), AT_FDCWD, path), REAL(open64)(path, flags, mode));
}

EXPORT int openat(int dirfd, const char *path, int flags, ...) {
  MODE(flags)
  STRUCK(strike_path(kind_of(flags), dirfd, path), REAL(openat)(dirfd, path, flags, mode));
}

EXPORT int openat64(int dirfd, const char *path, int flags, ...) {
  MODE(flags)
  STRUCK(strike_path(kind_of(flags), dirfd, path), REAL(openat64)(dirfd, path, flags, mode));
}

EXPORT int creat(const char *path, mode_t mode) {
  STRUCK(strike_path(KIND_CREATE, AT_FDCWD, path), REAL(creat)(path, mode));
}

EXPORT int creat64(const char *path, mode_t mode) {
  STRUCK(strike_path(KIND_CREATE, AT_FDCWD, path), REAL(creat64)(path, mode));
}

EXPORT DIR *opendir(const char *path) {
  Strike strike = strike_path(KIND_OPENDIR, AT_FDCWD, path);
  if (strike.error != 0) return strike_fail(&strike), NULL;
  DIR *folder = REAL(opendir)(path);
  strike_end(&strike, 0);
  return folder;
}

/* The number is free again behind close(), whatever it returns. */
EXPORT int close(int fd) {
  Strike strike = strike_fd(KIND_CLOSE, fd, 0);
  int result = REAL(close)(fd);
  if (strike.error != 0) return strike_fail(&strike);
  return (int)strike_end(&strike, result);
}
