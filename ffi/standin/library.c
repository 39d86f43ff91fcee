/** The life of the library: InitEx, Exit, and the files around it. */

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "async.h"
#include "call.h"
#include "log.h"
#include "trace.h"

#if API == 65
#define VERSION "6.5.0"
#define VERSION_MAX 6005
#elif API == 67
#define VERSION "6.7.1"
#define VERSION_MAX 6007
#elif API == 70
#define VERSION "7.0.3"
#define VERSION_MAX 7000
#elif API == 80
#define VERSION "8.0.2"
#define VERSION_MAX 8000
#else
#define VERSION "9.1.0.0"
#define VERSION_MAX 9001
#endif

/** Stands for the libraries that come with VMware's, which loads them by bare name at run time. */
#define BUNDLE "libstandinbundle.so.1"

static _Atomic int readiness = NEVER_READY;
static _Atomic bool has_bundle;
static _Atomic bool has_plugins;
static pthread_mutex_t life_lock = PTHREAD_MUTEX_INITIALIZER;

Readiness library_readiness(void) {
  return (Readiness)atomic_load_explicit(&readiness, memory_order_acquire);
}

bool library_has_bundle(void) {
  return atomic_load(&has_bundle);
}

bool library_has_plugins(void) {
  return atomic_load(&has_plugins);
}

void library_panic(void) {
  atomic_store(&readiness, PANICKED);
}

/** A forked child does not get the library's thread, without which the library cannot be used. */
static void in_child(void) {
  if (library_readiness() == READY) atomic_store(&readiness, FORKED);
}

static void watch_forks(void) {
  pthread_atfork(NULL, NULL, in_child);
}

static void load_bundle(void) {
  static void *bundle;
  // It stays loaded; the loader would not unload it either.
  if (bundle == NULL) bundle = dlopen(BUNDLE, RTLD_NOW);
  if (bundle == NULL) {
    const char *text = dlerror();
    log_warn("Stand-in: cannot load a bundled library: %s\n", text == NULL ? BUNDLE : text);
  }
  atomic_store(&has_bundle, bundle != NULL);
}

static void look_for_plugins(const char *lib_dir) {
  bool found = false;
  static const char *const FOLDERS[] = {"lib64/", ""};
  for (size_t i = 0; !is_empty(lib_dir) && i < 2 && !found; i++) {
    char *path = format_text("%s/%s" BUNDLE, lib_dir, FOLDERS[i]);
    found = access(path, F_OK) == 0;
    free(path);
  }
  if (!found) {
    log_info("Stand-in: no transport plugin found below \"%s\": advanced transports are unavailable\n",
             lib_dir == NULL ? "" : lib_dir);
  }
  atomic_store(&has_plugins, found);
}

/** Starts the library in this world. Returns false if the trace cannot be written. */
static bool start(const char *lib_dir, World *world) {
  world_enter(world);
  calls_reset();
  police_reset();
  fault_heal();
  if (!trace_open(world->trace)) {
    // A test that finds no line in a trace must not conclude that there was no call.
    fprintf(stderr, "Stand-in: cannot open the trace \"%s\"\n", world->trace);
    log_warn("Stand-in: cannot open the trace \"%s\"\n", world->trace);
    return false;
  }
  log_info("VMware VixDiskLib (" VERSION ") Release build-%d\n", 1000000 + API);
  log_info("Stand-in: no data of VMware's are behind this library, the world is simulated\n");
  log_formats("caller");
  load_bundle();
  look_for_plugins(lib_dir);
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  atomic_store(&readiness, READY);
  log_thread_start();
  return true;
}

