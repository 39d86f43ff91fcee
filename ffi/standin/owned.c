#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "objects.h"
#include "text.h"

/** The guard behind a struct. A caller reads it if it takes a struct of 7.0 for an older one. */
#define GUARD_BYTES 32
#define GUARD 0xA5
/** The content of freed memory, for callers that read it. */
#define FREED 0xDD
/**
 * The limits of freed memory that is kept, so that a second free finds it and not new memory at the same
 * address.
 */
#define KEPT_MAX 64
#define KEPT_BYTES (1 << 20)

typedef struct Owned {
  struct Owned *next;
  OwnKind kind;
  size_t bytes;
  size_t tail_bytes;
  char *memory;
} Owned;

const char *const OWN_NAMES[OWN_COUNT] = {"connect params", "disk info", "block list", "error text"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Owned *live;
static Owned *kept;
static Owned *forgotten;

static size_t total(const Owned *owned) {
  return owned->bytes + GUARD_BYTES + owned->tail_bytes;
}

void *own_new(OwnKind kind, size_t bytes, size_t tail_bytes, char **tail) {
  Owned *owned = zeroed(sizeof *owned);
  owned->kind = kind;
  owned->bytes = bytes;
  owned->tail_bytes = tail_bytes;
  owned->memory = zeroed(total(owned));
  memset(owned->memory + bytes, GUARD, GUARD_BYTES);
  if (tail != NULL) *tail = owned->memory + bytes + GUARD_BYTES;
  pthread_mutex_lock(&lock);
  owned->next = live;
  live = owned;
  pthread_mutex_unlock(&lock);
  return owned->memory;
}

bool own_has(const void *owner, const void *pointer) {
  bool has = false;
  pthread_mutex_lock(&lock);
  for (const Owned *owned = live; owned != NULL; owned = owned->next) {
    if (owned->memory != owner) continue;
    uintptr_t from = (uintptr_t)owned->memory + owned->bytes + GUARD_BYTES;
    has = (uintptr_t)pointer >= from && (uintptr_t)pointer < from + owned->tail_bytes;
  }
  pthread_mutex_unlock(&lock);
  return has;
}

bool own_is_live(OwnKind kind, const void *memory) {
  bool found = false;
  pthread_mutex_lock(&lock);
  for (const Owned *owned = live; owned != NULL && !found; owned = owned->next) {
    found = owned->memory == memory && owned->kind == kind;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static void destroy(Owned *owned) {
  free(owned->memory);
  free(owned);
}

/** Newest first; memory beyond the limits is freed. */
static void keep(Owned *owned) {
  memset(owned->memory, FREED, total(owned));
  owned->next = kept;
  kept = owned;
  size_t bytes = 0, count = 0;
  for (Owned **at = &kept; *at != NULL;) {
    bytes += total(*at);
    if (++count <= KEPT_MAX && bytes <= KEPT_BYTES) {
      at = &(*at)->next;
    } else {
      Owned *old = *at;
      *at = old->next;
      destroy(old);
    }
  }
}

OwnState own_free(OwnKind kind, void *memory) {
  OwnState state = OWN_FOREIGN;
  pthread_mutex_lock(&lock);
  for (Owned **at = &live; *at != NULL; at = &(*at)->next) {
    Owned *owned = *at;
    if (owned->memory != memory || owned->kind != kind) continue;
    state = OWN_LIVE;
    for (size_t i = 0; i < GUARD_BYTES; i++) {
      if ((unsigned char)owned->memory[owned->bytes + i] != GUARD) state = OWN_OVERRUN;
    }
    *at = owned->next;
    keep(owned);
    break;
  }
  if (state == OWN_FOREIGN) {
    for (const Owned *owned = kept; owned != NULL; owned = owned->next) {
      if (owned->memory == memory && owned->kind == kind) state = OWN_FREED;
    }
  }
  pthread_mutex_unlock(&lock);
  return state;
}

size_t own_count(OwnKind kind) {
  size_t count = 0;
  pthread_mutex_lock(&lock);
  for (const Owned *owned = live; owned != NULL; owned = owned->next) count += owned->kind == kind;
  pthread_mutex_unlock(&lock);
  return count;
}

void own_forget(OwnKind kind) {
  pthread_mutex_lock(&lock);
  for (Owned **at = &live; *at != NULL;) {
    Owned *owned = *at;
    if (owned->kind == kind) {
      *at = owned->next;
      owned->next = forgotten;
      forgotten = owned;
    } else {
      at = &owned->next;
    }
  }
  pthread_mutex_unlock(&lock);
}
