/* Reading, writing, copying. */

#include <limits.h>

#include "real.h"
#include "strike.h"

EXPORT ssize_t read(int fd, void *bytes, size_t count) {
  STRUCK(strike_fd(KIND_READ, fd, count), REAL(read)(fd, bytes, strike.count));
}

EXPORT ssize_t pread(int fd, void *bytes, size_t count, off_t offset) {
  STRUCK(strike_fd(KIND_PREAD, fd, count), REAL(pread)(fd, bytes, strike.count, offset));
}

EXPORT ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) {
  STRUCK(strike_fd(KIND_PREAD, fd, count), REAL(pread64)(fd, bytes, strike.count, offset));
}

EXPORT ssize_t write(int fd, const void *bytes, size_t count) {
  STRUCK(strike_fd(KIND_WRITE, fd, count), REAL(write)(fd, bytes, strike.count));
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  STRUCK(strike_fd(KIND_PWRITE, fd, count), REAL(pwrite)(fd, bytes, strike.count, offset));
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  STRUCK(strike_fd(KIND_PWRITE, fd, count), REAL(pwrite64)(fd, bytes, strike.count, offset));
}

/* Between two watched files the copy counts for the one that is written. */
EXPORT ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t count,
                               unsigned flags) {
  STRUCK(strike_fd(KIND_COPY, to, count),
         REAL(copy_file_range)(from, from_offset, to, to_offset, strike.count, flags));
}

typedef struct {
  struct iovec parts[IOV_MAX];
  int count;
} Parts;

static size_t length_of(const struct iovec *parts, int count) {
  size_t length = 0;
  for (int i = 0; i < count && i < IOV_MAX; i++) length += parts[i].iov_len;
  return length;
}

/* The first `length` bytes of the parts; a count that the system refuses stays as it is. */
static Parts beginning(const struct iovec *parts, int count, size_t length) {
  Parts some = {.count = count};
  if (count < 0 || count > IOV_MAX) return some;
  for (int i = 0; i < count; i++) {
    some.parts[i] = parts[i];
    if (some.parts[i].iov_len > length) some.parts[i].iov_len = length;
    length -= some.parts[i].iov_len;
  }
  return some;
}

#define STRUCK_PARTS(kind, function, ...)                                                                      \
  Strike strike = strike_fd(kind, fd, length_of(parts, count));                                                \
  if (strike.error != 0) return strike_fail(&strike);                                                          \
  Parts some = beginning(parts, count, strike.count);                                                          \
  return strike_end(&strike, REAL(function)(fd, some.parts, some.count, ##__VA_ARGS__))

EXPORT ssize_t readv(int fd, const struct iovec *parts, int count) {
  STRUCK_PARTS(KIND_READV, readv);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count) {
  STRUCK_PARTS(KIND_WRITEV, writev);
}

EXPORT ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset) {
  STRUCK_PARTS(KIND_PREADV, preadv, offset);
}

EXPORT ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t offset) {
  STRUCK_PARTS(KIND_PREADV, preadv64, offset);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  STRUCK_PARTS(KIND_PWRITEV, pwritev, offset);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  STRUCK_PARTS(KIND_PWRITEV, pwritev64, offset);
}
