/*
 * Drives every call of the stand-in and breaks every rule that it knows: what judges other code is judged first.
 *
 *   self_test FOLDER           runs everything, with files in FOLDER; libstandinbundle.so.1 must be loadable
 *   self_test FOLDER NAME      runs one of the tests that end the process; the program starts itself for that
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vix_disk_lib.h"

#define DISK_SECTORS 2051
#define THUMBPRINT "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD"

extern char **environ;

static const char *folder;
static const char *self;
static int failures;

#define CHECK(condition) \
  do {                   \
    if (!(condition)) fail(__LINE__, #condition); \
  } while (0)
#define CODE(call, wanted) check_code(__LINE__, #call, (call), (wanted))
#define OK(call) CODE(call, 0)

static void fail(int line, const char *what) {
  fprintf(stderr, "self_test.c:%d: not so: %s\n", line, what);
  failures++;
}

static void check_code(int line, const char *what, VixError error, unsigned wanted) {
  if (VIX_ERROR_CODE(error) == wanted) return;
  fprintf(stderr, "self_test.c:%d: %s: code %u instead of %u\n", line, what, (unsigned)VIX_ERROR_CODE(error), wanted);
  failures++;
}

static void sleep_ms(int ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&time, NULL);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Files */

/** A path in the folder; the text stays for the life of the process. */
static char *in(const char *name) {
  static char *known[200];
  static int count;
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  for (int i = 0; i < count; i++) {
    if (strcmp(known[i], path) == 0) return known[i];
  }
  return known[count++] = strdup(path);
}

static void write_file(const char *path, const void *bytes, size_t len) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
  close(fd);
}

