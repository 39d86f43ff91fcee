/** The bracket around every call: checks, faults, statistics and the line in the trace. */
#ifndef STANDIN_CALL_H
#define STANDIN_CALL_H

#include "names.h"
#include "objects.h"
#include "text.h"
#include "vix_disk_lib.h"

typedef struct {
  CallId id;
  /** The result so far; work is done only while it is `VIX_OK`. */
  VixError error;
  VixDiskLibHandle handle;
  uint64_t started_ns;
  uint64_t bytes;
  /** What `disk=` of a fault is compared with: a path, or a server. */
  const char *subject;
  uint64_t start;
  uint64_t sectors;
  /** Where a Read that fails leaves rubbish, as a real one may. */
  uint8_t *target;
  bool disk_call;
  /** Whether it is one of the handle's `callers`. */
  bool caller;
  bool traced;
  bool passed;
  Line line;
} Call;

/** Begins a call; complains if the library is not ready for it. */
void call_begin(Call *call, CallId id);
/** Names the handle or connection; complains if it may not be used (any more), or not now. */
void call_handle(Call *call, VixDiskLibHandle handle);
void call_connection(Call *call, VixDiskLibConnection connection);
/** Marks one of Open, Close and QueryAllocatedBlocks, which belong to one thread. */
void call_disks(Call *call);
/** Arguments for the trace; `call_path` also names the subject. */
void call_path(Call *call, const char *name, const char *path);
void call_text(Call *call, const char *name, const char *value);
void call_number(Call *call, const char *name, uint64_t value);
void call_range(Call *call, uint64_t start, uint64_t sectors);
/** Lets faults and delays happen, once; whether the work may be done. */
bool call_ready(Call *call);
/** Ends the call and returns its result. */
VixError call_end(Call *call);

/** Calls that are under way, this one included. */
uint32_t calls_under_way(void);
/** Counts bytes of a request that its call does not wait for. */
void calls_add_bytes(CallId id, uint64_t bytes);
void calls_reset(void);
/** One line about all calls since `calls_reset`. */
void calls_summary(uint64_t violations, uint64_t leaks);

/* Whether the library is there: library.c */

typedef enum { NEVER_READY, READY, ENDED, PANICKED, FORKED } Readiness;
Readiness library_readiness(void);
/** Whether InitEx found the bundled library. */
bool library_has_bundle(void);
/** Whether libDir leads to what advanced transports need. */
bool library_has_plugins(void);
void library_panic(void);

/* Police: police.c */

/**
 * Reports that the caller did what it must not do: to the trace, to the warn callback, and as `standin.police` says.
 * Never called with a lock.
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

/** One moment at which a fault can strike. */
typedef struct {
  CallId id;
  const char *subject;
  uint64_t start;
  uint64_t sectors;
  bool completion;
  Trouble *trouble;
} Moment;

/** Sleeps as the delays want; no fault. */
void fault_delay(const Moment *moment);
/** Strikes if one is due; the code, `VIX_OK` if the call goes on. May never return. */
VixError fault_strike(const Moment *moment);
/** The trouble of the disk in `file`, one for the whole process. */
Trouble *fault_trouble(const char *file);
/** Heals what heals at InitEx. */
void fault_heal(void);
/** Whether a fault wants Exit to crash. */
bool fault_exit_crashes(void);

#endif
