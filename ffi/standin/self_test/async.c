/** Asynchronous requests, in each mode. */

#include "harness.h"

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

static void *release_late(void *unused) {
  (void)unused;
  // By now the other thread is in Wait. If it is not, nothing overlaps, which is correct as well.
  sleep_ms(100);
  release();
  return NULL;
}

void test_async(void) {
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

  // Wait may begin while a completion makes a call.
  begin_held("ReadAsync after=1", "standin.async = thread");
  VixDiskLibConnection connection = local();
  again_handle = open_disk(connection, in("web.raw"), 0);
  CODE(VixDiskLib_ReadAsync(again_handle, 0, 1, again_buffer, on_done_again, (void *)1), VIX_ASYNC);
  await("\"fault\":1");
  pthread_t helper;
  CHECK(pthread_create(&helper, NULL, release_late, NULL) == 0);
  OK(VixDiskLib_Wait(again_handle));
  pthread_join(helper, NULL);
  OK(VixDiskLib_Close(again_handle));
  OK(VixDiskLib_Disconnect(connection));
  END_CLEAN();

  begin_held("ReadAsync at=completion times=2", "standin.async = thread");
  connection = local();
  VixDiskLibHandle handle = again_handle = open_disk(connection, in("web.raw"), 4);
  CODE(VixDiskLib_ReadAsync(handle, 0, 1, buffers[0], on_done_waiting, NULL), VIX_ASYNC);
  OK(VixDiskLib_Read(handle, 0, 1, buffers[1]));
  release();
  OK(VixDiskLib_Wait(handle));
  done_count = 0;
  unlink(in("go"));
  CODE(VixDiskLib_ReadAsync(handle, 0, 1, buffers[0], on_done, NULL), VIX_ASYNC);
  CHECK(pthread_create(&helper, NULL, release_after, "\"violation\":\"pending\"") == 0);
  OK(VixDiskLib_Close(handle));
  pthread_join(helper, NULL);
  CHECK(done_count == 1);
  OK(VixDiskLib_Disconnect(connection));
  end();
  CHECK(broken("mixed") == 1 && broken("wait_in_completion") == 1 && broken("pending") == 1);
}
