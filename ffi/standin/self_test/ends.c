/** Tests that end a process, or need a process of their own. The program starts itself for them. */

#include "harness.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

int lone(const char *name) {
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

/** Runs a test in a process of its own; returns how it ended, and its trace. */
static int run(const char *name) {
  int status = -1;
  pid_t child = start(name);
  CHECK(waitpid(child, &status, 0) == child);
  free(trace);
  trace = read_file(in("trace.jsonl"));
  return status;
}

#define ABORTED(status) (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)

void test_ends(void) {
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
