/** The objects of callers: connections and handles, and memory that they must free. */
#ifndef STANDIN_OBJECTS_H
#define STANDIN_OBJECTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backing.h"
#include "vix_disk_lib.h"
#include "world.h"

typedef enum { LIFE_NONE, LIFE_OPEN, LIFE_CLOSED, LIFE_ORPHANED, LIFE_SWEPT } Life;

struct VixDiskLibConnectionStruct {
  uint32_t number;
  _Atomic int life;
  /** NULL for local disks. */
  const Server *server;
  const Vm *vm;
  char *snapshot;
  char *modes;
  bool read_only;
  /** The error that a check found which is moved to Open, and its text. */
  VixError deferred;
  char *deferred_text;
  uint64_t connected_ns;
  _Atomic uint64_t calls;
  /** For GetConnectParams; the password is not kept. */
  char *vmx_spec;
  char *thumbprint;
  char *user;
  uint32_t cred_type;
  uint32_t port;
  uint32_t nfc_port;
};

/** An error that stays with a disk until the process ends. */
typedef struct Trouble {
  struct Trouble *next;
  char *file;
  _Atomic uint64_t error;
  _Atomic bool heals;
} Trouble;

struct VixDiskLibHandleStruct {
  uint32_t number;
  _Atomic int life;
  /** The number of calls that are in progress on the handle. */
  _Atomic uint32_t busy;
  /** The number of those that no completion made. */
  _Atomic uint32_t callers;
  /** The number of asynchronous requests that are not completed. */
  _Atomic uint32_t pending;
  VixDiskLibConnection connection;
  char *path;
  const char *mode;
  uint32_t flags;
  bool writable;
  Backing backing;
  Trouble *trouble;
};

/** Returns a new object with its number, or NULL if there are too many. */
VixDiskLibConnection new_connection(void);
VixDiskLibHandle new_handle(void);
/** Whether the pointer was ever returned to a caller; it may be any number. */
bool is_connection(const void *pointer);
bool is_handle(const void *pointer);
/** Returns the objects one after the other, from 0 on; NULL behind the last. */
VixDiskLibConnection connection_at(uint32_t index);
VixDiskLibHandle handle_at(uint32_t index);
/** Waits until at most `own` calls are in progress on the handle, and no request. */
void handle_wait(VixDiskLibHandle handle, uint32_t own);
/** Closes a handle that Exit could not close, when no call is in progress on it any more. */
void handle_sweep(VixDiskLibHandle handle);
/** Returns the number of open handles of a connection. */
uint32_t open_handles(VixDiskLibConnection connection);

typedef enum { OWN_PARAMS, OWN_INFO, OWN_BLOCKS, OWN_TEXT, OWN_COUNT } OwnKind;
typedef enum { OWN_LIVE, OWN_FREED, OWN_FOREIGN, OWN_OVERRUN } OwnState;

extern const char *const OWN_NAMES[OWN_COUNT];

/**
 * Returns memory for the caller: `bytes` of zeros, a guard behind them, and `tail_bytes` behind the guard at
 * `*tail` for the data that the struct points to.
 */
void *own_new(OwnKind kind, size_t bytes, size_t tail_bytes, char **tail);
/** Whether `pointer` lies in the tail of `owner`. */
bool own_has(const void *owner, const void *pointer);
bool own_is_live(OwnKind kind, const void *memory);
/** Frees memory, and returns what it was before. */
OwnState own_free(OwnKind kind, void *memory);
/** Returns the number of those that are not freed. */
size_t own_count(OwnKind kind);
/**
 * Forgets memory that was not freed, so that a later Exit does not report it again. The memory remains the
 * caller's.
 */
void own_forget(OwnKind kind);

#endif
