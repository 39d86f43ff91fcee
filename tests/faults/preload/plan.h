/* What is to happen at which call, as the environment says. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kinds.h"

typedef enum {
  FAULT_NONE,
  /* The process dies before the call, behind it, or when half of a transfer is done. */
  FAULT_KILL,
  FAULT_KILL_AFTER,
  FAULT_KILL_TORN,
  /* Half of a transfer is done, or one byte of it. */
  FAULT_SHORT,
  FAULT_SINGLE,
  /* The call fails with `Decision.error`. */
  FAULT_ERROR,
} Fault;

typedef struct {
  Fault fault;
  int error;
  /* Of the rule, for the log. */
  const char *name;
  /* The fault stays, and this is where it begins. */
  bool begins;
} Decision;

/* A counted call. */
typedef struct {
  Kind kind;
  /* Among all counted calls, and among those of its kind, from 1. */
  uint64_t number;
  uint64_t ordinal;
} Call;

/*
 * Reads rules that are separated by commas; NULL: nothing ever happens. A mistake ends the process.
 *
 *   FAULT@KIND:N        at the N-th call of the kind; `any` is every kind
 *   FAULT@KIND:N+       there, and at every call behind it that can have this fault
 *   FAULT@KIND%N:SEED   at about one of N calls of the kind, of `any` those that can have this fault
 *   FAULT@after:N       at the N-th counted call behind the first fault
 */
void plan_read(const char *rules);

/* What happens to the call. */
Decision plan_decide(const Call *call);
