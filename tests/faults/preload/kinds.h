/* The kinds of calls that are counted, and which faults the system may give each of them. */
#pragma once

#include <stdbool.h>

typedef enum {
  KIND_OPEN,
  KIND_CREATE,
  KIND_READ,
  KIND_READV,
  KIND_PREAD,
  KIND_PREADV,
  KIND_WRITE,
  KIND_WRITEV,
  KIND_PWRITE,
  KIND_PWRITEV,
  KIND_COPY,
  KIND_FSYNC,
  KIND_FDATASYNC,
  KIND_FTRUNCATE,
  KIND_FALLOCATE,
  KIND_FLOCK,
  KIND_CHMOD,
  KIND_CHOWN,
  KIND_CLOSE,
  KIND_RENAME,
  KIND_LINK,
  KIND_SYMLINK,
  KIND_UNLINK,
  KIND_MKDIR,
  KIND_STAT,
  KIND_OPENDIR,
  KIND_COUNT,
} Kind;

typedef struct {
  const char *name;
  /* Moves bytes, and may move fewer than were asked for. */
  bool transfers;
  /* Needs room, so that a full file system or an exceeded quota can refuse it. */
  bool grows;
  /* A signal can interrupt it, as its manual page says. */
  bool interruptible;
} KindTraits;

const KindTraits *kind_traits(Kind kind);

/* The kind of that name; KIND_COUNT if there is none. */
Kind kind_named(const char *name, size_t length);
