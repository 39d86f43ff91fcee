/** Reads, writes, infos, metadata and maps. */

#include "harness.h"

void test_transfer(void) {
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
  // A disk that is open for writing excludes all others; one that is open for reading excludes writers.
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

  // A connection for reading makes all of its disks read-only.
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

void test_info(void) {
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
  // In the place of sector sizes of newer versions there is rubbish.
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

void test_metadata(void) {
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

void test_query(void) {
#if HAS_QUERY
  VixDiskLibBlockList *list = NULL;
  begin("");
  VixDiskLibConnection connection = local();
  VixDiskLibHandle handle = open_disk(connection, in("web.raw"), 4);
  OK(VixDiskLib_QueryAllocatedBlocks(handle, 0, 2048, 128, &list));
  // The disk ends at 2051, and its last data lie from 2048 on, where a page of the file begins, too.
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
