/* Names in folders. A call with two names counts for the new one, and if only the old one is watched, for that. */

#include <string.h>

#include "real.h"
#include "strike.h"

static Strike strike_both(Kind kind, int from_dirfd, const char *from, int to_dirfd, const char *to) {
  Place place, old;
  place_of_path(&place, to_dirfd, to);
  place_of_path(&old, from_dirfd, from);
  if (!place.watched) return strike_place(kind, &old, 0);
  if (old.watched) strcpy(place.from, old.path);
  return strike_place(kind, &place, 0);
}

EXPORT int rename(const char *from, const char *to) {
  STRUCK(strike_both(KIND_RENAME, AT_FDCWD, from, AT_FDCWD, to), REAL(rename)(from, to));
}

EXPORT int renameat(int from_dirfd, const char *from, int to_dirfd, const char *to) {
  STRUCK(strike_both(KIND_RENAME, from_dirfd, from, to_dirfd, to),
         REAL(renameat)(from_dirfd, from, to_dirfd, to));
}

EXPORT int renameat2(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags) {
  STRUCK(strike_both(KIND_RENAME, from_dirfd, from, to_dirfd, to),
         REAL(renameat2)(from_dirfd, from, to_dirfd, to, flags));
}

EXPORT int link(const char *from, const char *to) {
  STRUCK(strike_both(KIND_LINK, AT_FDCWD, from, AT_FDCWD, to), REAL(link)(from, to));
}

EXPORT int linkat(int from_dirfd, const char *from, int to_dirfd, const char *to, int flags) {
  STRUCK(strike_both(KIND_LINK, from_dirfd, from, to_dirfd, to),
         REAL(linkat)(from_dirfd, from, to_dirfd, to, flags));
}

EXPORT int symlink(const char *target, const char *path) {
  STRUCK(strike_path(KIND_SYMLINK, AT_FDCWD, path), REAL(symlink)(target, path));
}

EXPORT int symlinkat(const char *target, int dirfd, const char *path) {
  STRUCK(strike_path(KIND_SYMLINK, dirfd, path), REAL(symlinkat)(target, dirfd, path));
}

EXPORT int unlink(const char *path) {
  STRUCK(strike_path(KIND_UNLINK, AT_FDCWD, path), REAL(unlink)(path));
}

EXPORT int unlinkat(int dirfd, const char *path, int flags) {
  STRUCK(strike_path(KIND_UNLINK, dirfd, path), REAL(unlinkat)(dirfd, path, flags));
}

EXPORT int rmdir(const char *path) {
  STRUCK(strike_path(KIND_UNLINK, AT_FDCWD, path), REAL(rmdir)(path));
}

EXPORT int mkdir(const char *path, mode_t mode) {
  STRUCK(strike_path(KIND_MKDIR, AT_FDCWD, path), REAL(mkdir)(path, mode));
}

EXPORT int mkdirat(int dirfd, const char *path, mode_t mode) {
  STRUCK(strike_path(KIND_MKDIR, dirfd, path), REAL(mkdirat)(dirfd, path, mode));
}
