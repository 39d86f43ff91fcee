#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "world.h"

static _Atomic(VixDiskLibGenericLogFunc *) to_log;
static _Atomic(VixDiskLibGenericLogFunc *) to_warn;
static _Atomic(VixDiskLibGenericLogFunc *) to_panic;

void log_to(VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic) {
  atomic_store(&to_log, log);
  atomic_store(&to_warn, warn);
  atomic_store(&to_panic, panic);
}

#define TELL(name, target)                                       \
  void name(const char *fmt, ...) {                              \
    VixDiskLibGenericLogFunc *function = atomic_load(&(target)); \
    if (function == NULL) return;                                \
    va_list args;                                                \
    va_start(args, fmt);                                         \
    function(fmt, args);                                         \
    va_end(args);                                                \
  }

TELL(log_info, to_log)
TELL(log_warn, to_warn)
TELL(log_panic, to_panic)

void log_formats(const char *who) {
  log_info("Stand-in: %s: string \"%s\", int %d, unsigned %u, 0x%x\n", who, "text", -7, 7u, 0xBEEFu);
  // More integers than the six registers of a call, so that the others are on the stack.
  log_info("Stand-in: %s: %lld %llu %d %d %d %d %d\n", who, -5000000000LL, 18000000000000000000ULL, 1, 2, 3, 4, 5);
  log_info("Stand-in: %s: pointer %p, double %.2f, percent %d%%\n", who, (void *)0x1000, 2.5, 100);
}

static pthread_t thread;
static bool running;
static bool stop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;

static void *own_thread(void *unused) {
  const World *world = the_world();
  if (world->log_thread) log_formats("own thread");
  pthread_mutex_lock(&lock);
  for (unsigned long long beat = 1; !stop;) {
    int result = 0;
    if (world->log_period_ms == 0) {
      pthread_cond_wait(&wake, &lock);
    } else {
      struct timespec until;
      clock_gettime(CLOCK_REALTIME, &until);
      uint64_t ns = (uint64_t)until.tv_nsec + world->log_period_ms % 1000 * 1000000;
      until.tv_sec += (time_t)(world->log_period_ms / 1000 + ns / 1000000000);
      until.tv_nsec = (long)(ns % 1000000000);
      result = pthread_cond_timedwait(&wake, &lock, &until);
    }
    if (result == ETIMEDOUT && !stop) {
      // No lock may be held here, because the caller's function may wait for anything.
      pthread_mutex_unlock(&lock);
      log_info("Stand-in: own thread: beat %llu\n", beat++);
      pthread_mutex_lock(&lock);
    }
  }
  pthread_mutex_unlock(&lock);
  if (world->log_thread && world->log_exit) log_info("Stand-in: own thread: ends, %d lines of %s\n", 1, "goodbye");
  return unused;
}

void log_thread_start(void) {
  pthread_mutex_lock(&lock);
  stop = false;
  running = pthread_create(&thread, NULL, own_thread, NULL) == 0;
  pthread_mutex_unlock(&lock);
}

void log_thread_stop(void) {
  pthread_mutex_lock(&lock);
  bool was_running = running;
  running = false;
  stop = true;
  pthread_cond_broadcast(&wake);
  pthread_mutex_unlock(&lock);
  if (was_running) pthread_join(thread, NULL);
}