static VixError initialize(CallId id, uint32_t major, uint32_t minor, VixDiskLibGenericLogFunc *log,
                           VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic, const char *lib_dir,
                           const char *config_file) {
  Call call;
  call_begin(&call, id);
  call_number(&call, "major", major);
  call_number(&call, "minor", minor);
  call_text(&call, "libDir", lib_dir);
  call_text(&call, "configFile", config_file);
  pthread_mutex_lock(&life_lock);
  Readiness now = library_readiness();
  bool again = now == READY || now == PANICKED || now == FORKED;
  if (!again) log_to(log, warn, panic);
  pthread_mutex_unlock(&life_lock);
  if (again) {
    violation(&call, "init_twice", "%s without an Exit since the last one", CALL_NAMES[id]);
    call.error = VIX_E_INVALID_ARG;
    return call_end(&call);
  }
  char *complaint = NULL;
  World *world = world_read(config_file, &complaint);
  if (world == NULL) {
    // With a mistake in its world a test would pass without testing anything.
    fprintf(stderr, "Stand-in: %s\n", complaint);
    log_warn("Stand-in: %s\n", complaint);
    call_text(&call, "complaint", complaint);
    free(complaint);
    call.error = VIX_E_INVALID_ARG;
  } else if (major == 0 || major > 100 || minor > 99 || major * 1000 + minor > VERSION_MAX) {
    world_enter(world);
    trace_open(world->trace);
    log_warn("Stand-in: version %u.%u is not supported by " VERSION "\n", major, minor);
    call.error = VIX_E_INVALID_ARG;
  } else if (!start(lib_dir, world)) {
    call.error = VIX_E_INVALID_ARG;
  } else {
    if (log == NULL || warn == NULL || panic == NULL) {
      violation(&call, "null_log", "%s without%s%s%s function", CALL_NAMES[id], log == NULL ? " log" : "",
                warn == NULL ? " warn" : "", panic == NULL ? " panic" : "");
    }
    call.subject = config_file;
    call_ready(&call);
    if (call.error != VIX_OK && library_readiness() == READY) {
      log_thread_stop();
      atomic_store(&readiness, NEVER_READY);
    }
  }
  VixError error = call_end(&call);
  // After a failure the caller's functions must not be called any more.
  if (error != VIX_OK) log_to(NULL, NULL, NULL);
  return error;
}

VixError VixDiskLib_InitEx(uint32_t majorVersion, uint32_t minorVersion, VixDiskLibGenericLogFunc *log,
                           VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic, const char *libDir,
                           const char *configFile) {
  return initialize(CALL_InitEx, majorVersion, minorVersion, log, warn, panic, libDir, configFile);
}

VixError VixDiskLib_Init(uint32_t majorVersion, uint32_t minorVersion, VixDiskLibGenericLogFunc *log,
                         VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic, const char *libDir) {
  return initialize(CALL_Init, majorVersion, minorVersion, log, warn, panic, libDir, NULL);
}

/** Reports everything that is still open, and closes it. */
static void sweep(void) {
  VixDiskLibHandle handle;
  for (uint32_t i = 0; (handle = handle_at(i)) != NULL; i++) {
    if (atomic_load(&handle->life) != LIFE_OPEN) continue;
    leak("handle", "handle %u of \"%s\" is not closed", handle->number, handle->path);
    atomic_store(&handle->life, LIFE_SWEPT);
    handle_sweep(handle);
  }
  VixDiskLibConnection connection;
  for (uint32_t i = 0; (connection = connection_at(i)) != NULL; i++) {
    if (atomic_load(&connection->life) != LIFE_OPEN) continue;
    leak("connection", "connection %u to %s is not closed", connection->number,
         connection->server == NULL ? "local disks" : connection->server->host);
    atomic_store(&connection->life, LIFE_CLOSED);
  }
  for (OwnKind kind = 0; kind < OWN_COUNT; kind++) {
    size_t count = own_count(kind);
    if (count > 0) leak(OWN_NAMES[kind], "%zu of %s not given back", count, OWN_NAMES[kind]);
    own_forget(kind);
  }
}

static void sleep_ms(uint64_t ms) {
  struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)};
  nanosleep(&time, NULL);
}

void VixDiskLib_Exit(void) {
  Call call;
  call_begin(&call, CALL_Exit);
  // A library that has panicked may be ended. In a forked child there is nothing to wait for.
  if (library_readiness() == READY || library_readiness() == PANICKED) {
    call.error = VIX_OK;
    uint32_t others = calls_under_way() - 1;
    if (others > 0) violation(&call, "exit_busy", "Exit while %u other calls are in progress", others);
    async_stop();
    sweep();
    access_report(&call);
    if (the_world()->exit_ms > 0) sleep_ms(the_world()->exit_ms);
    log_info("Stand-in: Exit, %d violations, %d leaks\n", (int)violation_count(), (int)leak_count());
    log_thread_stop();
    calls_summary(violation_count(), leak_count());
    call_ready(&call);
    if (fault_exit_crashes()) abort();
    atomic_store(&readiness, ENDED);
    log_to(NULL, NULL, NULL);
  }
  call_end(&call);
}

const char *VixDiskLib_ListTransportModes(void) {
  Call call;
  call_begin(&call, CALL_ListTransportModes);
  const char *modes = world_transports();
  call_end(&call);
  return modes;
}
