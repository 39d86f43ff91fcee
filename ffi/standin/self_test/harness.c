#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

const char *folder;
const char *self;
int failures;

void fail(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
  failures++;
}

void check_code(const char *file, int line, const char *what, VixError error, unsigned wanted) {
  if (VIX_ERROR_CODE(error) == wanted) return;
  fprintf(stderr, "%s:%d: %s: code %u instead of %u\n", file, line, what, (unsigned)VIX_ERROR_CODE(error), wanted);
  failures++;
}

void sleep_ms(int ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&time, NULL);
}

double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Files */

char *in(const char *name) {
  static char *known[200];
  static int count;
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  for (int i = 0; i < count; i++) {
    if (strcmp(known[i], path) == 0) return known[i];
  }
  return known[count++] = strdup(path);
}

void write_file(const char *path, const void *bytes, size_t len) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
  close(fd);
}

char *read_file(const char *path) {
  struct stat status;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &status) != 0) {
    if (fd >= 0) close(fd);
    return strdup("");
  }
  char *text = calloc(1, (size_t)status.st_size + 1);
  CHECK(read(fd, text, (size_t)status.st_size) == status.st_size);
  close(fd);
  return text;
}

bool file_has(const char *path, const char *part) {
  char *text = read_file(path);
  bool has = strstr(text, part) != NULL;
  free(text);
  return has;
}

void make_disk(const char *path) {
  char sector[512];
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
  CHECK(fd >= 0 && ftruncate(fd, DISK_SECTORS * 512) == 0);
  for (int i = 0; i < DISK_SECTORS; i++) {
    if (i >= 8 && i < DISK_SECTORS - 3) continue;
    memset(sector, i % 251 + 1, sizeof sector);
    CHECK(pwrite(fd, sector, sizeof sector, i * 512L) == sizeof sector);
  }
  close(fd);
}

/* Logs */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[1 << 20];
static size_t log_used;
int panics;

void take(const char *fmt, va_list args) {
  pthread_mutex_lock(&log_lock);
  int len = vsnprintf(log_text + log_used, sizeof log_text - log_used, fmt, args);
  if (len > 0 && log_used + (size_t)len < sizeof log_text) log_used += (size_t)len;
  pthread_mutex_unlock(&log_lock);
}

void take_panic(const char *fmt, va_list args) {
  take(fmt, args);
  panics++;
}

bool logged(const char *part) {
  pthread_mutex_lock(&log_lock);
  bool found = strstr(log_text, part) != NULL;
  pthread_mutex_unlock(&log_lock);
  return found;
}

/* One world after the other */

char *trace;

void write_world(const char *lines) {
  FILE *file = fopen(in("world.conf"), "w");
  CHECK(file != NULL);
  fprintf(file,
          "# a comment\ntmpDirectory = \"/tmp\"\nvixDiskLib.nfc.LogLevel=1\n"
          "standin.trace = \"%s\"\n"
          "standin.server.1 = host=vc1.example user=backup password=secret cookie=c00kie thumbprint=" THUMBPRINT
          " kind=vcenter\n"
          "standin.server.2 = host=esx.example user=root password=secret kind=esxi session_calls=4\n"
          "standin.server.3 = host=small.example nfc_max_bytes=65536 nfc_connections=1 port=8443 nfc_port=903\n"
          "standin.server.4 = host=shut.example refuse_nfc=yes login_code=35\n"
          "standin.vm.1 = server=vc1.example moref=vm-16 snapshots=snapshot-47,snapshot-48 vmx=\"[ds1] a/a.vmx\"\n"
          "standin.vm.2 = moref=7\n"
          "standin.disk.1 = vm=vm-16 path=\"[ds1] web/web.vmdk\" file=%s meta=%s links=2 hint=base.vmdk\n"
          "standin.disk.2 = vm=vm-16 path=\"[ds1] web/snap.vmdk\" file=%s snapshot=snapshot-47 no_uuid=yes adapter=1\n"
          "standin.disk.3 = vm=vm-16 path=\"[ds1] locked.vmdk\" file=%s locked=yes map=all\n"
          "standin.disk.4 = vm=7 path=\"[ds1] seven.vmdk\" file=%s read_only=yes map=zeros\n"
          "standin.disk.5 = vm=7 path=\"[ds1] none.vmdk\" file=%s query=unsupported capacity=100\n"
          "standin.disk.6 = vm=7 path=\"[ds1] new.vmdk\" file=%s\n"
          "%s\n",
          in("trace.jsonl"), in("web.raw"), in("web.meta"), in("web.raw"), in("web.raw"), in("web.raw"),
          in("web.raw"), in("new.raw"), lines);
  fclose(file);
}

