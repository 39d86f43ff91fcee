/** Servers: their checks and limits, parameters and access guards. */

#include "harness.h"

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

void test_remote(void) {
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
  // Disks and the checks of their hosts.
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
  // The thumbprint is checked when the disk is opened.
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

void test_limits(void) {
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
  // Advanced modes that are not available end in NBDSSL, others in an error.
  OK(VixDiskLib_ConnectEx(params, 1, NULL, "hotadd", &connection));
  handle = open_disk(connection, "[ds1] seven.vmdk", 4);
  CHECK(strcmp(VixDiskLib_GetTransportMode(handle), "nbdssl") == 0);
  OK(VixDiskLib_Close(handle));
  OK(VixDiskLib_Disconnect(connection));
  OK(VixDiskLib_ConnectEx(params, 1, NULL, "nbdssl", &connection));
  CODE(VixDiskLib_Open(connection, "[ds1] seven.vmdk", 4, &handle), VIX_E_FAIL);
  OK(VixDiskLib_Disconnect(connection));
  drop_params(params);

  // After four calls the session ends; closing still works.
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

void test_params(void) {
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

void test_access(void) {
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
