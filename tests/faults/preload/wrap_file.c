/* What changes or looks at a file beyond its bytes. */

#include "real.h"
#include "strike.h"

EXPORT int fsync(int fd) { STRUCK(strike_fd(KIND_FSYNC, fd, 0), REAL(fsync)(fd)); }

EXPORT int fdatasync(int fd) { STRUCK(strike_fd(KIND_FDATASYNC, fd, 0), REAL(fdatasync)(fd)); }

EXPORT int ftruncate(int fd, off_t length) {
  STRUCK(strike_fd(KIND_FTRUNCATE, fd, 0), REAL(ftruncate)(fd, length));
}

EXPORT int ftruncate64(int fd, off64_t length) {
  STRUCK(strike_fd(KIND_FTRUNCATE, fd, 0), REAL(ftruncate64)(fd, length));
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t length) {
  STRUCK(strike_fd(KIND_FALLOCATE, fd, 0), REAL(fallocate)(fd, mode, offset, length));
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  STRUCK(strike_fd(KIND_FALLOCATE, fd, 0), REAL(fallocate64)(fd, mode, offset, length));
}

EXPORT int flock(int fd, int operation) { STRUCK(strike_fd(KIND_FLOCK, fd, 0), REAL(flock)(fd, operation)); }

EXPORT int chmod(const char *path, mode_t mode) {
  STRUCK(strike_path(KIND_CHMOD, AT_FDCWD, path), REAL(chmod)(path, mode));
}

EXPORT int fchmod(int fd, mode_t mode) { STRUCK(strike_fd(KIND_CHMOD, fd, 0), REAL(fchmod)(fd, mode)); }

EXPORT int fchmodat(int dirfd, const char *path, mode_t mode, int flags) {
  STRUCK(strike_path(KIND_CHMOD, dirfd, path), REAL(fchmodat)(dirfd, path, mode, flags));
}

EXPORT int chown(const char *path, uid_t owner, gid_t group) {
  STRUCK(strike_path(KIND_CHOWN, AT_FDCWD, path), REAL(chown)(path, owner, group));
}

EXPORT int lchown(const char *path, uid_t owner, gid_t group) {
  STRUCK(strike_path(KIND_CHOWN, AT_FDCWD, path), REAL(lchown)(path, owner, group));
}

EXPORT int fchown(int fd, uid_t owner, gid_t group) {
  STRUCK(strike_fd(KIND_CHOWN, fd, 0), REAL(fchown)(fd, owner, group));
}

EXPORT int fchownat(int dirfd, const char *path, uid_t owner, gid_t group, int flags) {
  STRUCK(strike_path(KIND_CHOWN, dirfd, path), REAL(fchownat)(dirfd, path, owner, group, flags));
}

EXPORT int stat(const char *restrict path, struct stat *restrict found) {
  STRUCK(strike_path(KIND_STAT, AT_FDCWD, path), REAL(stat)(path, found));
}

EXPORT int stat64(const char *restrict path, struct stat64 *restrict found) {
  STRUCK(strike_path(KIND_STAT, AT_FDCWD, path), REAL(stat64)(path, found));
}

EXPORT int lstat(const char *restrict path, struct stat *restrict found) {
  STRUCK(strike_path(KIND_STAT, AT_FDCWD, path), REAL(lstat)(path, found));
}

EXPORT int lstat64(const char *restrict path, struct stat64 *restrict found) {
  STRUCK(strike_path(KIND_STAT, AT_FDCWD, path), REAL(lstat64)(path, found));
}

EXPORT int fstat(int fd, struct stat *found) { STRUCK(strike_fd(KIND_STAT, fd, 0), REAL(fstat)(fd, found)); }

EXPORT int fstat64(int fd, struct stat64 *found) {
  STRUCK(strike_fd(KIND_STAT, fd, 0), REAL(fstat64)(fd, found));
}

/* With an empty path the descriptor is the file itself (AT_EMPTY_PATH). */
static Strike strike_at(int dirfd, const char *path) {
  const char *volatile given = path;
  if (given == NULL || *given == '\0') return strike_fd(KIND_STAT, dirfd, 0);
  return strike_path(KIND_STAT, dirfd, path);
}

EXPORT int fstatat(int dirfd, const char *restrict path, struct stat *restrict found, int flags) {
  STRUCK(strike_at(dirfd, path), REAL(fstatat)(dirfd, path, found, flags));
}

EXPORT int fstatat64(int dirfd, const char *restrict path, struct stat64 *restrict found, int flags) {
  STRUCK(strike_at(dirfd, path), REAL(fstatat64)(dirfd, path, found, flags));
}

EXPORT int statx(int dirfd, const char *restrict path, int flags, unsigned mask,
                 struct statx *restrict found) {
  STRUCK(strike_at(dirfd, path), REAL(statx)(dirfd, path, flags, mask, found));
}
