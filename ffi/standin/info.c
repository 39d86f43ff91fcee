/** GetInfo and FreeInfo. */

#include <string.h>

#include "call.h"

static VixDiskLibGeometry geometry(const Metadata *metadata, const char *cylinders, const char *heads,
                                   const char *sectors) {
  return (VixDiskLibGeometry){(uint32_t)metadata_number(metadata, cylinders),
                              (uint32_t)metadata_number(metadata, heads),
                              (uint32_t)metadata_number(metadata, sectors)};
}

static char *put(char **tail, const char *text) {
  if (text == NULL) return NULL;
  size_t len = strlen(text) + 1;
  char *copy = memcpy(*tail, text, len);
  *tail += len;
  return copy;
}

static VixDiskLibInfo *info_of(const Backing *backing) {
  const Metadata *metadata = &backing->metadata;
  const Disk *disk = backing->disk;
  const char *uuid = disk != NULL && disk->no_uuid ? NULL : metadata_get(metadata, "uuid");
  const char *hint = disk == NULL ? NULL : disk->hint;
  char *tail;
  size_t tail_bytes = (uuid == NULL ? 0 : strlen(uuid) + 1) + (hint == NULL ? 0 : strlen(hint) + 1);
  VixDiskLibInfo *info = own_new(OWN_INFO, sizeof *info, tail_bytes, &tail);
  // Disks that no BIOS has seen have zeros here.
  info->biosGeo = geometry(metadata, "geometry.biosCylinders", "geometry.biosHeads", "geometry.biosSectors");
  info->physGeo = geometry(metadata, "geometry.cylinders", "geometry.heads", "geometry.sectors");
  info->capacity = backing->capacity;
  info->adapterType = (VixDiskLibAdapterType)metadata_adapter(metadata);
  info->numLinks = disk == NULL ? 1 : (int)disk->links;
  info->parentFileNameHint = put(&tail, hint);
  info->uuid = put(&tail, uuid);
#if HAS_SECTOR_SIZES
  info->logicalSectorSize = disk == NULL ? 512 : (uint32_t)disk->logical_sector;
  info->physicalSectorSize = disk == NULL ? 512 : (uint32_t)disk->physical_sector;
#endif
  return info;
}

VixError VixDiskLib_GetInfo(VixDiskLibHandle handle, VixDiskLibInfo **info) {
  Call call;
  call_begin(&call, CALL_GetInfo);
  call_handle(&call, handle);
  if (info == NULL && call.error == VIX_OK) call.error = VIX_E_INVALID_ARG;
  if (call_ready(&call)) *info = info_of(&handle->backing);
  return call_end(&call);
}

void VixDiskLib_FreeInfo(VixDiskLibInfo *info) {
  Call call;
  call_begin(&call, CALL_FreeInfo);
  if (info != NULL) {
    OwnState state = own_free(OWN_INFO, info);
    if (state == OWN_FREED) violation(&call, "double_free", "FreeInfo of what was freed");
    if (state == OWN_FOREIGN) violation(&call, "foreign_free", "FreeInfo of what GetInfo did not return");
    if (state == OWN_OVERRUN) violation(&call, "overrun", "the caller wrote behind a disk info");
  }
  call_end(&call);
}
