#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "plan.h"
#include "real.h"
#include "strike.h"

static int log_fd = -1;
static _Atomic uint64_t call_count;
static _Atomic uint64_t kind_counts[KIND_COUNT];

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("VMDKBKP_FAULT_FOLDER");
  const char *log = getenv("VMDKBKP_FAULT_LOG");
  if (folder == NULL || log == NULL) return;
  log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) {
    perror("VMDKBKP_FAULT_LOG");
    _exit(97);
  }
  plan_read(getenv("VMDKBKP_FAULT_PLAN"));
  place_watch(folder);
}

/* One line a call, written at once, so that it is there when the process dies. */
static void note(const Call *call, const Place *place, size_t count, const char *fault) {
  char line[2 * PATH_MAX + 128];
  int length = snprintf(line, sizeof line, "%llu\t%s\t%llu\t%zu\t%s\t%s\t%s\n",
                        (unsigned long long)call->number, kind_traits(call->kind)->name,
                        (unsigned long long)call->ordinal, count, fault, place->path, place->from);
  if (length < 0 || REAL(write)(log_fd, line, (size_t)length) != length) _exit(97);
}

__attribute__((noreturn)) static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* An error with which a transfer begins to fail for good comes behind a part of it, as on a file system that
   becomes full. */
static Strike strike_of(const Call *call, Decision decision, size_t count) {
  bool is_divisible = kind_traits(call->kind)->transfers && count > 1;
  Strike strike = {0, count, false};
  switch (decision.fault) {
    case FAULT_KILL_AFTER:
      strike.dies_after = true;
      break;
    case FAULT_KILL_TORN:
      strike.dies_after = true;
      if (is_divisible) strike.count = count / 2;
      break;
    case FAULT_SHORT:
      if (is_divisible) strike.count = count / 2;
      break;
    case FAULT_SINGLE:
      if (is_divisible) strike.count = 1;
      break;
    case FAULT_ERROR:
      if (decision.begins && is_divisible) strike.count = count / 2;
      else strike.error = decision.error;
      break;
    default:
      break;
  }
  return strike;
}

Strike strike_place(Kind kind, const Place *place, size_t count) {
  if (!place->watched) return (Strike){0, count, false};
  int saved = errno;
  Call call = {kind, atomic_fetch_add(&call_count, 1) + 1, atomic_fetch_add(&kind_counts[kind], 1) + 1};
  Decision decision = plan_decide(&call);
  note(&call, place, count, decision.name);
  if (decision.fault == FAULT_KILL) die();
  errno = saved;
  return strike_of(&call, decision, count);
}

Strike strike_fd(Kind kind, int fd, size_t count) {
  int saved = errno;
  Place place;
  place_of_fd(&place, fd);
  errno = saved;
  return strike_place(kind, &place, count);
}

Strike strike_path(Kind kind, int dirfd, const char *path) {
  int saved = errno;
  Place place;
  place_of_path(&place, dirfd, path);
  errno = saved;
  return strike_place(kind, &place, 0);
}

int strike_fail(const Strike *strike) {
  errno = strike->error;
  return -1;
}

ssize_t strike_end(const Strike *strike, ssize_t result) {
  if (strike->dies_after) die();
  return result;
}
