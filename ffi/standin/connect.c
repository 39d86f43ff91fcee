/** Connections: Connect, ConnectEx, Disconnect, Cleanup. */

#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "log.h"
#include "remote.h"
#include "trace.h"
#include "transport.h"

/** Keeps the first error of a check that is made at Open only. */
static VixError now_or_later(VixDiskLibConnection connection, const char *when, VixError error, const char *text) {
  if (error == VIX_OK || !same_text(when, "open")) return error;
  if (connection->deferred == VIX_OK) {
    connection->deferred = error;
    connection->deferred_text = copy_text(text);
  }
  return VIX_OK;
}

static VixError connect_remote(VixDiskLibConnection connection, const VixDiskLibConnectParams *params,
                               const char *snapshot) {
  const World *world = the_world();
  VixError error = check_server(params, &connection->server);
  if (error != VIX_OK) return error;
  const Server *server = connection->server;
  error = now_or_later(connection, world->check_login, check_login(params, server), "the login is refused");
  if (error != VIX_OK) return error;
  error = now_or_later(connection, world->check_vm, check_vm(params, server, &connection->vm), "no such machine");
  if (error != VIX_OK) return error;
  if (connection->vm != NULL) {
    error = check_snapshot(connection->vm, snapshot);
    error = now_or_later(connection, world->check_snapshot, error, "no such snapshot");
    if (error != VIX_OK) return error;
  }
  // The real library is known to make only this check at Open. It stays there unless the world moves it.
  if (same_text(world->check_thumbprint, "connect")) return check_thumbprint(params->thumbPrint, server);
  return VIX_OK;
}

static void remember(VixDiskLibConnection connection, const VixDiskLibConnectParams *params, const char *snapshot) {
  if (is_local(params)) return;
  connection->vmx_spec = copy_text(params->vmxSpec);
  connection->thumbprint = copy_text(params->thumbPrint);
  connection->cred_type = params->credType;
  connection->user = copy_text(params->credType == VIXDISKLIB_CRED_UID ? params->creds.uid.userName
                                                                        : params->creds.sessionId.userName);
  connection->port = params->port;
  connection->nfc_port = params->nfcHostPort;
  connection->snapshot = is_empty(snapshot) ? NULL : copy_text(snapshot);
}

static VixError new_session(const VixDiskLibConnectParams *params, bool read_only, const char *snapshot,
                            const char *modes, VixDiskLibConnection *connection) {
  if (!library_has_bundle()) {
    log_warn("Stand-in: a bundled library is missing, no connection is possible\n");
    return VIX_E_DISK_SUBSYSTEM_INIT_FAIL;
  }
  if (!are_modes(modes)) {
    log_warn("Stand-in: \"%s\" is no list of transport modes\n", modes);
    return VIX_E_INVALID_ARG;
  }
  VixDiskLibConnection fresh = new_connection();
  if (fresh == NULL) return VIX_E_TOO_MANY_HANDLES;
  VixError error = is_local(params) ? VIX_OK : connect_remote(fresh, params, snapshot);
  if (error != VIX_OK) return error;
  remember(fresh, params, snapshot);
  fresh->read_only = read_only;
  fresh->modes = copy_text(modes);
  fresh->connected_ns = now_ns();
  atomic_store(&fresh->life, LIFE_OPEN);
  *connection = fresh;
  return VIX_OK;
}

static VixError connect(CallId id, const VixDiskLibConnectParams *params, bool read_only, const char *snapshot,
                        const char *modes, VixDiskLibConnection *connection) {
  Call call;
  call_begin(&call, id);
  check_params(&call, params);
  call_number(&call, "readOnly", read_only);
  call_text(&call, "snapshotRef", snapshot);
  call_text(&call, "transportModes", modes);
  if (call.subject == NULL) call.subject = "local";
  if (connection == NULL && call.error == VIX_OK) call.error = VIX_E_INVALID_ARG;
  if (call_ready(&call)) call.error = new_session(params, read_only, snapshot, modes, connection);
  if (call.error == VIX_OK) call_number(&call, "connection", (*connection)->number);
  return call_end(&call);
}

VixError VixDiskLib_Connect(const VixDiskLibConnectParams *params, VixDiskLibConnection *connection) {
  return connect(CALL_Connect, params, false, NULL, NULL, connection);
}

VixError VixDiskLib_ConnectEx(const VixDiskLibConnectParams *params, Bool readOnly, const char *snapshotRef,
                              const char *transportModes, VixDiskLibConnection *connection) {
  return connect(CALL_ConnectEx, params, readOnly != 0, snapshotRef, transportModes, connection);
}

/** Makes the handles that stay open useless; the guide calls them invalid. */
static void orphan_handles(VixDiskLibConnection connection) {
  VixDiskLibHandle handle;
  for (uint32_t i = 0; (handle = handle_at(i)) != NULL; i++) {
    int open = LIFE_OPEN;
    if (handle->connection != connection) continue;
    if (!atomic_compare_exchange_strong(&handle->life, &open, LIFE_ORPHANED)) continue;
    handle_wait(handle, 0);
    backing_close(&handle->backing);
  }
}

VixError VixDiskLib_Disconnect(VixDiskLibConnection connection) {
  Call call;
  call_begin(&call, CALL_Disconnect);
  call_connection(&call, connection);
  if (call.error == VIX_OK) {
    uint32_t open = open_handles(connection);
    if (open > 0) {
      violation(&call, "open_handles", "Disconnect of connection %u with %u open handles", connection->number, open);
    }
  }
  if (call.error == VIX_OK) {
    orphan_handles(connection);
    atomic_store(&connection->life, LIFE_CLOSED);
    call.subject = connection->server == NULL ? "local" : connection->server->host;
    call_ready(&call);
  }
  return call_end(&call);
}

VixError VixDiskLib_Cleanup(const VixDiskLibConnectParams *params, uint32_t *numCleanedUp, uint32_t *numRemaining) {
  Call call;
  call_begin(&call, CALL_Cleanup);
  check_params(&call, params);
  const World *world = the_world();
  uint32_t cleaned = 0, remaining = 0;
  if (call.error == VIX_OK && params != NULL && params->vmxSpec != NULL) {
    violation(&call, "cleanup_vmxspec", "Cleanup with vmxSpec \"%s\", which must be NULL", params->vmxSpec);
  }
  if (call_ready(&call) && !is_local(params)) {
    const Server *server;
    call.error = check_server(params, &server);
    if (call.error == VIX_OK) call.error = check_login(params, server);
    if (call.error == VIX_OK) {
      cleaned = (uint32_t)world->cleanup_cleaned;
      remaining = (uint32_t)world->cleanup_remaining;
      call.error = world->cleanup_code;
    }
  }
  if (numCleanedUp != NULL) *numCleanedUp = cleaned;
  if (numRemaining != NULL) *numRemaining = remaining;
  return call_end(&call);
}
