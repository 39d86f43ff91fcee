/* The functions of the C library itself, behind those of this library that have their names. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Every function that is interposed, but for dlsym. */
#define INTERPOSED(X)                                                                                          \
  X(open) X(open64) X(openat) X(openat64) X(creat) X(creat64)                                                  \
  X(read) X(readv) X(pread) X(pread64) X(preadv) X(preadv64)                                                   \
  X(write) X(writev) X(pwrite) X(pwrite64) X(pwritev) X(pwritev64) X(copy_file_range)                          \
  X(fsync) X(fdatasync) X(ftruncate) X(ftruncate64) X(fallocate) X(fallocate64)                                \
  X(flock) X(chmod) X(fchmod) X(fchmodat) X(chown) X(lchown) X(fchown) X(fchownat) X(close)                    \
  X(rename) X(renameat) X(renameat2) X(link) X(linkat) X(symlink) X(symlinkat) X(unlink) X(unlinkat)           \
  X(rmdir) X(mkdir) X(mkdirat) X(stat) X(stat64) X(lstat) X(lstat64) X(fstat) X(fstat64) X(fstatat)            \
  X(fstatat64) X(statx) X(opendir)

typedef enum {
#define NUMBER(name) REAL_##name,
  INTERPOSED(NUMBER)
#undef NUMBER
  REAL_COUNT,
} RealNumber;

/* The address of a function of the C library; the process ends if it has none. */
void *real_function(RealNumber number);

/* What dlsym of the C library finds. */
void *real_dlsym(void *handle, const char *name);

/* The number of an interposed function; REAL_COUNT if the name is not that of one. */
RealNumber real_named(const char *name);

/* The function of the C library, with its own type. */
#define REAL(name) ((__typeof__(&name))real_function(REAL_##name))
