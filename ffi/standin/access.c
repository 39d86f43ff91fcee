#include "access.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "remote.h"
#include "state.h"

#define IDENTITY_MAX 50

/** The number of times that a machine is prepared under an identity. */
typedef struct Prepared {
  struct Prepared *next;
  char *name;
  uint64_t count;
} Prepared;

static Prepared *list;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/**
 * Changes the count and returns its former value. With a state file the calls of other processes count, too.
 */
static uint64_t change(const char *name, int64_t by) {
  pthread_mutex_lock(&lock);
  Prepared *prepared = list;
  while (prepared != NULL && strcmp(prepared->name, name) != 0) prepared = prepared->next;
  if (prepared == NULL) {
    prepared = zeroed(sizeof *prepared);
    prepared->name = copy_text(name);
    prepared->next = list;
    list = prepared;
  }
  uint64_t before = prepared->count;
  if (by > 0 || before > 0) prepared->count += (uint64_t)by;
  pthread_mutex_unlock(&lock);
  const char *file = the_world()->state;
  return file == NULL ? before : state_add(file, name, by);
}

static char *name_of(const Server *server, const Vm *vm, const char *identity) {
  char *name = format_text("access.%s.%s.%s", server->host, vm->moref, identity);
  for (char *at = name; *at != '\0'; at++) {
    if (!isalnum((unsigned char)*at) && strchr(".-_", *at) == NULL) *at = '_';
  }
  return name;
}

static VixError guard(Call *call, const VixDiskLibConnectParams *params, const char *identity, bool prepare) {
  if (is_local(params) || is_empty(identity) || strlen(identity) > IDENTITY_MAX) return VIX_E_INVALID_ARG;
  const Server *server;
  const Vm *vm;
  VixError error = check_server(params, &server);
  if (error == VIX_OK) error = check_login(params, server);
  if (error == VIX_OK) error = check_vm(params, server, &vm);
  if (error != VIX_OK) return error;
  if (same_text(server->kind, "esxi")) {
    log_warn("Stand-in: %s is no vCenter\n", server->host);
    return VIX_E_NOT_SUPPORTED;
  }
  char *name = name_of(server, vm, identity);
  uint64_t before = change(name, prepare ? 1 : -1);
  free(name);
  if (!prepare && before == 0) {
    violation(call, "access", "EndAccess of %s by \"%s\" without PrepareForAccess", vm->moref, identity);
  }
  return call->error;
}

static VixError access_call(CallId id, const VixDiskLibConnectParams *params, const char *identity) {
  Call call;
  call_begin(&call, id);
  check_params(&call, params);
  call_text(&call, "identity", identity);
  if (call_ready(&call)) call.error = guard(&call, params, identity, id == CALL_PrepareForAccess);
  return call_end(&call);
}

VixError VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *params, const char *identity) {
  return access_call(CALL_PrepareForAccess, params, identity);
}

VixError VixDiskLib_EndAccess(const VixDiskLibConnectParams *params, const char *identity) {
  return access_call(CALL_EndAccess, params, identity);
}

void access_report(Call *call) {
  for (;;) {
    char *name = NULL;
    pthread_mutex_lock(&lock);
    for (Prepared *prepared = list; prepared != NULL && name == NULL; prepared = prepared->next) {
      if (prepared->count > 0) name = copy_text(prepared->name);
      prepared->count = 0;
    }
    pthread_mutex_unlock(&lock);
    if (name == NULL) return;
    violation(call, "access", "Exit without EndAccess: %s", name);
    free(name);
  }
}
