#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "call.h"
#include "log.h"
#include "state.h"
#include "trace.h"

static Trouble *troubles;
static pthread_mutex_t troubles_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool exit_crashes;

static void sleep_us(uint64_t us) {
  struct timespec left = {(time_t)(us / 1000000), (long)(us % 1000000 * 1000)};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

static bool concerns(const char *disk, const char *subject) {
  return disk == NULL || (subject != NULL && strstr(subject, disk) != NULL);
}

void fault_delay(const Moment *moment) {
  const World *world = the_world();
  uint64_t us = 0;
  for (size_t i = 0; i < world->delay_count; i++) {
    const Delay *delay = &world->delays[i];
    if (delay->call_id != moment->id || !concerns(delay->disk, moment->subject)) continue;
    us += delay->us + delay->us_per_mib * moment->sectors / 2048;
  }
  if (us > 0) sleep_us(us);
}

/** Counts the call and returns whether the fault applies to it. */
static bool is_due(const World *world, const Fault *fault) {
  uint64_t before;
  if (fault->whole_world) {
    char name[32];
    snprintf(name, sizeof name, "fault.%llu", (unsigned long long)fault->id);
    before = state_add(world->state, name, 1);
  } else {
    before = atomic_fetch_add(fault->seen, 1);
  }
  return before >= fault->after && before - fault->after < fault->times;
}

/** Returns the first fault that is due. All faults that match count the call. */
static const Fault *find_due(const Moment *moment) {
  const World *world = the_world();
  const Fault *due = NULL;
  for (size_t i = 0; i < world->fault_count; i++) {
    const Fault *fault = &world->faults[i];
    if (fault->call_id != moment->id || fault->at_completion != moment->completion) continue;
    if (!concerns(fault->disk, moment->subject)) continue;
    bool covers = fault->sector >= moment->start && fault->sector - moment->start < moment->sectors;
    if (!fault->any_sector && !covers) continue;
    if (is_due(world, fault) && due == NULL) due = fault;
  }
  return due;
}

/** It is written first, because a call that crashes or hangs leaves no other line. */
static void report(const Fault *fault, const Moment *moment) {
  if (!trace_wanted()) return;
  Line line;
  trace_head(&line);
  line_number(&line, "fault", fault->id);
  line_text(&line, "in", CALL_NAMES[moment->id]);
  line_text(&line, "action", fault->action == NULL ? "code" : fault->action);
  line_number(&line, "code", fault->code);
  line_number(&line, "start", moment->start);
  line_text(&line, "subject", moment->subject);
  trace_write(&line);
}

VixError fault_strike(const Moment *moment) {
  const Fault *fault = find_due(moment);
  if (fault == NULL) return VIX_OK;
  report(fault, moment);
  VixError error = fault->code | fault->high;
  switch (fault->act) {
    case ACTION_CODE:
      return error;
    case ACTION_STICKY:
      if (moment->trouble != NULL) {
        atomic_store(&moment->trouble->heals, fault->heal != NULL);
        atomic_store(&moment->trouble->error, error);
      }
      return error;
    case ACTION_HANG:
      for (;;) pause();
    case ACTION_HANG_UNTIL:
      while (access(fault->hang_until, F_OK) != 0) sleep_us(5000);
      return VIX_OK;
    case ACTION_CRASH:
      abort();
    case ACTION_DELAY:
      sleep_us(fault->delay_us);
      return VIX_OK;
    case ACTION_PANIC:
      log_panic("Stand-in: panic in %s, as fault %llu wants\n", CALL_NAMES[moment->id],
                (unsigned long long)fault->id);
      library_panic();
      return error;
    case ACTION_EXIT_CRASH:
      atomic_store(&exit_crashes, true);
      return VIX_OK;
  }
  return VIX_OK;
}

Trouble *fault_trouble(const char *file) {
  pthread_mutex_lock(&troubles_lock);
  Trouble *trouble = troubles;
  while (trouble != NULL && strcmp(trouble->file, file) != 0) trouble = trouble->next;
  if (trouble == NULL) {
    trouble = zeroed(sizeof *trouble);
    trouble->file = copy_text(file);
    trouble->next = troubles;
    troubles = trouble;
  }
  pthread_mutex_unlock(&troubles_lock);
  return trouble;
}

void fault_heal(void) {
  pthread_mutex_lock(&troubles_lock);
  for (Trouble *trouble = troubles; trouble != NULL; trouble = trouble->next) {
    if (atomic_load(&trouble->heals)) atomic_store(&trouble->error, VIX_OK);
  }
  pthread_mutex_unlock(&troubles_lock);
}

bool fault_exit_crashes(void) {
  return atomic_load(&exit_crashes);
}
