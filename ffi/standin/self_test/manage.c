/** The management of disks. */

#include "harness.h"

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

void test_manage(void) {
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

  // To a disk of the world that has no file yet.
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

  // Descriptors that are refused.
  static const char TWO[] = "# Disk DescriptorFile\nparentCID=ffffffff\nRW 1 FLAT \"a\" 0\nRW 1 FLAT \"b\" 0\n";
  write_file(in("two.vmdk"), TWO, sizeof TWO - 1);
  CODE(VixDiskLib_Open(connection, in("two.vmdk"), 4, &handle), VIX_E_NOT_SUPPORTED);
  write_file(in("sparse.vmdk"), "KDMV", 4);
  CODE(VixDiskLib_Open(connection, in("sparse.vmdk"), 4, &handle), VIX_E_NOT_SUPPORTED);
  OK(VixDiskLib_Disconnect(connection));
  OK(VixDiskLib_Disconnect(far));
  END_CLEAN();
}
