/** The bracket around every call: checks, faults, statistics and the line in the trace. */
#ifndef STANDIN_CALL_H
#define STANDIN_CALL_H

#include "names.h"
#include "objects.h"
#include "text.h"
#include "vix_disk_lib.h"

typedef struct {
  CallId id;
  /** The result so far. Work is done only while it is `VIX_OK`. */
  VixError error;
  VixDiskLibHandle handle;
  uint64_t started_ns;
  uint64_t bytes;
  /** The text that `disk=` of a fault is compared with: a path, or a server. */
  const char *subject;
  uint64_t start;
  uint64_t sectors;
  /** The buffer in which a Read that fails leaves rubbish, as a real one may. */
  uint8_t *target;
  bool disk_call;
  /** Whether the call is one of the handle's `callers`. */
  bool caller;
  bool traced;
  bool passed;
  Line line;
} Call;

/** Begins a call. Reports a violation if the library is not ready for it. */
void call_begin(Call *call, CallId id);
/** Sets the handle or the connection. Reports a violation if it cannot be used any more, or not now. */
void call_handle(Call *call, VixDiskLibHandle handle);
void call_connection(Call *call, VixDiskLibConnection connection);
/** Marks a call of Open, Close or QueryAllocatedBlocks, which belong to one thread. */
void call_disks(Call *call);
/** Add arguments to the trace; `call_path` also sets the subject. */
void call_path(Call *call, const char *name, const char *path);
void call_text(Call *call, const char *name, const char *value);
void call_number(Call *call, const char *name, uint64_t value);
void call_range(Call *call, uint64_t start, uint64_t sectors);
/** Applies faults and delays, once. Returns whether the work may be done. */
bool call_ready(Call *call);
/** Ends the call and returns its result. */
VixError call_end(Call *call);

/** Returns the number of calls that are under way, this one included. */
uint32_t calls_under_way(void);
/** Counts the bytes of a request that its call does not wait for. */
void calls_add_bytes(CallId id, uint64_t bytes);
void calls_reset(void);
/** Writes one line about all calls since `calls_reset`. */
void calls_summary(uint64_t violations, uint64_t leaks);

/* The state of the library: library.c */

typedef enum { NEVER_READY, READY, ENDED, PANICKED, FORKED } Readiness;
Readiness library_readiness(void);
/** Whether InitEx found the bundled library. */
bool library_has_bundle(void);
/** Whether libDir leads to the plug-ins of the advanced transports. */
bool library_has_plugins(void);
void library_panic(void);

/* The police: police.c */

/**
 * Reports a violation by the caller: to the trace, to the warn callback, and as `standin.police` says. Must
 * not be called with a lock.
 */
void violation(Call *call, const char *kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void leak(const char *kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t violation_count(void);
uint64_t leak_count(void);
void police_reset(void);
/** The thread of Open and Close; see `call_disks`. */
void police_disk_call(Call *call);
void police_disk_call_done(void);

/* Faults: fault.c */

/** A moment at which a fault can strike. */
typedef struct {
  CallId id;
  const char *subject;
  uint64_t start;
  uint64_t sectors;
  bool completion;
  Trouble *trouble;
} Moment;

/** Sleeps as the delays require. This is not a fault. */
void fault_delay(const Moment *moment);
/** Applies a fault that is due. Returns its code, or `VIX_OK` if the call goes on. May never return. */
VixError fault_strike(const Moment *moment);
/** Returns the lasting error of the disk in `file`, which the whole process shares. */
Trouble *fault_trouble(const char *file);
/** Ends the lasting errors that end at InitEx. */
void fault_heal(void);
/** Whether a fault makes Exit crash. */
bool fault_exit_crashes(void);

#endif
