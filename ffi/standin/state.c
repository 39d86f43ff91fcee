#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "text.h"

#define STATE_MAX 65536

static bool read_whole(int fd, char *text) {
  size_t used = 0;
  ssize_t got;
  while (used < STATE_MAX && (got = pread(fd, text + used, STATE_MAX - used, (off_t)used)) > 0) used += (size_t)got;
  text[used] = '\0';
  return used < STATE_MAX;
}

static void write_whole(int fd, const char *text, size_t len) {
  if (ftruncate(fd, 0) != 0) return;
  for (size_t done = 0; done < len;) {
    ssize_t went = pwrite(fd, text + done, len - done, (off_t)done);
    if (went <= 0) return;
    done += (size_t)went;
  }
}

uint64_t state_add(const char *file, const char *name, int64_t change) {
  int fd = file == NULL ? -1 : open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return 0;
  // Each call opens the file anew, so the lock also holds between threads.
  while (flock(fd, LOCK_EX) != 0 && errno == EINTR) continue;
  uint64_t before = 0;
  char *text = zeroed(STATE_MAX + 1);
  if (read_whole(fd, text)) {
    Growing fresh = {0};
    for (char *line = text, *next; line != NULL; line = next) {
      next = strchr(line, '\n');
      if (next != NULL) *next++ = '\0';
      size_t len = strlen(name);
      if (strncmp(line, name, len) == 0 && line[len] == '=') before = strtoull(line + len + 1, NULL, 10);
      else if (*line != '\0') grow_format(&fresh, "%s\n", line);
    }
    uint64_t after = change < 0 && before < (uint64_t)-change ? 0 : before + (uint64_t)change;
    grow_format(&fresh, "%s=%llu\n", name, (unsigned long long)after);
    write_whole(fd, fresh.text, fresh.used);
    free(fresh.text);
  }
  free(text);
  close(fd);
  return before;
}
