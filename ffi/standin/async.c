#include "async.h"

#include <pthread.h>
#include <stdlib.h>

#include "call.h"
#include "trace.h"
#include "transfer.h"

typedef struct Request {
  struct Request *next;
  CallId id;
  VixDiskLibHandle handle;
  uint64_t start;
  uint64_t sectors;
  uint8_t *target;
  const uint8_t *source;
  VixDiskLibCompletionCB callback;
  void *data;
} Request;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/** Signals that a request was added, or that the thread must end. */
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
/** Signals that a request was completed. */
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static Request *first;
static pthread_t thread;
static bool running;
static bool stop;
static _Thread_local bool in_worker;

static VixError transfer(const Request *request) {
  Moment moment = {request->id, request->handle->path, request->start,
                   request->sectors, true, request->handle->trouble};
  if (the_world()->disturbed[request->id]) fault_delay(&moment);
  VixError error = atomic_load(&request->handle->trouble->error);
  if (error == VIX_OK && the_world()->disturbed[request->id]) error = fault_strike(&moment);
  if (error != VIX_OK) return error;
  const Backing *backing = &request->handle->backing;
  error = request->target != NULL ? read_sectors(backing, request->start, request->sectors, request->target)
                                  : write_sectors(backing, request->start, request->sectors, request->source);
  if (error == VIX_OK) calls_add_bytes(request->id, request->sectors * VIXDISKLIB_SECTOR_SIZE);
  return error;
}

static void complete(const Request *request, VixError error) {
  if (trace_wanted()) {
    Line line;
    trace_head(&line);
    line_text(&line, "completion", CALL_NAMES[request->id]);
    line_number(&line, "handle", request->handle->number);
    line_number(&line, "start", request->start);
    line_number(&line, "sectors", request->sectors);
    line_number(&line, "code", VIX_ERROR_CODE(error));
    trace_write(&line);
  }
  if (request->callback != NULL) request->callback(request->data, error);
  pthread_mutex_lock(&lock);
  atomic_fetch_sub(&request->handle->pending, 1);
  pthread_cond_broadcast(&done);
  pthread_mutex_unlock(&lock);
}

static void *worker(void *unused) {
  in_worker = true;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (first == NULL && !stop) pthread_cond_wait(&work, &lock);
    Request *request = first;
    if (request == NULL) break;
    first = request->next;
    pthread_mutex_unlock(&lock);
    complete(request, transfer(request));
    free(request);
    pthread_mutex_lock(&lock);
  }
  pthread_mutex_unlock(&lock);
  return unused;
}

/** Whether the worker takes the request. */
static bool hand_over(const Request *request) {
  Request *copy = zeroed(sizeof *copy);
  *copy = *request;
  pthread_mutex_lock(&lock);
  if (!running) {
    stop = false;
    running = pthread_create(&thread, NULL, worker, NULL) == 0;
  }
  bool taken = running;
  if (taken) {
    Request **at = &first;
    // In the shuffled mode the newest request comes first, so that a caller that relies on the order fails.
    if (the_world()->async_mode != ASYNC_SHUFFLE) {
      while (*at != NULL) at = &(*at)->next;
    }
    copy->next = *at;
    *at = copy;
    pthread_cond_signal(&work);
  }
  pthread_mutex_unlock(&lock);
  if (!taken) free(copy);
  return taken;
}

void async_drain(VixDiskLibHandle handle) {
  pthread_mutex_lock(&lock);
  while (atomic_load(&handle->pending) > 0) pthread_cond_wait(&done, &lock);
  pthread_mutex_unlock(&lock);
}

bool async_is_worker(void) {
  return in_worker;
}

void async_stop(void) {
  pthread_mutex_lock(&lock);
  bool was_running = running;
  running = false;
  stop = true;
  pthread_cond_broadcast(&work);
  pthread_mutex_unlock(&lock);
  if (was_running) pthread_join(thread, NULL);
}

static VixError submit(Request *request, const void *buffer) {
  Call call;
  call_begin(&call, request->id);
  call_handle(&call, request->handle);
  call_range(&call, request->start, request->sectors);
  if (call.error == VIX_OK && request->callback == NULL) call.error = VIX_E_INVALID_ARG;
  if (call.error == VIX_OK) {
    call.error = check_transfer(&call, request->handle, buffer, request->target == NULL);
  }
  // If the call returns an error from here on, no completion will come.
  if (!call_ready(&call)) return call_end(&call);
  VixDiskLibHandle handle = request->handle;
  atomic_fetch_add(&handle->pending, 1);
  call.error = VIX_ASYNC;
  bool inlined = the_world()->async_mode == ASYNC_INLINE || !hand_over(request);
  VixError result = inlined ? transfer(request) : VIX_OK;
  // The call ends before its completion runs, because the completion may make the next call on the handle.
  VixError error = call_end(&call);
  if (inlined) complete(request, result);
  return error;
}

VixError VixDiskLib_ReadAsync(VixDiskLibHandle handle, VixDiskLibSectorType startSector,
                              VixDiskLibSectorType numSectors, uint8_t *buffer, VixDiskLibCompletionCB callback,
                              void *cbData) {
  Request request = {.id = CALL_ReadAsync, .handle = handle, .start = startSector, .sectors = numSectors,
                     .target = buffer, .callback = callback, .data = cbData};
  return submit(&request, buffer);
}

VixError VixDiskLib_WriteAsync(VixDiskLibHandle handle, VixDiskLibSectorType startSector,
                               VixDiskLibSectorType numSectors, const uint8_t *buffer,
                               VixDiskLibCompletionCB callback, void *cbData) {
  Request request = {.id = CALL_WriteAsync, .handle = handle, .start = startSector, .sectors = numSectors,
                     .source = buffer, .callback = callback, .data = cbData};
  return submit(&request, buffer);
}

VixError VixDiskLib_Wait(VixDiskLibHandle handle) {
  Call call;
  call_begin(&call, CALL_Wait);
  call_handle(&call, handle);
  if (in_worker && call.error == VIX_OK) {
    violation(&call, "wait_in_completion", "Wait inside a completion would wait for itself");
    call.error = VIX_E_INVALID_ARG;
  }
  if (call_ready(&call)) async_drain(handle);
  return call_end(&call);
}