static char *read_file(const char *path) {
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

static bool file_has(const char *path, const char *part) {
  char *text = read_file(path);
  bool has = strstr(text, part) != NULL;
  free(text);
  return has;
}

/** 2051 sectors: data in 0 to 7, a hole, data in the last three. */
static void make_disk(const char *path) {
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
static int panics;

static void take(const char *fmt, va_list args) {
  pthread_mutex_lock(&log_lock);
  int len = vsnprintf(log_text + log_used, sizeof log_text - log_used, fmt, args);
  if (len > 0 && log_used + (size_t)len < sizeof log_text) log_used += (size_t)len;
  pthread_mutex_unlock(&log_lock);
}

static void take_panic(const char *fmt, va_list args) {
  take(fmt, args);
  panics++;
}

static bool logged(const char *part) {
  pthread_mutex_lock(&log_lock);
  bool found = strstr(log_text, part) != NULL;
  pthread_mutex_unlock(&log_lock);
  return found;
}

/* One world after the other */

static char *trace;

static void write_world(const char *lines) {
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

static void begin(const char *lines) {
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

static void end(void) {
  VixDiskLib_Exit();
  free(trace);
  trace = read_file(in("trace.jsonl"));
}

static int count(const char *part) {
  int found = 0;
  for (const char *at = trace; (at = strstr(at, part)) != NULL; at++) found++;
  return found;
}

/** How often a rule was broken. */
static int broken(const char *kind) {
  char part[100];
  snprintf(part, sizeof part, "\"violation\":\"%s\"", kind);
  return count(part);
}

static void end_clean(int line) {
  end();
  if (count("\"violations\":0,\"leaks\":0") == 1 && count("\"violation\":") == 0 && count("\"leak\":") == 0) return;
  fail(line, "a clean end");
  fputs(trace, stderr);
}

#define END_CLEAN() end_clean(__LINE__)

static VixDiskLibConnection local(void) {
  VixDiskLibConnection connection = NULL;
  OK(VixDiskLib_ConnectEx(NULL, 0, NULL, NULL, &connection));
  return connection;
}

static VixDiskLibHandle open_disk(VixDiskLibConnection connection, const char *path, uint32_t flags) {
  VixDiskLibHandle handle = NULL;
  OK(VixDiskLib_Open(connection, path, flags, &handle));
  return handle;
}

/* Parameters as a caller prepares them */

static VixDiskLibConnectParams *new_params(const char *host, const char *vmx, const char *thumbprint) {
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

static void drop_params(VixDiskLibConnectParams *params) {
#if HAS_QUERY
  params->serverName = params->vmxSpec = params->thumbPrint = params->vimApiVer = NULL;
  memset(&params->creds, 0, sizeof params->creds);
  VixDiskLib_FreeConnectParams(params);
#else
  free(params);
#endif
}

static VixDiskLibConnection remote(const char *modes) {
  VixDiskLibConnection connection = NULL;
  VixDiskLibConnectParams *params = new_params("vc1.example", "moref=vm-16", THUMBPRINT);
  OK(VixDiskLib_ConnectEx(params, 0, NULL, modes, &connection));
  drop_params(params);
  return connection;
}

/* Tests */

static void test_init(void) {
  begin("");
  CHECK(logged("VMware VixDiskLib ("));
  CHECK(logged("caller: string \"text\", int -7, unsigned 7, 0xbeef"));
  CHECK(logged("caller: -5000000000 18000000000000000000 1 2 3 4 5"));
  CHECK(logged("caller: pointer 0x1000, double 2.50, percent 100%"));
  CODE(VixDiskLib_InitEx(6, 5, take, take, take_panic, NULL, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_Init(6, 5, take, take, take_panic, NULL), VIX_E_INVALID_ARG);
  CHECK(strcmp(VixDiskLib_ListTransportModes(), "file:san:hotadd:nbdssl:nbd") == 0);
  end();
  CHECK(logged("own thread: string \"text\", int -7"));
  CHECK(logged("own thread: ends, 1 lines of goodbye"));
  CHECK(broken("init_twice") == 2);
  CHECK(count("\"summary\":{\"calls\":{") == 1);

  // After Exit a new life begins.
  begin("standin.transports = file:nbd\nstandin.log.thread = off\nstandin.log.calls = on");
  CHECK(strcmp(VixDiskLib_ListTransportModes(), "file:nbd") == 0);
  END_CLEAN();
  CHECK(logged("ListTransportModes ends with code 0"));

  CODE(VixDiskLib_InitEx(0, 1, take, take, take_panic, NULL, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_InitEx(99, 0, take, take, take_panic, NULL, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_InitEx(6, 5, take, take, take_panic, NULL, in("missing")), VIX_E_INVALID_ARG);
  static const char *const MISTAKES[] = {
      "standin.unknown = 1", "standin.fault.1 = call=Reed", "standin.fault.1 = call=Read action=explode",
      "standin.disk.9 = path=x", "standin.police = arrest", "standin.server.1 = host=\"x", "standin.delay.1 = call=Read us=x",
      "standin.fault.1 = call=Read scope=world", "standin.check.login = never",
  };
  for (size_t i = 0; i < sizeof MISTAKES / sizeof MISTAKES[0]; i++) {
    write_world(MISTAKES[i]);
    CODE(VixDiskLib_InitEx(6, 5, take, take, take_panic, NULL, in("world.conf")), VIX_E_INVALID_ARG);
  }
  write_world("standin.trace = /nowhere/trace");
  CODE(VixDiskLib_InitEx(6, 5, take, take, take_panic, NULL, in("world.conf")), VIX_E_INVALID_ARG);
  // A second file wins.
  write_file(in("more.conf"), "standin.transports = nbd\n", 25);
  setenv("STANDIN_CONFIG", in("more.conf"), 1);
  OK(VixDiskLib_Init(6, 5, take, take, take_panic, NULL));
  CHECK(strcmp(VixDiskLib_ListTransportModes(), "nbd") == 0);
  VixDiskLib_Exit();
  unsetenv("STANDIN_CONFIG");

  write_world("");
  OK(VixDiskLib_InitEx(6, 5, take, NULL, take_panic, NULL, in("world.conf")));
  end();
  CHECK(broken("null_log") == 1);
}

static void test_outside(void) {
  uint8_t buffer[512];
  unlink(in("trace.jsonl"));
  VixDiskLibConnection connection;
  CODE(VixDiskLib_Connect(NULL, &connection), VIX_E_FAIL);
  CODE(VixDiskLib_Read(NULL, 0, 1, buffer), VIX_E_INVALID_HANDLE);
  begin("");
  end();
  CHECK(broken("before_init") == 2);
  CHECK(count("\"call\":\"Connect\"") == 1);
}

static void test_after_exit(void) {
  begin("");
  end();
  VixDiskLibConnection connection;
  CODE(VixDiskLib_Connect(NULL, &connection), VIX_E_FAIL);
  VixDiskLib_Exit();
  free(trace);
  trace = read_file(in("trace.jsonl"));
  CHECK(broken("after_exit") == 2);
}

static void test_error_text(void) {
  begin("");
  char *text = VixDiskLib_GetErrorText(16007, NULL);
  CHECK(text != NULL && strstr(text, "beyond the end") != NULL);
  VixDiskLib_FreeErrorText(text);
  text = VixDiskLib_GetErrorText(0x1234567800000000 | 3014, NULL);
  CHECK(text != NULL && strstr(text, "right") != NULL);
  VixDiskLib_FreeErrorText(text);
  text = VixDiskLib_GetErrorText(4711, NULL);
  CHECK(text != NULL);
  VixDiskLib_FreeErrorText(text);
  VixDiskLib_FreeErrorText(NULL);
  END_CLEAN();

  begin("");
  text = VixDiskLib_GetErrorText(1, "de_DE");
  VixDiskLib_FreeErrorText(text);
  VixDiskLib_FreeErrorText(text);
  char mine[] = "mine";
  VixDiskLib_FreeErrorText(mine);
  CHECK(VixDiskLib_GetErrorText(2, NULL) != NULL);
  end();
  CHECK(broken("locale") == 1 && broken("double_free") == 1 && broken("foreign_free") == 1);
  CHECK(count("\"leak\":\"error text\"") == 1);

  begin("standin.error_text = null");
  CHECK(VixDiskLib_GetErrorText(1, NULL) == NULL);
  END_CLEAN();
}

static void test_transfer(void) {
  static uint8_t buffer[DISK_SECTORS * 512];
  begin("");
  VixDiskLibConnection connection = local();
  VixDiskLibHandle handle = open_disk(connection, in("web.raw"), 0);
  CHECK(strcmp(VixDiskLib_GetTransportMode(handle), "file") == 0);
  OK(VixDiskLib_Read(handle, 0, DISK_SECTORS, buffer));
  for (int i = 0; i < DISK_SECTORS; i++) {
    bool data = i < 8 || i >= DISK_SECTORS - 3;
    CHECK(buffer[i * 512] == (data ? i % 251 + 1 : 0) && buffer[i * 512 + 511] == buffer[i * 512]);
  }
  memset(buffer, 0x77, 1024);
  OK(VixDiskLib_Write(handle, 100, 2, buffer));
  OK(VixDiskLib_Flush(handle));
  OK(VixDiskLib_Read(handle, 101, 1, buffer + 2048));
  CHECK(memcmp(buffer, buffer + 2048, 512) == 0);
  OK(VixDiskLib_Read(handle, DISK_SECTORS - 1, 1, buffer));
  CODE(VixDiskLib_Read(handle, DISK_SECTORS, 1, buffer), VIX_E_DISK_OUTOFRANGE);
  CODE(VixDiskLib_Read(handle, DISK_SECTORS - 1, 2, buffer), VIX_E_DISK_OUTOFRANGE);
  CODE(VixDiskLib_Read(handle, 1, UINT64_MAX, buffer), VIX_E_DISK_OUTOFRANGE);
  CODE(VixDiskLib_Read(handle, 0, 0, buffer), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_Read(handle, 0, 1, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_Write(handle, 0, 1, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_Write(handle, DISK_SECTORS, 1, buffer), VIX_E_DISK_OUTOFRANGE);
  // Somebody else's writing keeps all others out, reading keeps writers out.
  VixDiskLibHandle other;
  CODE(VixDiskLib_Open(connection, in("web.raw"), 0, &other), VIX_E_FILE_ALREADY_LOCKED);
  CODE(VixDiskLib_Open(connection, in("web.raw"), 4, &other), VIX_E_FILE_ALREADY_LOCKED);
  OK(VixDiskLib_Close(handle));
  handle = open_disk(connection, in("web.raw"), VIXDISKLIB_FLAG_OPEN_READ_ONLY);
  other = open_disk(connection, in("web.raw"), VIXDISKLIB_FLAG_OPEN_READ_ONLY | 16);
  CODE(VixDiskLib_Write(handle, 0, 1, buffer), VIX_E_FILE_READ_ONLY);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Close(other));
  CODE(VixDiskLib_Open(connection, in("nothing.raw"), 4, &handle), VIX_E_FILE_NOT_FOUND);
  CODE(VixDiskLib_Open(connection, NULL, 4, &handle), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_Open(connection, in("web.raw"), 0x1000, &handle), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_Open(connection, in("web.raw"), 4, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_Open(connection, folder, 4, &handle), VIX_E_INCORRECT_FILE_TYPE);
  OK(VixDiskLib_Disconnect(connection));

  // A connection for reading makes all its disks so.
  VixDiskLibConnectParams zeros = {0};
  OK(VixDiskLib_ConnectEx(&zeros, 1, "", "file:nbd", &connection));
  handle = open_disk(connection, in("web.raw"), 0);
  CODE(VixDiskLib_Write(handle, 0, 1, buffer), VIX_E_FILE_READ_ONLY);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  CODE(VixDiskLib_ConnectEx(NULL, 0, NULL, "file:carrier-pigeon", &connection), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_ConnectEx(NULL, 0, NULL, NULL, NULL), VIX_E_INVALID_ARG);
  END_CLEAN();
  CHECK(count("\"call\":\"Read\",\"handle\":") > 0);
  CHECK(count("\"start\":0,\"sectors\":2051,\"code\":0,\"bytes\":1050112,") == 1);
}

static void test_info(void) {
  begin("");
  VixDiskLibConnection connection = remote(NULL);
  VixDiskLibHandle handle = open_disk(connection, "[ds1] web/web.vmdk", 4);
  VixDiskLibInfo *info = NULL;
  OK(VixDiskLib_GetInfo(handle, &info));
  CHECK(info->capacity == DISK_SECTORS && info->numLinks == 2 && info->adapterType == VIXDISKLIB_ADAPTER_SCSI_LSILOGIC);
  CHECK(info->biosGeo.heads == 0 && info->physGeo.heads == 255 && info->physGeo.sectors == 63);
  CHECK(strcmp(info->parentFileNameHint, "base.vmdk") == 0 && strlen(info->uuid) == 47);
#if HAS_SECTOR_SIZES
  CHECK(info->logicalSectorSize == 512 && info->physicalSectorSize == 512);
#else
  // Where newer levels have sector sizes, there is rubbish.
  uint32_t behind;
  memcpy(&behind, (char *)info + 56, sizeof behind);
  CHECK(behind == 0xA5A5A5A5);
#endif
  VixDiskLib_FreeInfo(info);
  VixDiskLib_FreeInfo(NULL);
  CODE(VixDiskLib_GetInfo(handle, NULL), VIX_E_INVALID_ARG);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  END_CLEAN();
  CHECK(count("secret") == 0 && !logged("secret"));
  CHECK(file_has(in("web.meta"), "adapterType=lsilogic\n") && file_has(in("web.meta"), "geometry.heads=255\n"));

  begin("");
  connection = remote(NULL);
  handle = open_disk(connection, "[ds1] web/web.vmdk", 4);
  OK(VixDiskLib_GetInfo(handle, &info));
  VixDiskLib_FreeInfo(info);
  VixDiskLib_FreeInfo(info);
  VixDiskLib_FreeInfo((VixDiskLibInfo *)&connection);
  OK(VixDiskLib_GetInfo(handle, &info));
  ((char *)info)[sizeof *info] = 0;
  VixDiskLib_FreeInfo(info);
  OK(VixDiskLib_GetInfo(handle, &info));
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  end();
  CHECK(broken("double_free") == 1 && broken("foreign_free") == 1 && broken("overrun") == 1);
  CHECK(count("\"leak\":\"disk info\"") == 1);
}

static void test_metadata(void) {
  char value[64], keys[512];
  size_t needed = 0;
  begin("");
  VixDiskLibConnection connection = remote("nbdssl:nbd");
  VixDiskLibHandle handle = open_disk(connection, "[ds1] web/web.vmdk", 0);
  CHECK(strcmp(VixDiskLib_GetTransportMode(handle), "nbdssl") == 0);
  CODE(VixDiskLib_ReadMetadata(handle, "adapterType", NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL);
  CHECK(needed == 9);
  CODE(VixDiskLib_ReadMetadata(handle, "adapterType", value, 8, NULL), VIX_E_BUFFER_TOOSMALL);
  OK(VixDiskLib_ReadMetadata(handle, "adapterType", value, 9, NULL));
  CHECK(strcmp(value, "lsilogic") == 0);
  CODE(VixDiskLib_ReadMetadata(handle, "nonsense", value, 9, &needed), VIX_E_DISK_KEY_NOTFOUND);
  CODE(VixDiskLib_ReadMetadata(handle, NULL, value, 9, &needed), VIX_E_INVALID_ARG);
  OK(VixDiskLib_WriteMetadata(handle, "comment", "hello, world = 1"));
  OK(VixDiskLib_WriteMetadata(handle, "uuid", ""));
  CODE(VixDiskLib_WriteMetadata(handle, "a=b", "x"), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_WriteMetadata(handle, "a", "two\nlines"), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_WriteMetadata(handle, "a", NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_GetMetadataKeys(handle, NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL);
  CHECK(needed <= sizeof keys);
  OK(VixDiskLib_GetMetadataKeys(handle, keys, needed, NULL));
  CHECK(keys[needed - 1] == '\0' && keys[needed - 2] == '\0' && keys[needed - 3] != '\0');
  CHECK(strcmp(keys, "adapterType") == 0 && strcmp(keys + 12, "geometry.cylinders") == 0);
  OK(VixDiskLib_Close(handle));
  handle = open_disk(connection, "[ds1] web/web.vmdk", 4);
  OK(VixDiskLib_ReadMetadata(handle, "comment", value, sizeof value, &needed));
  CHECK(strcmp(value, "hello, world = 1") == 0 && needed == 17);
  OK(VixDiskLib_ReadMetadata(handle, "uuid", value, sizeof value, &needed));
  CHECK(value[0] == '\0' && needed == 1);
  CODE(VixDiskLib_WriteMetadata(handle, "comment", "x"), VIX_E_FILE_READ_ONLY);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  END_CLEAN();
}

static void test_query(void) {
#if HAS_QUERY
  VixDiskLibBlockList *list = NULL;
  begin("");
  VixDiskLibConnection connection = local();
  VixDiskLibHandle handle = open_disk(connection, in("web.raw"), 4);
  OK(VixDiskLib_QueryAllocatedBlocks(handle, 0, 2048, 128, &list));
  // The disk ends at 2051, and its last data lie from 2048 on; 2048 is where the page of the file begins, too.
  CHECK(list->numBlocks == 1 && list->blocks[0].offset == 0 && list->blocks[0].length == 128);
  OK(VixDiskLib_FreeBlockList(list));
  OK(VixDiskLib_QueryAllocatedBlocks(handle, 128, 256, 128, &list));
  CHECK(list->numBlocks == 0);
  OK(VixDiskLib_FreeBlockList(list));
  OK(VixDiskLib_FreeBlockList(NULL));
  CODE(VixDiskLib_QueryAllocatedBlocks(handle, 0, 2048, 64, &list), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_QueryAllocatedBlocks(handle, 64, 128, 128, &list), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_QueryAllocatedBlocks(handle, 0, 100, 128, &list), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_QueryAllocatedBlocks(handle, 0, 0, 128, &list), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_QueryAllocatedBlocks(handle, 0, 128ull * (524288 + 1), 128, &list), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_QueryAllocatedBlocks(handle, 0, 128, 128, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_QueryAllocatedBlocks(handle, 0, 2176, 128, &list), VIX_E_DISK_OUTOFRANGE);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  END_CLEAN();

  begin("standin.query_past_end = ok\nstandin.query_split = 128");
  connection = remote(NULL);
  handle = open_disk(connection, "[ds1] locked.vmdk", 4);
  OK(VixDiskLib_QueryAllocatedBlocks(handle, 1920, 256, 128, &list));
  CHECK(list->numBlocks == 2 && list->blocks[1].offset == 2048 && list->blocks[1].length == 3);
  OK(VixDiskLib_FreeBlockList(list));
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));

  VixDiskLibConnectParams *params = new_params("vc1.example", "moid=7", THUMBPRINT);
  OK(VixDiskLib_Connect(params, &connection));
  handle = open_disk(connection, "[ds1] seven.vmdk", 4);
  OK(VixDiskLib_QueryAllocatedBlocks(handle, 0, 2304, 256, &list));
  CHECK(list->numBlocks == 3 && list->blocks[0].length == 128 && list->blocks[1].offset == 128 &&
        list->blocks[2].offset == 2048 && list->blocks[2].length == 3);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_FreeBlockList(list));
  CODE(VixDiskLib_FreeBlockList(list), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_FreeBlockList((VixDiskLibBlockList *)&list), VIX_E_INVALID_ARG);
  handle = open_disk(connection, "[ds1] none.vmdk", 4);
  CODE(VixDiskLib_QueryAllocatedBlocks(handle, 0, 128, 128, &list), VIX_E_NOT_SUPPORTED);
  VixDiskLibInfo *info;
  OK(VixDiskLib_GetInfo(handle, &info));
  CHECK(info->capacity == 100);
  VixDiskLib_FreeInfo(info);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  drop_params(params);
  end();
  CHECK(broken("double_free") == 1 && broken("foreign_free") == 1);
#endif
}

static VixError try_connect(VixDiskLibConnectParams *params, const char *snapshot) {
  VixDiskLibConnection connection = NULL;
  VixError error = VixDiskLib_ConnectEx(params, 1, snapshot, "nbd", &connection);
  if (error == 0) OK(VixDiskLib_Disconnect(connection));
  return error;
}

static VixError try_open(VixDiskLibConnectParams *params, const char *snapshot, const char *path, uint32_t flags) {
  VixDiskLibConnection connection = NULL;
  VixDiskLibHandle handle = NULL;
  OK(VixDiskLib_ConnectEx(params, 0, snapshot, "nbd", &connection));
  VixError error = VixDiskLib_Open(connection, path, flags, &handle);
  if (error == 0) OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  return error;
}

static void test_remote(void) {
  begin("");
  VixDiskLibConnectParams *params = new_params("vc1.example", "moref=vm-16", THUMBPRINT);
  OK(try_connect(params, NULL));
  OK(try_connect(params, "snapshot-48"));
  CODE(try_connect(params, "snapshot-4"), VIX_E_SNAPSHOT_NOTFOUND);
  params->port = 443;
  params->nfcHostPort = 902;
  OK(try_open(params, NULL, "[ds1] web/web.vmdk", 0));
  params->port = 902;
  CODE(try_connect(params, NULL), VIX_E_CANNOT_CONNECT_TO_HOST);
  params->port = 0;
  params->nfcHostPort = 80;
  CODE(try_open(params, NULL, "[ds1] web/web.vmdk", 4), VIX_E_HOST_NETWORK_CONN_REFUSED);
  params->nfcHostPort = 0;
  params->vmxSpec = "moRef=vm-17";
  CODE(try_connect(params, NULL), VIX_E_VM_NOT_FOUND);
  params->vmxSpec = "vm-16";
  CODE(try_connect(params, NULL), VIX_E_VM_NOT_FOUND);
  params->vmxSpec = NULL;
  CODE(try_connect(params, NULL), VIX_E_VM_NOT_FOUND);
  params->vmxSpec = "[ds1] a/a.vmx";
  OK(try_connect(params, NULL));
  params->vmxSpec = "moref=vm-16";
  params->creds.uid.password = "wrong";
  CODE(try_connect(params, NULL), VIX_E_HOST_USER_PERMISSIONS);
  params->creds.uid.password = "secret";
  params->creds.uid.userName = "nobody";
  CODE(try_connect(params, NULL), VIX_E_HOST_USER_PERMISSIONS);
  params->credType = VIXDISKLIB_CRED_SESSIONID;
  params->creds.sessionId.cookie = "c00kie";
  params->creds.sessionId.userName = NULL;
  params->creds.sessionId.key = "secret";
  OK(try_connect(params, NULL));
  params->creds.sessionId.cookie = "stale";
  CODE(try_connect(params, NULL), VIX_E_HOST_USER_PERMISSIONS);
  params->credType = VIXDISKLIB_CRED_SSPI;
  CODE(try_connect(params, NULL), VIX_E_INVALID_ARG);
  params->credType = VIXDISKLIB_CRED_UID;
  params->creds.uid.userName = "backup";
  params->creds.uid.password = "secret";
  // Disks and what they ask for.
  CODE(try_open(params, NULL, "[ds1] missing.vmdk", 4), VIX_E_FILE_NOT_FOUND);
  CODE(try_open(params, NULL, "[ds1] seven.vmdk", 4), VIX_E_FILE_NOT_FOUND);
  CODE(try_open(params, NULL, "[ds1] web/snap.vmdk", 4), VIX_E_FILE_ACCESS_ERROR);
  CODE(try_open(params, "snapshot-48", "[ds1] web/snap.vmdk", 4), VIX_E_FILE_ACCESS_ERROR);
  OK(try_open(params, "snapshot-47", "[ds1] web/snap.vmdk", 4));
  OK(try_open(params, NULL, "[ds1] locked.vmdk", 4));
  CODE(try_open(params, NULL, "[ds1] locked.vmdk", 0), VIX_E_FILE_ALREADY_LOCKED);
  params->vmxSpec = "moref=7";
  CODE(try_open(params, NULL, "[ds1] seven.vmdk", 0), VIX_E_FILE_READ_ONLY);
  CODE(try_open(params, NULL, "[ds1] new.vmdk", 0), VIX_E_FILE_NOT_FOUND);
  // The thumbprint is looked at when the disk is opened.
  params->thumbPrint = "11:22";
  OK(try_connect(params, NULL));
  CODE(try_open(params, NULL, "[ds1] seven.vmdk", 4), VIX_E_FAIL);
  CHECK(logged("expected thumbprint \"11:22\", actual thumbprint \"" THUMBPRINT "\""));
  params->thumbPrint = NULL;
  CODE(try_open(params, NULL, "[ds1] seven.vmdk", 4), VIX_E_FAIL);
  params->thumbPrint = "aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd";
  OK(try_open(params, NULL, "[ds1] seven.vmdk", 4));
  // Other servers.
  params->serverName = "nowhere.example";
  CODE(try_connect(params, NULL), VIX_E_HOST_SERVER_NOT_FOUND);
  params->serverName = "shut.example";
  CODE(try_open(params, NULL, "[ds1] seven.vmdk", 4), VIX_E_HOST_NETWORK_CONN_REFUSED);
#if HAS_QUERY
  params->specType = VIXDISKLIB_SPEC_VSTORAGE_OBJECT;
  CODE(try_connect(params, NULL), VIX_E_NOT_SUPPORTED);
  params->specType = VIXDISKLIB_SPEC_VM;
#endif
  drop_params(params);
  END_CLEAN();
  CHECK(count("\"user\":\"nobody\"") == 1 && count("wrong") == 0);

  begin("standin.check.login = open\nstandin.check.vm = open\nstandin.check.snapshot = open\n"
        "standin.check.thumbprint = connect\nstandin.login_code = 35\nstandin.unknown_server_code = 18000");
  params = new_params("vc1.example", "moref=vm-16", "no");
  CODE(try_connect(params, NULL), VIX_E_FAIL);
  params->thumbPrint = THUMBPRINT;
  params->creds.uid.password = "wrong";
  CODE(try_open(params, NULL, "[ds1] web/web.vmdk", 4), 35);
  params->creds.uid.password = "secret";
  params->vmxSpec = "moref=vm-1";
  CODE(try_open(params, NULL, "[ds1] web/web.vmdk", 4), VIX_E_VM_NOT_FOUND);
  params->vmxSpec = "moref=vm-16";
  CODE(try_open(params, "snapshot-1", "[ds1] web/web.vmdk", 4), VIX_E_SNAPSHOT_NOTFOUND);
  params->serverName = "nowhere.example";
  CODE(try_connect(params, NULL), VIX_E_CANNOT_CONNECT_TO_HOST);
  drop_params(params);
  END_CLEAN();
}

static void test_limits(void) {
  static uint8_t buffer[256 * 512];
  begin("standin.transports = file:nbd");
  VixDiskLibConnectParams *params = new_params("small.example", "moref=7", NULL);
  VixDiskLibConnection connection;
  params->port = 8443;
  params->nfcHostPort = 903;
  OK(VixDiskLib_ConnectEx(params, 1, NULL, "san:nbd", &connection));
  VixDiskLibHandle handle = open_disk(connection, "[ds1] seven.vmdk", 4), other;
  CHECK(strcmp(VixDiskLib_GetTransportMode(handle), "nbd") == 0);
  OK(VixDiskLib_Read(handle, 0, 128, buffer));
  CODE(VixDiskLib_Read(handle, 0, 129, buffer), VIX_E_OUT_OF_MEMORY);
  CHECK(logged("NFC error 5"));
  CODE(VixDiskLib_Open(connection, "[ds1] none.vmdk", 4, &other), VIX_E_OUT_OF_MEMORY);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  // Advanced modes that are not there end in NBDSSL, others in an error.
  OK(VixDiskLib_ConnectEx(params, 1, NULL, "hotadd", &connection));
  handle = open_disk(connection, "[ds1] seven.vmdk", 4);
  CHECK(strcmp(VixDiskLib_GetTransportMode(handle), "nbdssl") == 0);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  OK(VixDiskLib_ConnectEx(params, 1, NULL, "nbdssl", &connection));
  CODE(VixDiskLib_Open(connection, "[ds1] seven.vmdk", 4, &handle), VIX_E_FAIL);
  OK(VixDiskLib_Disconnect(connection));
  drop_params(params);

  // Four calls, then the session is over; what closes still works.
  params = new_params("esx.example", "moref=7", NULL);
  params->creds.uid.userName = "root";
  OK(VixDiskLib_ConnectEx(params, 1, NULL, "nbd", &connection));
  handle = open_disk(connection, "[ds1] seven.vmdk", 4);
  for (int i = 0; i < 3; i++) OK(VixDiskLib_Read(handle, 0, 1, buffer));
  CODE(VixDiskLib_Read(handle, 0, 1, buffer), VIX_E_INVALID_AUTHENTICATION_SESSION);
  CODE(VixDiskLib_Open(connection, "[ds1] none.vmdk", 4, &other), VIX_E_INVALID_AUTHENTICATION_SESSION);
  CHECK(strcmp(VixDiskLib_GetTransportMode(handle), "nbd") == 0);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  OK(VixDiskLib_ConnectEx(params, 1, NULL, "nbd", &connection));
  handle = open_disk(connection, "[ds1] seven.vmdk", 4);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  drop_params(params);
  END_CLEAN();

  begin("standin.server.9 = host=brief.example session_seconds=1");
  params = new_params("brief.example", "moref=7", NULL);
  OK(VixDiskLib_ConnectEx(params, 1, NULL, "nbd", &connection));
  sleep_ms(1100);
  CODE(VixDiskLib_Open(connection, "[ds1] seven.vmdk", 4, &handle), VIX_E_INVALID_AUTHENTICATION_SESSION);
  OK(VixDiskLib_Disconnect(connection));
  drop_params(params);
  END_CLEAN();
}

static void test_params(void) {
  begin("");
  VixDiskLibConnection connection = remote("nbd");
  VixDiskLibConnectParams *params = NULL;
  OK(VixDiskLib_GetConnectParams(connection, &params));
  CHECK(strcmp(params->serverName, "vc1.example") == 0 && strcmp(params->vmxSpec, "moref=vm-16") == 0);
  CHECK(strcmp(params->creds.uid.userName, "backup") == 0 && params->creds.uid.password == NULL);
  CODE(VixDiskLib_GetConnectParams(connection, NULL), VIX_E_INVALID_ARG);
  VixDiskLib_FreeConnectParams(params);
  VixDiskLib_FreeConnectParams(NULL);
  OK(VixDiskLib_Disconnect(connection));
  END_CLEAN();

  begin("");
  connection = local();
  OK(VixDiskLib_GetConnectParams(connection, &params));
  CHECK(params->serverName == NULL);
  params->serverName = "mine";
  VixDiskLib_FreeConnectParams(params);
  VixDiskLib_FreeConnectParams(params);
  VixDiskLibConnectParams mine = {0};
  VixDiskLib_FreeConnectParams(&mine);
  OK(VixDiskLib_GetConnectParams(connection, &params));
  OK(VixDiskLib_Disconnect(connection));
  mine.vmxSpec = "moref=vm-16";
  mine.credType = VIXDISKLIB_CRED_UID;
  CODE(VixDiskLib_Connect(&mine, &connection), VIX_E_INVALID_ARG);
  mine.serverName = "vc1.example";
  CODE(VixDiskLib_Connect(&mine, &connection), VIX_E_INVALID_ARG);
  mine.creds.uid.userName = "backup";
  mine.creds.uid.password = "secret";
  OK(VixDiskLib_Connect(&mine, &connection));
  OK(VixDiskLib_Disconnect(connection));
  end();
  CHECK(broken("foreign_pointer") == 1 && broken("double_free") == 1 && broken("foreign_free") == 1);
  CHECK(broken("null_parameter") == 2 && broken("params_state") == HAS_QUERY);
  CHECK(count("\"leak\":\"connect params\"") == 1);
}

static void test_access(void) {
  uint32_t cleaned = 9, remaining = 9;
  static const char LONG[] = "123456789012345678901234567890123456789012345678901";
  begin("standin.cleanup.cleaned = 2\nstandin.cleanup.remaining = 1");
  VixDiskLibConnectParams *params = new_params("vc1.example", "moref=vm-16", THUMBPRINT);
  OK(VixDiskLib_PrepareForAccess(params, "vmdkbkp"));
  OK(VixDiskLib_EndAccess(params, "vmdkbkp"));
  CODE(VixDiskLib_PrepareForAccess(params, LONG), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_PrepareForAccess(params, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_PrepareForAccess(NULL, "vmdkbkp"), VIX_E_INVALID_ARG);
  params->vmxSpec = NULL;
  OK(VixDiskLib_Cleanup(params, &cleaned, &remaining));
  CHECK(cleaned == 2 && remaining == 1);
  OK(VixDiskLib_Cleanup(params, NULL, NULL));
  OK(VixDiskLib_Cleanup(NULL, &cleaned, &remaining));
  CHECK(cleaned == 0 && remaining == 0);
  params->serverName = "esx.example";
  params->vmxSpec = "moref=7";
  params->creds.uid.userName = "root";
  CODE(VixDiskLib_PrepareForAccess(params, "vmdkbkp"), VIX_E_NOT_SUPPORTED);
  drop_params(params);
  END_CLEAN();

  begin("standin.cleanup.code = 26");
  params = new_params("vc1.example", "moref=vm-16", THUMBPRINT);
  OK(VixDiskLib_PrepareForAccess(params, "one"));
  OK(VixDiskLib_EndAccess(params, "two"));
  CODE(VixDiskLib_Cleanup(params, &cleaned, &remaining), VIX_E_HOST_NOT_CONNECTED);
  drop_params(params);
  end();
  CHECK(broken("access") == 2 && broken("cleanup_vmxspec") == 1);
  CHECK(count("Exit without EndAccess: access.vc1.example.vm-16.one") > 0);
}

static void test_faults(void) {
  uint8_t buffer[512];
  char world[2048];
  VixError error;
  begin("standin.fault.1 = call=Read disk=web after=2 times=2 code=14011 high=0x12340000\n"
        "standin.fault.2 = call=Write sector=77 times=1000 code=7\n"
        "standin.fault.3 = call=Close code=13\nstandin.fault.4 = call=GetInfo disk=other code=2\n"
        "standin.fault.5 = call=Flush action=delay:200000\nstandin.delay.1 = call=Write us=1 us_per_mib=400000");
  VixDiskLibConnection connection = local();
  VixDiskLibHandle handle = open_disk(connection, in("web.raw"), 0);
  OK(VixDiskLib_Read(handle, 0, 1, buffer));
  OK(VixDiskLib_Read(handle, 0, 1, buffer));
  memset(buffer, 0, sizeof buffer);
  error = VixDiskLib_Read(handle, 0, 1, buffer);
  CHECK(error == (14011 | 0x12340000) && buffer[0] == 0xEE);
  CODE(VixDiskLib_Read(handle, 0, 1, buffer), 14011);
  OK(VixDiskLib_Read(handle, 0, 1, buffer));
  CHECK(buffer[0] == 1);
  OK(VixDiskLib_Write(handle, 76, 1, buffer));
  CODE(VixDiskLib_Write(handle, 77, 1, buffer), VIX_E_FILE_ERROR);
  OK(VixDiskLib_Write(handle, 78, 1, buffer));
  double before = seconds();
  OK(VixDiskLib_Flush(handle));
  CHECK(seconds() - before > 0.19);
  static uint8_t large[1024 * 512];
  before = seconds();
  OK(VixDiskLib_Write(handle, 512, 1024, large));
  CHECK(seconds() - before > 0.19);
  VixDiskLibInfo *info;
  OK(VixDiskLib_GetInfo(handle, &info));
  VixDiskLib_FreeInfo(info);
  CODE(VixDiskLib_Close(handle), 13);
  OK(VixDiskLib_Disconnect(connection));
  END_CLEAN();
  CHECK(count("\"fault\":1,\"in\":\"Read\",\"action\":\"code\",\"code\":14011") == 2);
  CHECK(count("\"error\":\"0x123436bb\"") == 2);

  // A reservation conflict: only a new process, or what is said to, heals it. The count of the fault goes on.
  static const char *const HEALS[] = {"", "heal=init"};
  for (int i = 0; i < 2; i++) {
    make_disk(in(i == 0 ? "one.raw" : "two.raw"));
    const char *path = in(i == 0 ? "one.raw" : "two.raw");
    snprintf(world, sizeof world, "standin.fault.1 = call=Read disk=%s action=sticky code=7 %s", path, HEALS[i]);
    for (int life = 0; life < 2; life++) {
      unsigned code = life == 1 && i == 1 ? 0 : 7;
      begin(world);
      connection = local();
      handle = open_disk(connection, path, 0);
      CODE(VixDiskLib_Read(handle, 0, 1, buffer), code);
      CODE(VixDiskLib_Read(handle, 0, 1, buffer), code);
      CODE(VixDiskLib_Write(handle, 0, 1, buffer), code);
      OK(VixDiskLib_Close(handle));
      handle = open_disk(connection, path, 0);
      CODE(VixDiskLib_Read(handle, 0, 1, buffer), code);
      OK(VixDiskLib_Close(handle));
      handle = open_disk(connection, in("web.raw"), 4);
      OK(VixDiskLib_Read(handle, 0, 1, buffer));
      OK(VixDiskLib_Close(handle));
      OK(VixDiskLib_Disconnect(connection));
      END_CLEAN();
    }
  }

  // Counted in the world, in a file.
  unlink(in("state"));
  snprintf(world, sizeof world, "standin.state = %s\nstandin.fault.7 = call=Read after=1 times=2 code=2 scope=world",
           in("state"));
  for (int life = 0; life < 2; life++) {
    begin(world);
    connection = local();
    handle = open_disk(connection, in("web.raw"), 4);
    CODE(VixDiskLib_Read(handle, 0, 1, buffer), life == 0 ? 0 : 2);
    CODE(VixDiskLib_Read(handle, 0, 1, buffer), life == 0 ? 2 : 0);
    OK(VixDiskLib_Close(handle));
    OK(VixDiskLib_Disconnect(connection));
    END_CLEAN();
  }
  CHECK(file_has(in("state"), "fault.7=4\n"));

  write_world("standin.fault.1 = call=InitEx code=16053 times=1");
  CODE(VixDiskLib_InitEx(6, 5, take, take, take_panic, NULL, in("world.conf")), 16053);
  OK(VixDiskLib_InitEx(6, 5, take, take, take_panic, NULL, in("world.conf")));
  VixDiskLib_Exit();
}

/* Other threads */

typedef struct {
  VixDiskLibConnection connection;
  VixDiskLibHandle handle;
  VixError error;
} Job;

static void *do_open(void *data) {
  Job *job = data;
  job->error = VixDiskLib_Open(job->connection, in("web.raw"), 4, &job->handle);
  return NULL;
}

static void *do_close(void *data) {
  Job *job = data;
  job->error = VixDiskLib_Close(job->handle);
  return NULL;
}

static void *do_read(void *data) {
  Job *job = data;
  uint8_t buffer[512];
  job->error = VixDiskLib_Read(job->handle, 0, 1, buffer);
  return NULL;
}

static void *do_query(void *data) {
#if HAS_QUERY
  Job *job = data;
  VixDiskLibBlockList *list;
  job->error = VixDiskLib_QueryAllocatedBlocks(job->handle, 0, 128, 128, &list);
  if (job->error == 0) VixDiskLib_FreeBlockList(list);
#else
  (void)data;
#endif
  return NULL;
}

static void elsewhere(void *(*work)(void *), Job *job) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, work, job) == 0);
  pthread_join(thread, NULL);
}

/* No test waits for a time in which something has probably happened: a call is held until a file exists. */

static void begin_held(const char *call, const char *more) {
  char world[1024];
  unlink(in("go"));
  snprintf(world, sizeof world, "standin.fault.1 = call=%s action=hang_until:%s\n%s", call, in("go"), more);
  begin(world);
}

static void release(void) {
  write_file(in("go"), "", 0);
}

/** Waits until the trace has a line with this in it. */
static void await(const char *part) {
  double until = seconds() + 30;
  while (!file_has(in("trace.jsonl"), part) && seconds() < until) sleep_ms(2);
  CHECK(file_has(in("trace.jsonl"), part));
}

/** Starts a call on another thread and returns when it is held. */
static pthread_t start_held(void *(*work)(void *), Job *job) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, work, job) == 0);
  await("\"fault\":1");
  return thread;
}

static void *release_after(void *part) {
  await(part);
  release();
  return NULL;
}

static void test_threads(void) {
  uint8_t buffer[512];
  Job job = {0};
  pthread_t thread, helper;
  // The first Open says which thread it is; reading may happen anywhere.
  begin("");
  job.connection = local();
  elsewhere(do_open, &job);
  OK(job.error);
  OK(VixDiskLib_Read(job.handle, 0, 1, buffer));
  elsewhere(do_close, &job);
  OK(job.error);
  OK(VixDiskLib_Disconnect(job.connection));
  end();
  CHECK(broken("thread") == 1 && count("\"leak\"") == 0);

  begin_held("Read", "");
  job.connection = local();
  job.handle = open_disk(job.connection, in("web.raw"), 4);
  elsewhere(do_query, &job);
  thread = start_held(do_read, &job);
  OK(VixDiskLib_Read(job.handle, 1, 1, buffer));
  release();
  pthread_join(thread, NULL);
  OK(job.error);
  end();
  CHECK(broken("thread") == HAS_QUERY && broken("overlap") == 1);
  CHECK(count("\"leak\":\"handle\"") == 1 && count("\"leak\":\"connection\"") == 1);

  make_disk(in("slow.raw"));
  begin_held("Open disk=web", "");
  job.connection = local();
  VixDiskLibHandle handle = open_disk(job.connection, in("slow.raw"), 4);
  thread = start_held(do_open, &job);
  OK(VixDiskLib_Close(handle));
  release();
  pthread_join(thread, NULL);
  OK(VixDiskLib_Close(job.handle));
  OK(VixDiskLib_Disconnect(job.connection));
  end();
  CHECK(broken("overlap") == 1 && broken("thread") == 1);

  // Exit does not wait for a call that hangs, and the call survives it.
  begin_held("Read high=0x10000", "");
  job.connection = local();
  job.handle = open_disk(job.connection, in("web.raw"), 4);
  thread = start_held(do_read, &job);
  end();
  release();
  pthread_join(thread, NULL);
  OK(job.error);
  CHECK(broken("exit_busy") == 1 && count("\"leak\":\"handle\"") == 1);

  // Close waits for the Read.
  begin_held("Read high=0x20000", "");
  job.connection = local();
  job.handle = open_disk(job.connection, in("web.raw"), 4);
  thread = start_held(do_read, &job);
  CHECK(pthread_create(&helper, NULL, release_after, "\"violation\":\"overlap\"") == 0);
  OK(VixDiskLib_Close(job.handle));
  pthread_join(helper, NULL);
  pthread_join(thread, NULL);
  OK(job.error);
  elsewhere(do_read, &job);
  CODE(job.error, VIX_E_INVALID_HANDLE);
  OK(VixDiskLib_Disconnect(job.connection));
  end();
  CHECK(broken("overlap") == 1 && broken("use_after_close") == 1);

  begin("standin.police.off = thread,overlap");
  job.connection = local();
  elsewhere(do_open, &job);
  OK(VixDiskLib_Close(job.handle));
  OK(VixDiskLib_Disconnect(job.connection));
  END_CLEAN();
}

static void test_misuse(void) {
  static uint8_t buffer[1024] __attribute__((aligned(512)));
  begin("standin.police.write_without_snapshot = on");
  VixDiskLibConnection connection = local(), other = local();
  VixDiskLibHandle handle = open_disk(connection, in("web.raw"), 4);
  OK(VixDiskLib_Close(handle));
  CODE(VixDiskLib_Close(handle), VIX_E_INVALID_HANDLE);
  CODE(VixDiskLib_Read(handle, 0, 1, buffer), VIX_E_INVALID_HANDLE);
  CHECK(VixDiskLib_GetTransportMode(handle) == NULL);
  CODE(VixDiskLib_Read((VixDiskLibHandle)buffer, 0, 1, buffer), VIX_E_INVALID_HANDLE);
  CODE(VixDiskLib_Close(NULL), VIX_E_INVALID_HANDLE);
  CODE(VixDiskLib_Disconnect((VixDiskLibConnection)buffer), VIX_E_DISK_INVALID_CONNECTION);
  handle = open_disk(other, in("web.raw"), 4 | VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
  OK(VixDiskLib_Read(handle, 0, 1, buffer));
  OK(VixDiskLib_Read(handle, 0, 1, buffer + 16));
  OK(VixDiskLib_Disconnect(other));
  CODE(VixDiskLib_Read(handle, 0, 1, buffer), VIX_E_INVALID_HANDLE);
  CODE(VixDiskLib_Disconnect(other), VIX_E_DISK_INVALID_CONNECTION);
  CODE(VixDiskLib_Open(other, in("web.raw"), 4, &handle), VIX_E_DISK_INVALID_CONNECTION);
  OK(VixDiskLib_Disconnect(connection));
  connection = remote("nbd");
  handle = open_disk(connection, "[ds1] web/web.vmdk", 0);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  end();
  CHECK(broken("double_close") == 1 && broken("use_after_close") == 3);
  CHECK(broken("invalid_handle") == 2 && broken("invalid_connection") == 1);
  CHECK(broken("unaligned") == 1 && broken("open_handles") == 1 && broken("write_without_snapshot") == 1);
  CHECK(broken("double_disconnect") == 1 && broken("use_after_disconnect") == 1);
  CHECK(count("\"violations\":12,\"leaks\":0") == 1);
  CHECK(logged("Stand-in: violation: unaligned: Read to or from"));

  // Mistakes as error codes.
  begin("standin.police = error\nstandin.police.code = 5");
  connection = local();
  handle = open_disk(connection, in("web.raw"), 4 | VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
  CODE(VixDiskLib_Read(handle, 0, 1, buffer + 16), VIX_E_OBJECT_IS_BUSY);
  CODE(VixDiskLib_Disconnect(connection), VIX_E_OBJECT_IS_BUSY);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  end();
}

/* Asynchronous requests */

static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static int done_count;
static int done_order[16];
static VixError done_result;

static void on_done(void *data, VixError result) {
  pthread_mutex_lock(&done_lock);
  if (done_count < 16) done_order[done_count] = (int)(intptr_t)data;
  done_count++;
  done_result = result;
  pthread_mutex_unlock(&done_lock);
}

static VixDiskLibHandle again_handle;
static uint8_t again_buffer[512];

static void on_done_again(void *data, VixError result) {
  on_done(data, result);
  if ((intptr_t)data > 0) {
    CODE(VixDiskLib_ReadAsync(again_handle, 0, 1, again_buffer, on_done_again, (void *)((intptr_t)data - 1)), VIX_ASYNC);
  }
}

static void on_done_waiting(void *data, VixError result) {
  CODE(VixDiskLib_Wait(again_handle), VIX_E_INVALID_ARG);
  on_done(data, result);
}

static void test_async(void) {
  static uint8_t buffers[8][512];
  static const char *const MODES[] = {"inline", "thread", "shuffle"};
  for (int mode = 0; mode < 3; mode++) {
    char world[1024];
    snprintf(world, sizeof world,
             "standin.async = %s\nstandin.fault.1 = call=ReadAsync at=completion after=12 code=14011 high=0x%d0000\n"
             "standin.fault.2 = call=WriteAsync code=7 high=0x%d0000\n"
             "standin.fault.3 = call=ReadAsync at=completion high=0x%d0000 action=hang_until:%s",
             MODES[mode], mode, mode, mode, in("go"));
    unlink(in("go"));
    if (mode == 0) release();
    begin(world);
    VixDiskLibConnection connection = local();
    VixDiskLibHandle handle = again_handle = open_disk(connection, in("web.raw"), 0);
    done_count = 0;
    for (intptr_t i = 0; i < 8; i++) {
      CODE(VixDiskLib_ReadAsync(handle, (uint64_t)i, 1, buffers[i], on_done, (void *)i), VIX_ASYNC);
    }
    CHECK(done_count == (mode == 0 ? 8 : 0));
    release();
    OK(VixDiskLib_Wait(handle));
    CHECK(done_count == 8 && done_result == 0);
    for (int i = 0; i < 8; i++) CHECK(buffers[i][0] == i + 1);
    if (mode < 2) CHECK(done_order[0] == 0 && done_order[7] == 7);
    else CHECK(done_order[7] != 7);
    CODE(VixDiskLib_ReadAsync(handle, 0, 1, again_buffer, on_done_again, (void *)3), VIX_ASYNC);
    OK(VixDiskLib_Wait(handle));
    CHECK(done_count == 12);
    CODE(VixDiskLib_ReadAsync(handle, 0, 1, buffers[0], on_done, NULL), VIX_ASYNC);
    OK(VixDiskLib_Flush(handle));
    CHECK(VIX_ERROR_CODE(done_result) == 14011);
    CODE(VixDiskLib_WriteAsync(handle, 0, 1, buffers[1], on_done, NULL), VIX_E_FILE_ERROR);
    CODE(VixDiskLib_WriteAsync(handle, 9, 1, buffers[1], on_done, NULL), VIX_ASYNC);
    OK(VixDiskLib_Wait(handle));
    CHECK(done_count == 14 && done_result == 0);
    CODE(VixDiskLib_ReadAsync(handle, DISK_SECTORS, 1, buffers[0], on_done, NULL), VIX_E_DISK_OUTOFRANGE);
    CODE(VixDiskLib_ReadAsync(handle, 0, 1, buffers[0], NULL, NULL), VIX_E_INVALID_ARG);
    OK(VixDiskLib_Read(handle, 9, 1, buffers[0]));
    CHECK(buffers[0][0] == 2);
    OK(VixDiskLib_Close(handle));
    OK(VixDiskLib_Disconnect(connection));
    END_CLEAN();
    CHECK(count("\"completion\":\"ReadAsync\"") == 13);
  }

  begin_held("ReadAsync at=completion times=2", "standin.async = thread");
  VixDiskLibConnection connection = local();
  VixDiskLibHandle handle = again_handle = open_disk(connection, in("web.raw"), 4);
  CODE(VixDiskLib_ReadAsync(handle, 0, 1, buffers[0], on_done_waiting, NULL), VIX_ASYNC);
  OK(VixDiskLib_Read(handle, 0, 1, buffers[1]));
  release();
  OK(VixDiskLib_Wait(handle));
  done_count = 0;
  unlink(in("go"));
  CODE(VixDiskLib_ReadAsync(handle, 0, 1, buffers[0], on_done, NULL), VIX_ASYNC);
  pthread_t helper;
  CHECK(pthread_create(&helper, NULL, release_after, "\"violation\":\"pending\"") == 0);
  OK(VixDiskLib_Close(handle));
  pthread_join(helper, NULL);
  CHECK(done_count == 1);
  OK(VixDiskLib_Disconnect(connection));
  end();
  CHECK(broken("mixed") == 1 && broken("wait_in_completion") == 1 && broken("pending") == 1);
}

/* Management */

static int percents;
static int last_percent;

static Bool on_progress(void *data, int percent) {
  CHECK(data == &percents && percent >= last_percent && percent <= 100);
  last_percent = percent;
  percents++;
  return 1;
}

static void reset_progress(void) {
  percents = last_percent = 0;
}

static void test_manage(void) {
  static const char *const FILES[] = {"new.vmdk", "new-flat.vmdk", "moved.vmdk", "moved-flat.vmdk", "clone.vmdk",
                                      "clone-flat.vmdk", "new.raw"};
  static uint8_t buffer[512];
  char value[64];
  for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) unlink(in(FILES[i]));
  begin("");
  VixDiskLibConnection connection = local(), far = remote("nbd");
  VixDiskLibCreateParams params = {.diskType = VIXDISKLIB_DISK_MONOLITHIC_FLAT,
                                   .adapterType = VIXDISKLIB_ADAPTER_IDE,
                                   .hwVersion = 8,
                                   .capacity = 20480};
  reset_progress();
  OK(VixDiskLib_Create(connection, in("new.vmdk"), &params, on_progress, &percents));
  CHECK(percents > 2 && last_percent == 100);
  CODE(VixDiskLib_Create(connection, in("new.vmdk"), &params, NULL, NULL), VIX_E_FILE_ALREADY_EXISTS);
  CODE(VixDiskLib_Create(far, "[ds1] x.vmdk", &params, NULL, NULL), VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT);
  CODE(VixDiskLib_Create(connection, in("x.vmdk"), NULL, NULL, NULL), VIX_E_INVALID_ARG);
  params.diskType = VIXDISKLIB_DISK_STREAM_OPTIMIZED;
  CODE(VixDiskLib_Create(connection, in("x.vmdk"), &params, NULL, NULL), VIX_E_NOT_SUPPORTED);
  params.diskType = VIXDISKLIB_DISK_MONOLITHIC_FLAT;
  params.capacity = 0;
  CODE(VixDiskLib_Create(connection, in("x.vmdk"), &params, NULL, NULL), VIX_E_INVALID_ARG);
#if HAS_SECTOR_SIZES
  params.capacity = 128;
  params.logicalSectorSize = 0xDEAD;
  CODE(VixDiskLib_Create(connection, in("x.vmdk"), &params, NULL, NULL), VIX_E_INVALID_ARG);
#endif

  VixDiskLibHandle handle = open_disk(connection, in("new.vmdk"), 0);
  VixDiskLibInfo *info;
  OK(VixDiskLib_GetInfo(handle, &info));
  CHECK(info->capacity == 20480 && info->adapterType == VIXDISKLIB_ADAPTER_IDE && info->physGeo.heads == 16);
  CHECK(info->physGeo.cylinders == 20 && info->numLinks == 1);
  VixDiskLib_FreeInfo(info);
  memset(buffer, 0x42, sizeof buffer);
  OK(VixDiskLib_Write(handle, 20479, 1, buffer));
  OK(VixDiskLib_WriteMetadata(handle, "comment", "kept"));
  OK(VixDiskLib_ReadMetadata(handle, "virtualHWVersion", value, sizeof value, NULL));
  CHECK(strcmp(value, "8") == 0);
  uint64_t space = 0;
  OK(VixDiskLib_SpaceNeededForClone(handle, VIXDISKLIB_DISK_VMFS_THIN, &space));
  CHECK(space == 20480 * 512);
  CODE(VixDiskLib_SpaceNeededForClone(handle, VIXDISKLIB_DISK_VMFS_THIN, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_Shrink(handle, NULL, NULL), VIX_E_DISK_CANTSHRINK);
  CODE(VixDiskLib_Defragment(handle, NULL, NULL), VIX_E_NOT_SUPPORTED);
  CODE(VixDiskLib_CreateChild(handle, in("child.vmdk"), 1, NULL, NULL), VIX_E_NOT_SUPPORTED);
  CODE(VixDiskLib_Attach(handle, handle), VIX_E_NOT_SUPPORTED);
  CODE(VixDiskLib_IsAttachPossible(handle, NULL), VIX_E_INVALID_HANDLE);
  CODE(VixDiskLib_Grow(connection, in("new.vmdk"), 40960, 1, NULL, NULL), VIX_E_FILE_ALREADY_LOCKED);
  CODE(VixDiskLib_Unlink(connection, in("new.vmdk")), VIX_E_FILE_ALREADY_LOCKED);
  OK(VixDiskLib_Close(handle));

  OK(VixDiskLib_Grow(connection, in("new.vmdk"), 40960, 1, on_progress, &percents));
  CODE(VixDiskLib_Grow(connection, in("new.vmdk"), 40960, 1, NULL, NULL), VIX_E_INVALID_ARG);
  CODE(VixDiskLib_Grow(far, "[ds1] web/web.vmdk", 40960, 1, NULL, NULL), VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT);
  OK(VixDiskLib_Rename(in("new.vmdk"), in("moved.vmdk")));
  CODE(VixDiskLib_Rename(in("new.vmdk"), in("moved.vmdk")), VIX_E_FILE_NOT_FOUND);
  CHECK(access(in("new-flat.vmdk"), F_OK) != 0 && file_has(in("moved.vmdk"), "RW 40960 FLAT \"moved-flat.vmdk\" 0\n"));
  CHECK(file_has(in("moved.vmdk"), "ddb.geometry.cylinders = \"40\"\n"));
  CHECK(file_has(in("moved.vmdk"), "ddb.comment = \"kept\"\n") && file_has(in("moved.vmdk"), "createType=\"monolithicFlat\"\n"));

  OK(VixDiskLib_CheckRepair(connection, in("moved.vmdk"), 0));
  CHECK(truncate(in("moved-flat.vmdk"), 20480 * 512) == 0);
  CODE(VixDiskLib_CheckRepair(connection, in("moved.vmdk"), 0), VIX_E_DISK_NEEDS_REPAIR);
  CODE(VixDiskLib_Open(connection, in("moved.vmdk"), 4, &handle), VIX_E_DISK_NEEDS_REPAIR);
  OK(VixDiskLib_CheckRepair(connection, in("moved.vmdk"), 1));
  OK(VixDiskLib_CheckRepair(connection, in("moved.vmdk"), 0));
  CODE(VixDiskLib_CheckRepair(far, "[ds1] web/web.vmdk", 0), VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT);

  reset_progress();
  OK(VixDiskLib_Clone(connection, in("clone.vmdk"), connection, in("moved.vmdk"), NULL, on_progress, &percents, 0));
  CHECK(percents > 10 && last_percent == 100);
  CODE(VixDiskLib_Clone(connection, in("clone.vmdk"), connection, in("moved.vmdk"), NULL, NULL, NULL, 0),
       VIX_E_FILE_ALREADY_EXISTS);
  OK(VixDiskLib_Clone(connection, in("clone.vmdk"), far, "[ds1] web/web.vmdk", NULL, NULL, NULL, 1));
  handle = open_disk(connection, in("clone.vmdk"), 4);
  OK(VixDiskLib_Read(handle, DISK_SECTORS - 1, 1, buffer));
  CHECK(buffer[0] == (DISK_SECTORS - 1) % 251 + 1);
  OK(VixDiskLib_Close(handle));

  // To a disk that the world knows and that has no file yet.
  VixDiskLibConnectParams *seven = new_params("vc1.example", "moref=7", THUMBPRINT);
  VixDiskLibConnection there;
  OK(VixDiskLib_Connect(seven, &there));
  drop_params(seven);
  OK(VixDiskLib_Clone(there, "[ds1] new.vmdk", connection, in("moved.vmdk"), NULL, NULL, NULL, 0));
  CODE(VixDiskLib_Clone(there, "[ds1] new.vmdk", connection, in("moved.vmdk"), NULL, NULL, NULL, 0),
       VIX_E_FILE_ALREADY_EXISTS);
  CODE(VixDiskLib_Clone(there, "[ds1] unknown.vmdk", connection, in("moved.vmdk"), NULL, NULL, NULL, 0),
       VIX_E_FILE_NOT_FOUND);
  handle = open_disk(there, "[ds1] new.vmdk", 4);
  OK(VixDiskLib_Read(handle, 20479, 1, buffer));
  CHECK(buffer[0] == 0x42);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(there));

  OK(VixDiskLib_Unlink(connection, in("clone.vmdk")));
  CHECK(access(in("clone.vmdk"), F_OK) != 0 && access(in("clone-flat.vmdk"), F_OK) != 0);
  CODE(VixDiskLib_Unlink(connection, in("clone.vmdk")), VIX_E_FILE_NOT_FOUND);
  CODE(VixDiskLib_Unlink(far, "[ds1] web/web.vmdk"), VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT);

  // What a descriptor may not be.
  static const char TWO[] = "# Disk DescriptorFile\nparentCID=ffffffff\nRW 1 FLAT \"a\" 0\nRW 1 FLAT \"b\" 0\n";
  write_file(in("two.vmdk"), TWO, sizeof TWO - 1);
  CODE(VixDiskLib_Open(connection, in("two.vmdk"), 4, &handle), VIX_E_NOT_SUPPORTED);
  write_file(in("sparse.vmdk"), "KDMV", 4);
  CODE(VixDiskLib_Open(connection, in("sparse.vmdk"), 4, &handle), VIX_E_NOT_SUPPORTED);
  OK(VixDiskLib_Disconnect(connection));
  OK(VixDiskLib_Disconnect(far));
  END_CLEAN();
}

/* What ends a process: run in one of its own */

static int lone(const char *name) {
  uint8_t buffer[512];
  char world[1024];
  VixDiskLibConnection connection = NULL;
  VixDiskLibHandle handle = NULL;
  const char *lines = "";
  if (strcmp(name, "crash") == 0) lines = "standin.fault.1 = call=Read action=crash after=1";
  else if (strcmp(name, "exit") == 0) lines = "standin.fault.1 = call=Exit action=crash";
  else if (strcmp(name, "exit_crash") == 0) lines = "standin.fault.1 = call=Read action=exit_crash";
  else if (strcmp(name, "police") == 0) lines = "standin.police = abort";
  else if (strcmp(name, "hang") == 0) lines = "standin.fault.1 = call=Read action=hang";
  else if (strcmp(name, "panic") == 0) lines = "standin.fault.1 = call=Read action=panic";
  else if (strcmp(name, "beats") == 0) lines = "standin.log.period_ms = 10\nstandin.exit_ms = 100";
  else if (strcmp(name, "hang_until") == 0) {
    snprintf(world, sizeof world, "standin.fault.1 = call=Read action=hang_until:%s", in("go"));
    lines = world;
  }
  begin(lines);
  if (strcmp(name, "nobundle") == 0) {
    CHECK(logged("libstandinbundle.so.1: cannot open shared object file"));
    CODE(VixDiskLib_ConnectEx(NULL, 0, NULL, NULL, &connection), VIX_E_DISK_SUBSYSTEM_INIT_FAIL);
    CODE(VixDiskLib_Connect(NULL, &connection), VIX_E_DISK_SUBSYSTEM_INIT_FAIL);
    VixDiskLibConnectParams *params = new_params("vc1.example", "moref=vm-16", THUMBPRINT);
    CODE(VixDiskLib_ConnectEx(params, 0, NULL, NULL, &connection), VIX_E_DISK_SUBSYSTEM_INIT_FAIL);
    drop_params(params);
    END_CLEAN();
    return failures;
  }
  connection = local();
  handle = open_disk(connection, in("web.raw"), 4);
  if (strcmp(name, "fork") == 0) {
    pid_t child = fork();
    if (child == 0) _exit(VixDiskLib_Read(handle, 0, 1, buffer) == VIX_E_FAIL ? 0 : 1);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  VixError error = VixDiskLib_Read(handle, 0, 1, buffer);
  if (strcmp(name, "panic") == 0) {
    CODE(error, VIX_E_FAIL);
    CHECK(panics == 1 && logged("panic in Read"));
    CODE(VixDiskLib_Close(handle), VIX_E_FAIL);
    end();
    CHECK(broken("after_panic") == 1 && count("\"leak\":\"handle\"") == 1);
    return failures;
  }
  OK(error);
  OK(VixDiskLib_Read(handle, 0, 1, buffer));
  OK(VixDiskLib_Close(handle));
  if (strcmp(name, "police") == 0) VixDiskLib_Close(handle);
  if (strcmp(name, "beats") == 0) {
    for (int i = 0; i < 3000 && !logged("own thread: beat 3"); i++) sleep_ms(10);
  }
  OK(VixDiskLib_Disconnect(connection));
  if (strcmp(name, "beats") == 0) {
    double before = seconds();
    END_CLEAN();
    CHECK(seconds() - before > 0.09 && logged("own thread: beat 3"));
    return failures;
  }
  VixDiskLib_Exit();
  return failures;
}

static pid_t start(const char *name) {
  pid_t child;
  char *args[] = {(char *)self, (char *)folder, (char *)name, NULL};
  CHECK(posix_spawn(&child, self, NULL, NULL, args, environ) == 0);
  return child;
}

/** Runs a test in a process of its own; how it ended, and its trace. */
static int run(const char *name) {
  int status = -1;
  pid_t child = start(name);
  CHECK(waitpid(child, &status, 0) == child);
  free(trace);
  trace = read_file(in("trace.jsonl"));
  return status;
}

#define ABORTED(status) (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)

static void test_ends(void) {
  CHECK(ABORTED(run("crash")));
  CHECK(count("\"fault\":1,\"in\":\"Read\",\"action\":\"crash\"") == 1 && count("\"call\":\"Read\"") == 1);
  CHECK(ABORTED(run("exit")));
  CHECK(count("\"violations\":0,\"leaks\":0") == 1 && count("\"in\":\"Exit\",\"action\":\"crash\"") == 1);
  CHECK(ABORTED(run("exit_crash")));
  CHECK(count("\"action\":\"exit_crash\"") == 1 && count("\"call\":\"Read\"") == 2);
  CHECK(ABORTED(run("police")));
  CHECK(broken("double_close") == 1);
  CHECK(run("panic") == 0);
  CHECK(run("beats") == 0);
  CHECK(run("fork") == 0);
  CHECK(broken("fork") == 1);

  unlink(in("go"));
  pid_t child = start("hang_until");
  sleep_ms(400);
  CHECK(waitpid(child, NULL, WNOHANG) == 0);
  write_file(in("go"), "", 0);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);

  child = start("hang");
  sleep_ms(400);
  CHECK(waitpid(child, &status, WNOHANG) == 0);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

  const char *path = getenv("LD_LIBRARY_PATH");
  char *saved = strdup(path == NULL ? "" : path);
  unsetenv("LD_LIBRARY_PATH");
  CHECK(run("nobundle") == 0);
  setenv("LD_LIBRARY_PATH", saved, 1);
  free(saved);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: self_test FOLDER [NAME]\n");
    return 2;
  }
  self = argv[0];
  folder = argv[1];
  if (argc > 2) return lone(argv[2]);
  static void (*const TESTS[])(void) = {
      test_outside,  test_init,   test_after_exit, test_error_text, test_transfer, test_info,   test_metadata,
      test_query,    test_remote, test_limits,     test_params,     test_access,   test_faults, test_threads,
      test_misuse,   test_async,  test_manage,     test_ends,
  };
  for (size_t i = 0; i < sizeof TESTS / sizeof TESTS[0]; i++) TESTS[i]();
  free(trace);
  if (failures > 0) fprintf(stderr, "%d failures\n", failures);
  return failures > 0;
}
