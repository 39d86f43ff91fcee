#include "call.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "async.h"
#include "log.h"
#include "trace.h"

static struct {
  _Atomic uint64_t count;
  _Atomic uint64_t bytes;
  _Atomic uint64_t ns;
} statistics[CALL_COUNT];

static _Atomic uint32_t under_way;

/**
 * The calls that are allowed at any time: parameters are made before InitEx, and texts explain why InitEx
 * failed.
 */
static bool works_without_init(CallId id) {
  return id == CALL_Init || id == CALL_InitEx || id == CALL_AllocateConnectParams || id == CALL_FreeConnectParams ||
         id == CALL_GetErrorText || id == CALL_FreeErrorText || id == CALL_ListTransportModes;
}

void call_begin(Call *call, CallId id) {
  atomic_fetch_add(&under_way, 1);
  // The line is large, and is not touched unless there is a trace.
  memset(call, 0, offsetof(Call, line));
  call->id = id;
  call->started_ns = now_ns();
  call->traced = trace_wanted();
  if (call->traced) {
    trace_head(&call->line);
    line_text(&call->line, "call", CALL_NAMES[id]);
  }
  Readiness readiness = library_readiness();
  bool leaves = id == CALL_Exit && readiness == PANICKED;
  if (readiness == READY || works_without_init(id) || leaves) return;
  static const char *const REASONS[] = {[NEVER_READY] = "before InitEx", [ENDED] = "after Exit",
                                        [PANICKED] = "after a panic", [FORKED] = "in a forked child"};
  static const char *const KINDS[] = {[NEVER_READY] = "before_init", [ENDED] = "after_exit",
                                      [PANICKED] = "after_panic", [FORKED] = "fork"};
  violation(call, KINDS[readiness], "%s %s", CALL_NAMES[id], REASONS[readiness]);
  call->error = VIX_E_FAIL;
}

/** Checks the limits of a session. A connection that has reached one cannot be used any more. */
static void check_session(Call *call, VixDiskLibConnection connection) {
  const Server *server = connection->server;
  if (server == NULL || call->error != VIX_OK) return;
  uint64_t calls = atomic_fetch_add(&connection->calls, 1) + 1;
  bool out_of_calls = server->session_calls != 0 && calls > server->session_calls;
  bool out_of_time =
      server->session_seconds != 0 && now_ns() - connection->connected_ns > server->session_seconds * 1000000000;
  if (out_of_calls || out_of_time) {
    log_warn("Stand-in: the session of connection %u on %s has expired\n", connection->number, server->host);
    call->error = VIX_E_INVALID_AUTHENTICATION_SESSION;
  }
}

static bool outlives_session(CallId id) {
  return id == CALL_Close || id == CALL_Disconnect || id == CALL_GetTransportMode || id == CALL_GetConnectParams;
}

void call_handle(Call *call, VixDiskLibHandle handle) {
  if (!is_handle(handle)) {
    if (call->error == VIX_OK) {
      violation(call, "invalid_handle", "%s with %p, which no Open gave", CALL_NAMES[call->id], (void *)handle);
    }
    call->error = VIX_E_INVALID_HANDLE;
    return;
  }
  if (call->traced) line_number(&call->line, "handle", handle->number);
  // The mark is set before the state is read. Close does it in the opposite order and waits for the mark.
  atomic_fetch_add(&handle->busy, 1);
  call->handle = handle;
  // A completion may make calls before and while its caller is in Wait.
  call->caller = !async_is_worker();
  uint32_t others = call->caller ? atomic_fetch_add(&handle->callers, 1) : 0;
  int life = atomic_load(&handle->life);
  if (life != LIFE_OPEN) {
    bool said = call->error != VIX_OK;
    call->error = VIX_E_INVALID_HANDLE;
    if (said) return;
    bool twice = call->id == CALL_Close && life == LIFE_CLOSED;
    violation(call, twice ? "double_close" : "use_after_close", "%s on handle %u, which %s", CALL_NAMES[call->id],
              handle->number, life == LIFE_CLOSED || life == LIFE_SWEPT ? "is closed" : life == LIFE_NONE ? "is not open" : "lost its connection");
    return;
  }
  call->subject = handle->path;
  if (others > 0) {
    violation(call, "overlap", "%s on handle %u while another call is in progress on it", CALL_NAMES[call->id],
              handle->number);
  }
  if (handle->connection->server != NULL && !outlives_session(call->id)) check_session(call, handle->connection);
}

void call_connection(Call *call, VixDiskLibConnection connection) {
  if (!is_connection(connection)) {
    if (call->error == VIX_OK) {
      violation(call, "invalid_connection", "%s with %p, which no Connect gave", CALL_NAMES[call->id],
                (void *)connection);
    }
    call->error = VIX_E_DISK_INVALID_CONNECTION;
    return;
  }
  if (call->traced) line_number(&call->line, "connection", connection->number);
  if (atomic_load(&connection->life) != LIFE_OPEN) {
    bool said = call->error != VIX_OK;
    call->error = VIX_E_DISK_INVALID_CONNECTION;
    if (said) return;
    bool twice = call->id == CALL_Disconnect;
    violation(call, twice ? "double_disconnect" : "use_after_disconnect", "%s on connection %u, which is closed",
              CALL_NAMES[call->id], connection->number);
    return;
  }
  if (!outlives_session(call->id)) check_session(call, connection);
}

