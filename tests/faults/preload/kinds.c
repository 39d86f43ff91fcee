#include <string.h>

#include "kinds.h"

static const KindTraits TRAITS[KIND_COUNT] = {
    /*                     name            transfers grows  interruptible */
    [KIND_OPEN] =       {"open",            false, false, true},
    [KIND_CREATE] =     {"create",          false, true,  true},
    [KIND_READ] =       {"read",            true,  false, true},
    [KIND_READV] =      {"readv",           true,  false, true},
    [KIND_PREAD] =      {"pread",           true,  false, true},
    [KIND_PREADV] =     {"preadv",          true,  false, true},
    [KIND_WRITE] =      {"write",           true,  true,  true},
    [KIND_WRITEV] =     {"writev",          true,  true,  true},
    [KIND_PWRITE] =     {"pwrite",          true,  true,  true},
    [KIND_PWRITEV] =    {"pwritev",         true,  true,  true},
    [KIND_COPY] =       {"copy_file_range", true,  true,  true},
    [KIND_FSYNC] =      {"fsync",           false, true,  true},
    [KIND_FDATASYNC] =  {"fdatasync",       false, true,  true},
    [KIND_FTRUNCATE] =  {"ftruncate",       false, true,  true},
    [KIND_FALLOCATE] =  {"fallocate",       false, true,  true},
    [KIND_FLOCK] =      {"flock",           false, false, true},
    [KIND_CHMOD] =      {"chmod",           false, false, false},
    [KIND_CHOWN] =      {"chown",           false, false, false},
    [KIND_CLOSE] =      {"close",           false, false, false},
    [KIND_RENAME] =     {"rename",          false, true,  false},
    [KIND_LINK] =       {"link",            false, true,  false},
    [KIND_SYMLINK] =    {"symlink",         false, true,  false},
    [KIND_UNLINK] =     {"unlink",          false, false, false},
    [KIND_MKDIR] =      {"mkdir",           false, true,  false},
    [KIND_STAT] =       {"stat",            false, false, false},
    [KIND_OPENDIR] =    {"opendir",         false, false, false},
};

const KindTraits *kind_traits(Kind kind) { return &TRAITS[kind]; }

Kind kind_named(const char *name, size_t length) {
  for (int kind = 0; kind < KIND_COUNT; kind++) {
    if (strlen(TRAITS[kind].name) == length && memcmp(TRAITS[kind].name, name, length) == 0) return (Kind)kind;
  }
  return KIND_COUNT;
}
