/** Shared by all parts of the self-test: checks, files, logs, and the beginning and end of a world. */
#ifndef STANDIN_SELF_TEST_HARNESS_H
#define STANDIN_SELF_TEST_HARNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../vix_disk_lib.h"

#define DISK_SECTORS 2051
#define THUMBPRINT "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD"

/** The folder of the tests' files, and the program itself. */
extern const char *folder;
extern const char *self;
extern int failures;
/** The trace of the world that has ended. */
extern char *trace;
/** The number of calls of the panic function. */
extern int panics;

#define CHECK(condition)                                      \
  do {                                                        \
    if (!(condition)) fail(__FILE__, __LINE__, #condition); \
  } while (0)
#define CODE(call, wanted) check_code(__FILE__, __LINE__, #call, (call), (wanted))
#define OK(call) CODE(call, 0)
#define END_CLEAN() end_clean(__FILE__, __LINE__)

void fail(const char *file, int line, const char *what);
void check_code(const char *file, int line, const char *what, VixError error, unsigned wanted);
void sleep_ms(int ms);
double seconds(void);
/** Returns a path in the folder; the text is never freed. */
char *in(const char *name);
void write_file(const char *path, const void *bytes, size_t len);
char *read_file(const char *path);
bool file_has(const char *path, const char *part);
/** 2051 sectors: data in 0 to 7, a hole, data in the last three. */
void make_disk(const char *path);
void take(const char *fmt, va_list args);
void take_panic(const char *fmt, va_list args);
bool logged(const char *part);
void write_world(const char *lines);
/** Makes the disk, and calls InitEx in a fresh world with these lines behind the usual ones. */
void begin(const char *lines);
/** Calls Exit, and reads the trace. */
void end(void);
/** The same as `end`; there must be neither violations nor leaks. */
void end_clean(const char *file, int line);
/** Returns how often the trace has this in it. */
int count(const char *part);
/** Returns how often a rule was broken. */
int broken(const char *kind);
VixDiskLibConnection local(void);
VixDiskLibHandle open_disk(VixDiskLibConnection connection, const char *path, uint32_t flags);
VixDiskLibConnectParams *new_params(const char *host, const char *vmx, const char *thumbprint);
void drop_params(VixDiskLibConnectParams *params);
VixDiskLibConnection remote(const char *modes);
/** The same as `begin`, with a fault that holds one call until `release`. */
void begin_held(const char *call, const char *more);
void release(void);
/** Waits until the trace has a line with this in it. */
void await(const char *part);
/** Starts a call on another thread and returns when it is held. */
pthread_t start_held(void *(*work)(void *), void *job);
/** For a thread: `await(part)`, then `release`. */
void *release_after(void *part);

/** Runs a test in this process, which may not survive it. */
int lone(const char *name);

void test_init(void);
void test_outside(void);
void test_after_exit(void);
void test_error_text(void);
void test_transfer(void);
void test_info(void);
void test_metadata(void);
void test_query(void);
void test_remote(void);
void test_limits(void);
void test_params(void);
void test_access(void);
void test_faults(void);
void test_threads(void);
void test_misuse(void);
void test_async(void);
void test_manage(void);
void test_ends(void);

#endif
