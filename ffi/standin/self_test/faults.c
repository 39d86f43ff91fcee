/** Faults and delays. */

#include "harness.h"

void test_faults(void) {
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

  // A reservation conflict lasts until a new process, or until it is healed. The count of the fault goes on.
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
