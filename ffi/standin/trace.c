#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/** The lines from before InitEx; further ones are lost. */
#define EARLY_MAX 65536

static _Atomic bool wanted = true;
static _Atomic uint64_t sequence;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int file = -1;
static bool file_is_known;
static Growing early;

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint32_t this_thread(void) {
  static _Thread_local uint32_t number;
  static _Thread_local pid_t process;
  // A forked child has the memory of the thread, but another number.
  if (number == 0 || process != getpid()) {
    process = getpid();
    number = (uint32_t)syscall(SYS_gettid);
  }
  return number;
}

bool trace_wanted(void) {
  return atomic_load_explicit(&wanted, memory_order_relaxed);
}

static void write_all(const char *text, size_t len) {
  // One write for each line: with O_APPEND the lines of several processes do not mix.
  while (len > 0) {
    ssize_t went = write(file, text, len);
    if (went < 0 && errno == EINTR) continue;
    if (went <= 0) return;
    text += went;
    len -= (size_t)went;
  }
}

bool trace_open(const char *path) {
  int opened = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  pthread_mutex_lock(&lock);
  if (file >= 0) close(file);
  file = opened;
  file_is_known = true;
  if (file >= 0) write_all(early.text, early.used);
  free(early.text);
  early = (Growing){0};
  atomic_store(&wanted, file >= 0);
  pthread_mutex_unlock(&lock);
  return path == NULL || opened >= 0;
}

void trace_head(Line *line) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  line_start(line);
  line_number(line, "seq", atomic_fetch_add(&sequence, 1) + 1);
  line_number(line, "time_us", (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
  line_number(line, "pid", (uint64_t)getpid());
  line_number(line, "tid", this_thread());
}

void trace_write(Line *line) {
  line_end(line);
  pthread_mutex_lock(&lock);
  if (file >= 0) write_all(line->text, line->used);
  else if (!file_is_known && early.used + line->used <= EARLY_MAX) grow_by(&early, line->text, line->used);
  pthread_mutex_unlock(&lock);
}
