#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan.h"

typedef enum { WHEN_AT, WHEN_FROM, WHEN_OFTEN, WHEN_AFTER } When;

typedef struct {
  const char *name;
  Fault fault;
  int error;
} FaultName;

static const FaultName FAULTS[] = {
    {"kill", FAULT_KILL, 0},         {"kill-after", FAULT_KILL_AFTER, 0}, {"kill-torn", FAULT_KILL_TORN, 0},
    {"short", FAULT_SHORT, 0},       {"single", FAULT_SINGLE, 0},         {"EIO", FAULT_ERROR, EIO},
    {"ENOSPC", FAULT_ERROR, ENOSPC}, {"EDQUOT", FAULT_ERROR, EDQUOT},     {"EINTR", FAULT_ERROR, EINTR},
};

typedef struct {
  const FaultName *what;
  When when;
  /* KIND_COUNT: any. */
  Kind kind;
  uint64_t number;
  uint64_t seed;
  _Atomic bool began;
} Rule;

static Rule rules[8];
static size_t rule_count;
/* The number of the call that had the first fault; 0 before it. */
static _Atomic uint64_t first_struck;

static void refuse(const char *rule) {
  fprintf(stderr, "VMDKBKP_FAULT_PLAN: cannot understand \"%s\"\n", rule);
  _exit(97);
}

static const FaultName *fault_named(const char *name, size_t length) {
  for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
    if (strlen(FAULTS[i].name) == length && memcmp(FAULTS[i].name, name, length) == 0) return &FAULTS[i];
  }
  return NULL;
}

static void read_rule(const char *text) {
  const char *at = strchr(text, '@');
  size_t length = at == NULL ? 0 : strcspn(at + 1, ":%");
  Rule *rule = &rules[rule_count];
  if (at == NULL || at[1 + length] == '\0' || rule_count == sizeof rules / sizeof *rules) refuse(text);
  const char *kind = at + 1;
  bool is_after = length == 5 && memcmp(kind, "after", 5) == 0;
  bool is_any = length == 3 && memcmp(kind, "any", 3) == 0;
  rule->what = fault_named(text, (size_t)(at - text));
  rule->kind = is_after || is_any ? KIND_COUNT : kind_named(kind, length);
  if (rule->what == NULL || (rule->kind == KIND_COUNT && !is_after && !is_any)) refuse(text);
  char *end;
  rule->number = strtoull(kind + length + 1, &end, 10);
  rule->when = is_after ? WHEN_AFTER : WHEN_AT;
  if (kind[length] == '%' && *end == ':') {
    rule->when = WHEN_OFTEN;
    rule->seed = strtoull(end + 1, &end, 10);
  } else if (kind[length] == '%') {
    refuse(text);
  } else if (*end == '+') {
    rule->when = WHEN_FROM;
    end++;
  }
  if (rule->number == 0 || *end != '\0') refuse(text);
  rule_count++;
}

void plan_read(const char *text) {
  static char copy[1024];
  if (text == NULL) return;
  if (strlen(text) >= sizeof copy) refuse(text);
  strcpy(copy, text);
  char *rest = copy;
  for (char *rule; (rule = strsep(&rest, ",")) != NULL;) {
    if (*rule != '\0') read_rule(rule);
  }
}

/* Whether the system could do this to a call of the kind. */
static bool can_have(Kind kind, const FaultName *what) {
  const KindTraits *traits = kind_traits(kind);
  switch (what->error) {
    case EINTR:
      return traits->interruptible;
    case ENOSPC:
    case EDQUOT:
      return traits->grows;
    case 0:
      return traits->transfers || what->fault == FAULT_KILL || what->fault == FAULT_KILL_AFTER;
    default:
      return true;
  }
}

/* splitmix64: the same for the same seed and number. */
static uint64_t mixed(uint64_t seed, uint64_t number) {
  uint64_t z = seed * 0x9e3779b97f4a7c15u + number * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static bool is_at(const Rule *rule, const Call *call) {
  return rule->kind == KIND_COUNT ? call->number == rule->number
                                  : call->kind == rule->kind && call->ordinal == rule->number;
}

static bool applies(Rule *rule, const Call *call, bool *begins) {
  uint64_t first = atomic_load(&first_struck);
  switch (rule->when) {
    case WHEN_AT:
      return is_at(rule, call);
    case WHEN_AFTER:
      return first != 0 && call->number == first + rule->number;
    case WHEN_OFTEN:
      return (rule->kind == KIND_COUNT || rule->kind == call->kind) && can_have(call->kind, rule->what) &&
             mixed(rule->seed, call->number) % rule->number == 0;
    default:
      if (atomic_load(&rule->began)) return can_have(call->kind, rule->what);
      *begins = is_at(rule, call);
      if (*begins) atomic_store(&rule->began, true);
      return *begins;
  }
}

Decision plan_decide(const Call *call) {
  for (size_t i = 0; i < rule_count; i++) {
    bool begins = false;
    if (!applies(&rules[i], call, &begins)) continue;
    uint64_t none = 0;
    atomic_compare_exchange_strong(&first_struck, &none, call->number);
    const FaultName *what = rules[i].what;
    return (Decision){what->fault, what->error, what->name, begins};
  }
  return (Decision){FAULT_NONE, 0, "-", false};
}