void begin(const char *lines) {
  unlink(in("new.raw"));
  unlink(in("trace.jsonl"));
  unlink(in("web.meta"));
  make_disk(in("web.raw"));
  pthread_mutex_lock(&log_lock);
  log_used = 0;
  log_text[0] = '\0';
  pthread_mutex_unlock(&log_lock);
  write_world(lines);
  OK(VixDiskLib_InitEx(6, 5, take, take, take_panic, in(""), in("world.conf")));
}

void end(void) {
  VixDiskLib_Exit();
  free(trace);
  trace = read_file(in("trace.jsonl"));
}

int count(const char *part) {
  int found = 0;
  for (const char *at = trace; (at = strstr(at, part)) != NULL; at++) found++;
  return found;
}

int broken(const char *kind) {
  char part[100];
  snprintf(part, sizeof part, "\"violation\":\"%s\"", kind);
  return count(part);
}

void end_clean(const char *file, int line) {
  end();
  if (count("\"violations\":0,\"leaks\":0") == 1 && count("\"violation\":") == 0 && count("\"leak\":") == 0) return;
  fail(file, line, "a clean end");
  fputs(trace, stderr);
}

VixDiskLibConnection local(void) {
  VixDiskLibConnection connection = NULL;
  OK(VixDiskLib_ConnectEx(NULL, 0, NULL, NULL, &connection));
  return connection;
}

VixDiskLibHandle open_disk(VixDiskLibConnection connection, const char *path, uint32_t flags) {
  VixDiskLibHandle handle = NULL;
  OK(VixDiskLib_Open(connection, path, flags, &handle));
  return handle;
}

/* Parameters as a caller prepares them */

VixDiskLibConnectParams *new_params(const char *host, const char *vmx, const char *thumbprint) {
#if HAS_QUERY
  VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
#else
  VixDiskLibConnectParams *params = calloc(1, sizeof *params);
#endif
  params->serverName = (char *)host;
  params->vmxSpec = (char *)vmx;
  params->thumbPrint = (char *)thumbprint;
  params->credType = VIXDISKLIB_CRED_UID;
  params->creds.uid.userName = "backup";
  params->creds.uid.password = "secret";
  return params;
}

void drop_params(VixDiskLibConnectParams *params) {
#if HAS_QUERY
  params->serverName = params->vmxSpec = params->thumbPrint = params->vimApiVer = NULL;
  memset(&params->creds, 0, sizeof params->creds);
  VixDiskLib_FreeConnectParams(params);
#else
  free(params);
#endif
}

VixDiskLibConnection remote(const char *modes) {
  VixDiskLibConnection connection = NULL;
  VixDiskLibConnectParams *params = new_params("vc1.example", "moref=vm-16", THUMBPRINT);
  OK(VixDiskLib_ConnectEx(params, 0, NULL, modes, &connection));
  drop_params(params);
  return connection;
}

/* No test waits for a time in which something has probably happened: a call is held until a file exists. */

void begin_held(const char *call, const char *more) {
  char world[1024];
  unlink(in("go"));
  snprintf(world, sizeof world, "standin.fault.1 = call=%s action=hang_until:%s\n%s", call, in("go"), more);
  begin(world);
}

void release(void) {
  write_file(in("go"), "", 0);
}

void await(const char *part) {
  double until = seconds() + 30;
  while (!file_has(in("trace.jsonl"), part) && seconds() < until) sleep_ms(2);
  CHECK(file_has(in("trace.jsonl"), part));
}

pthread_t start_held(void *(*work)(void *), void *job) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, work, job) == 0);
  await("\"fault\":1");
  return thread;
}

void *release_after(void *part) {
  await(part);
  release();
  return NULL;
}
