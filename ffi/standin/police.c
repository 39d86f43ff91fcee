#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "log.h"
#include "trace.h"

/** The lines for one kind of violation; a caller may repeat it with every block. */
#define REPORTS_MAX 1000

static _Atomic uint64_t violations;
static _Atomic uint64_t leaks;
static _Atomic uint32_t disk_thread;
static _Atomic uint32_t disk_calls;

static void report(const char *what, const char *kind, const Call *call, const char *text) {
  if (trace_wanted()) {
    Line line;
    trace_head(&line);
    line_text(&line, what, kind);
    if (call != NULL) line_text(&line, "in", CALL_NAMES[call->id]);
    line_text(&line, "text", text);
    trace_write(&line);
  }
  log_warn("Stand-in: %s: %s: %s\n", what, kind, text);
}

void violation(Call *call, const char *kind, const char *fmt, ...) {
  const World *world = the_world();
  if (world->police_off != NULL && list_has(world->police_off, ',', kind, strlen(kind))) return;
  char text[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (atomic_fetch_add(&violations, 1) < REPORTS_MAX) report("violation", kind, call, text);
  if (world->police_mode == POLICE_ABORT) {
    fprintf(stderr, "Stand-in: violation: %s: %s\n", kind, text);
    abort();
  }
  if (world->police_mode == POLICE_ERROR && call->error == VIX_OK) call->error = world->police_code;
}

void leak(const char *kind, const char *fmt, ...) {
  char text[1024];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (atomic_fetch_add(&leaks, 1) < REPORTS_MAX) report("leak", kind, NULL, text);
}

uint64_t violation_count(void) {
  return atomic_load(&violations);
}

uint64_t leak_count(void) {
  return atomic_load(&leaks);
}

void police_reset(void) {
  atomic_store(&violations, 0);
  atomic_store(&leaks, 0);
  atomic_store(&disk_thread, 0);
}

/** The first Open decides which thread it is. */
void police_disk_call(Call *call) {
  uint32_t thread = this_thread(), expected = 0;
  if (!atomic_compare_exchange_strong(&disk_thread, &expected, thread) && expected != thread) {
    violation(call, "thread", "%s on thread %u, but the first Open was on thread %u", CALL_NAMES[call->id], thread,
              expected);
  }
  if (atomic_fetch_add(&disk_calls, 1) > 0) {
    violation(call, "overlap", "%s while an Open, Close or QueryAllocatedBlocks is in progress", CALL_NAMES[call->id]);
  }
}

void police_disk_call_done(void) {
  atomic_fetch_sub(&disk_calls, 1);
}