void call_disks(Call *call) {
  call->disk_call = true;
  police_disk_call(call);
}

void call_path(Call *call, const char *name, const char *path) {
  if (call->subject == NULL) call->subject = path;
  call_text(call, name, path);
}

void call_text(Call *call, const char *name, const char *value) {
  if (call->traced) line_text(&call->line, name, value);
}

void call_number(Call *call, const char *name, uint64_t value) {
  if (call->traced) line_number(&call->line, name, value);
}

void call_range(Call *call, uint64_t start, uint64_t sectors) {
  call->start = start;
  call->sectors = sectors;
  call_number(call, "start", start);
  call_number(call, "sectors", sectors);
}

static bool is_transfer(CallId id) {
  return id == CALL_Read || id == CALL_Write || id == CALL_ReadAsync || id == CALL_WriteAsync;
}

bool call_ready(Call *call) {
  if (call->error != VIX_OK || call->passed) return call->error == VIX_OK;
  call->passed = true;
  bool transfer = is_transfer(call->id);
  if (transfer && call->handle != NULL && call->handle->trouble != NULL) {
    call->error = atomic_load_explicit(&call->handle->trouble->error, memory_order_relaxed);
  }
  const World *world = the_world();
  if (call->error == VIX_OK && world->disturbed[call->id]) {
    Moment moment = {call->id,      call->subject, call->start, call->sectors, false,
                     call->handle == NULL ? NULL : call->handle->trouble};
    // A request that is done later is delayed later.
    if (call->id != CALL_ReadAsync && call->id != CALL_WriteAsync) fault_delay(&moment);
    call->error = fault_strike(&moment);
  }
  if (call->error != VIX_OK && call->id == CALL_Read && call->target != NULL && call->sectors > 0) {
    memset(call->target, 0xEE, VIXDISKLIB_SECTOR_SIZE);
  }
  return call->error == VIX_OK;
}

VixError call_end(Call *call) {
  if (call->disk_call) police_disk_call_done();
  if (call->handle != NULL) {
    if (call->caller) atomic_fetch_sub(&call->handle->callers, 1);
    atomic_fetch_sub(&call->handle->busy, 1);
    if (atomic_load_explicit(&call->handle->life, memory_order_relaxed) == LIFE_SWEPT) handle_sweep(call->handle);
  }
  uint64_t ns = now_ns() - call->started_ns;
  atomic_fetch_add_explicit(&statistics[call->id].count, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&statistics[call->id].bytes, call->bytes, memory_order_relaxed);
  atomic_fetch_add_explicit(&statistics[call->id].ns, ns, memory_order_relaxed);
  if (call->traced) {
    line_number(&call->line, "code", VIX_ERROR_CODE(call->error));
    if (call->error > 0xFFFF) line_hex(&call->line, "error", call->error);
    if (call->bytes > 0) line_number(&call->line, "bytes", call->bytes);
    line_number(&call->line, "us", ns / 1000);
    trace_write(&call->line);
  }
  VixError error = call->error;
  if (the_world()->log_calls && call->id != CALL_Exit) {
    log_info("Stand-in: %s ends with code %" PRIu64 " after %.3f ms\n", CALL_NAMES[call->id], VIX_ERROR_CODE(error),
             (double)ns / 1e6);
  }
  atomic_fetch_sub(&under_way, 1);
  return error;
}

uint32_t calls_under_way(void) {
  return atomic_load(&under_way);
}

void calls_add_bytes(CallId id, uint64_t bytes) {
  atomic_fetch_add_explicit(&statistics[id].bytes, bytes, memory_order_relaxed);
}

void calls_reset(void) {
  for (int id = 0; id < CALL_COUNT; id++) {
    atomic_store(&statistics[id].count, 0);
    atomic_store(&statistics[id].bytes, 0);
    atomic_store(&statistics[id].ns, 0);
  }
}

void calls_summary(uint64_t violations, uint64_t leaks) {
  if (!trace_wanted()) return;
  Line line;
  trace_head(&line);
  line_open(&line, "summary");
  line_open(&line, "calls");
  for (int id = 0; id < CALL_COUNT; id++) {
    uint64_t count = atomic_load(&statistics[id].count);
    if (count == 0) continue;
    line_open(&line, CALL_NAMES[id]);
    line_number(&line, "count", count);
    line_number(&line, "bytes", atomic_load(&statistics[id].bytes));
    line_number(&line, "us", atomic_load(&statistics[id].ns) / 1000);
    line_close(&line);
  }
  line_close(&line);
  line_number(&line, "violations", violations);
  line_number(&line, "leaks", leaks);
  line_close(&line);
  trace_write(&line);
}
