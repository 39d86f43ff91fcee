/** Rules about threads, handles and connections. */

#include "harness.h"

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

void test_threads(void) {
  uint8_t buffer[512];
  Job job = {0};
  pthread_t thread, helper;
  // The first Open decides which thread it is; reads may be made anywhere.
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

void test_misuse(void) {
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

  // Violations as error codes.
  begin("standin.police = error\nstandin.police.code = 5");
  connection = local();
  handle = open_disk(connection, in("web.raw"), 4 | VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
  CODE(VixDiskLib_Read(handle, 0, 1, buffer + 16), VIX_E_OBJECT_IS_BUSY);
  CODE(VixDiskLib_Disconnect(connection), VIX_E_OBJECT_IS_BUSY);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  end();
}
