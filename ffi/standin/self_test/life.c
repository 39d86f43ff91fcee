/** InitEx, Exit, calls outside of them, and error texts. */

#include "harness.h"

void test_init(void) {
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

  // After Exit the library can be started again.
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

void test_outside(void) {
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

void test_after_exit(void) {
  begin("");
  end();
  VixDiskLibConnection connection;
  CODE(VixDiskLib_Connect(NULL, &connection), VIX_E_FAIL);
  VixDiskLib_Exit();
  free(trace);
  trace = read_file(in("trace.jsonl"));
  CHECK(broken("after_exit") == 2);
}

void test_error_text(void) {
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
