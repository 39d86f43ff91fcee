/** Handles: Open, Close, GetTransportMode. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "async.h"
#include "call.h"
#include "log.h"
#include "remote.h"
#include "transport.h"

#define KNOWN_FLAGS                                                                                              \
  (VIXDISKLIB_FLAG_OPEN_UNBUFFERED | VIXDISKLIB_FLAG_OPEN_SINGLE_LINK | VIXDISKLIB_FLAG_OPEN_READ_ONLY | \
   VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK)

void handle_wait(VixDiskLibHandle handle, uint32_t own) {
  // Only a caller that overlaps its calls ever waits here.
  struct timespec moment = {0, 1000000};
  while (atomic_load(&handle->busy) > own || atomic_load(&handle->pending) > 0) nanosleep(&moment, NULL);
}

static uint32_t handles_on(const Server *server) {
  uint32_t count = 0;
  VixDiskLibHandle handle;
  for (uint32_t i = 0; (handle = handle_at(i)) != NULL; i++) {
    if (atomic_load(&handle->life) == LIFE_OPEN && handle->connection->server == server) count++;
  }
  return count;
}

/** The checks between a client and the host with the disk. */
static VixError reach_host(VixDiskLibConnection connection) {
  const Server *server = connection->server;
  if (connection->deferred != VIX_OK) {
    log_warn("Stand-in: %s: %s\n", server->host, connection->deferred_text);
    return connection->deferred;
  }
  if (!same_text(the_world()->check_thumbprint, "connect")) {
    VixError error = check_thumbprint(connection->thumbprint, server);
    if (error != VIX_OK) return error;
  }
  uint32_t port = connection->nfc_port == 0 ? 902 : connection->nfc_port;
  if (server->refuse_nfc || port != server->nfc_port) {
    log_warn("Stand-in: %s refuses the connection to port %u\n", server->host, port);
    return VIX_E_HOST_NETWORK_CONN_REFUSED;
  }
  if (server->nfc_connections != 0 && handles_on(server) >= server->nfc_connections) {
    log_warn("Stand-in: NFC error 5: %s has no memory for another connection\n", server->host);
    return VIX_E_OUT_OF_MEMORY;
  }
  return VIX_OK;
}

static VixError open_remote(Call *call, VixDiskLibHandle handle) {
  VixDiskLibConnection connection = handle->connection;
  VixError error = reach_host(connection);
  if (error != VIX_OK) return error;
  const Disk *disk = world_disk(the_world(), connection->server, connection->vm, handle->path);
  if (disk == NULL) return VIX_E_FILE_NOT_FOUND;
  if (disk->snapshot != NULL && !same_text(disk->snapshot, connection->snapshot)) {
    log_warn("Stand-in: \"%s\" can be opened only with the snapshot %s\n", handle->path, disk->snapshot);
    return VIX_E_FILE_ACCESS_ERROR;
  }
  if (handle->writable && disk->locked) return VIX_E_FILE_ALREADY_LOCKED;
  if (handle->writable && disk->read_only) return VIX_E_FILE_READ_ONLY;
  if (handle->writable && connection->snapshot == NULL && the_world()->write_without_snapshot) {
    violation(call, "write_without_snapshot", "Open of \"%s\" for writing without a snapshot", handle->path);
    if (call->error != VIX_OK) return call->error;
  }
  handle->mode = choose_mode(connection->modes);
  if (handle->mode == NULL) {
    log_warn("Stand-in: none of the transport modes \"%s\" is there\n", connection->modes);
    return VIX_E_FAIL;
  }
  return backing_open_disk(&handle->backing, disk, handle->writable);
}

static VixError open_disk(Call *call, VixDiskLibConnection connection, const char *path, uint32_t flags,
                          VixDiskLibHandle *handle) {
  if (handle == NULL || is_empty(path) || (flags & ~(uint32_t)KNOWN_FLAGS) != 0) return VIX_E_INVALID_ARG;
  VixDiskLibHandle fresh = new_handle();
  if (fresh == NULL) return VIX_E_TOO_MANY_HANDLES;
  fresh->connection = connection;
  fresh->path = copy_text(path);
  fresh->flags = flags;
  fresh->writable = !connection->read_only && (flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY) == 0;
  fresh->mode = "file";
  VixError error = connection->server == NULL ? backing_open_local(&fresh->backing, path, fresh->writable)
                                              : open_remote(call, fresh);
  if (error != VIX_OK) return error;
  fresh->trouble = fault_trouble(fresh->backing.file);
  atomic_store(&fresh->life, LIFE_OPEN);
  *handle = fresh;
  call_number(call, "handle", fresh->number);
  call_text(call, "mode", fresh->mode);
  return VIX_OK;
}

VixError VixDiskLib_Open(VixDiskLibConnection connection, const char *path, uint32_t flags, VixDiskLibHandle *handle) {
  Call call;
  call_begin(&call, CALL_Open);
  call_disks(&call);
  call_connection(&call, connection);
  call_path(&call, "path", path);
  call_number(&call, "flags", flags);
  if (call_ready(&call)) call.error = open_disk(&call, connection, path, flags, handle);
  return call_end(&call);
}

VixError VixDiskLib_Close(VixDiskLibHandle handle) {
  Call call;
  call_begin(&call, CALL_Close);
  call_disks(&call);
  call_handle(&call, handle);
  if (call.error == VIX_OK && atomic_load(&handle->pending) > 0) {
    violation(&call, "pending", "Close of handle %u with %u requests that are not completed", handle->number,
              atomic_load(&handle->pending));
  }
  int open = LIFE_OPEN;
  if (call.error == VIX_OK && atomic_compare_exchange_strong(&handle->life, &open, LIFE_CLOSED)) {
    handle_wait(handle, 1);
    backing_close(&handle->backing);
    // The handle is closed whatever Close returns.
    call_ready(&call);
  }
  return call_end(&call);
}

const char *VixDiskLib_GetTransportMode(VixDiskLibHandle handle) {
  Call call;
  call_begin(&call, CALL_GetTransportMode);
  call_handle(&call, handle);
  const char *mode = call_ready(&call) ? handle->mode : NULL;
  call_text(&call, "mode", mode);
  call_end(&call);
  return mode;
}
