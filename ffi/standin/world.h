/** The simulated world: servers, virtual machines, disks, faults and delays, as in the configuration file. */
#ifndef STANDIN_WORLD_H
#define STANDIN_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"

typedef struct {
  uint64_t id;
  char *host;
  char *user;
  char *password;
  char *cookie;
  char *thumbprint;
  char *kind;
  uint64_t port;
  uint64_t nfc_port;
  bool refuse_nfc;
  uint64_t login_code;
  uint64_t session_seconds;
  uint64_t session_calls;
  uint64_t nfc_max_bytes;
  uint64_t nfc_connections;
} Server;

typedef struct {
  uint64_t id;
  char *server;
  char *moref;
  char *vmx;
  char *snapshots;
} Vm;

typedef struct {
  uint64_t id;
  char *server;
  char *vm;
  char *path;
  char *file;
  char *meta;
  char *snapshot;
  char *map;
  char *query;
  char *hint;
  uint64_t links;
  uint64_t adapter;
  uint64_t capacity;
  uint64_t logical_sector;
  uint64_t physical_sector;
  bool no_uuid;
  bool read_only;
  bool locked;
} Disk;

typedef enum {
  ACTION_CODE,
  ACTION_STICKY,
  ACTION_HANG,
  ACTION_HANG_UNTIL,
  ACTION_CRASH,
  ACTION_DELAY,
  ACTION_PANIC,
  ACTION_EXIT_CRASH,
} Action;

typedef struct {
  uint64_t id;
  char *call;
  char *disk;
  char *scope;
  char *action;
  char *heal;
  char *at;
  uint64_t after;
  uint64_t times;
  uint64_t code;
  uint64_t high;
  uint64_t sector;
  /** The meaning of the words above. */
  CallId call_id;
  Action act;
  char *hang_until;
  uint64_t delay_us;
  bool whole_world;
  bool at_completion;
  bool any_sector;
  /** The number of matching calls in this process. The same line in a later InitEx continues the count. */
  _Atomic uint64_t *seen;
} Fault;

typedef struct {
  uint64_t id;
  char *call;
  char *disk;
  uint64_t us;
  uint64_t us_per_mib;
  CallId call_id;
} Delay;

typedef enum { POLICE_TRACE, POLICE_ERROR, POLICE_ABORT } PoliceMode;
typedef enum { ASYNC_INLINE, ASYNC_THREAD, ASYNC_SHUFFLE } AsyncMode;

/** A world never changes after InitEx has read it, and is never freed: a call that hangs may still use it. */
typedef struct World {
  struct World *previous;
  char *trace;
  char *state;
  char *police;
  char *police_off;
  uint64_t police_code;
  bool write_without_snapshot;
  char *transports;
  char *async;
  char *query_past_end;
  uint64_t query_split;
  char *error_text;
  char *check_login;
  char *check_vm;
  char *check_snapshot;
  char *check_thumbprint;
  uint64_t login_code;
  uint64_t unknown_server_code;
  bool log_thread;
  bool log_exit;
  bool log_calls;
  uint64_t log_period_ms;
  uint64_t exit_ms;
  uint64_t cleanup_code;
  uint64_t cleanup_cleaned;
  uint64_t cleanup_remaining;

  PoliceMode police_mode;
  AsyncMode async_mode;
  bool past_end_is_fine;

  Server *servers;
  size_t server_count;
  Vm *vms;
  size_t vm_count;
  Disk *disks;
  size_t disk_count;
  Fault *faults;
  size_t fault_count;
  Delay *delays;
  size_t delay_count;
  /** Whether any fault or delay concerns the call; this saves the search for all others. */
  bool disturbed[CALL_COUNT];
} World;

/** Returns the world of the latest InitEx, or before it an empty one. */
const World *the_world(void);
/**
 * Reads `config_file`, which may be NULL. Returns NULL if it has a mistake, which `complaint` then tells
 * (free it).
 */
World *world_read(const char *config_file, char **complaint);
void world_enter(World *world);

/** Returns the available modes, the preferred first. */
const char *world_transports(void);
const Server *world_server(const World *world, const char *host);
const Vm *world_vm(const World *world, const Server *server, const char *spec);
const Disk *world_disk(const World *world, const Server *server, const Vm *vm, const char *path);

#endif
