/**
 * The management of local disks: Create, Clone, Grow, Rename, Unlink, CheckRepair; and the calls that are
 * refused.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call.h"
#include "descriptor.h"
#include "log.h"
#include "transfer.h"

#define CLONE_SECTORS 2048

static void tell(VixDiskLibProgressFunc progress, void *data, int percent) {
  if (progress != NULL) progress(data, percent);
}

/** Returns `a-flat.vmdk` for `a.vmdk`. */
static char *flat_name(const char *path) {
  size_t len = strlen(path);
  if (len > 5 && strcasecmp(path + len - 5, ".vmdk") == 0) len -= 5;
  return format_text("%.*s-flat.vmdk", (int)len, path);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

static VixError make_extent(const char *path, uint64_t sectors) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return error_of_errno(errno);
  VixError error = VIX_OK;
  if (ftruncate(fd, (off_t)(sectors * VIXDISKLIB_SECTOR_SIZE)) != 0) {
    error = errno == EFBIG ? 21 : error_of_errno(errno);
    unlink(path);
  }
  close(fd);
  return error;
}

static VixError create_flat(const char *path, const VixDiskLibCreateParams *params, const Metadata *metadata) {
  if (is_empty(path) || params == NULL || params->capacity == 0) return VIX_E_INVALID_ARG;
  if (params->capacity > (uint64_t)INT64_MAX / VIXDISKLIB_SECTOR_SIZE) return 21;
  bool vmfs = params->diskType == VIXDISKLIB_DISK_VMFS_FLAT || params->diskType == VIXDISKLIB_DISK_VMFS_THIN;
  if (params->diskType != VIXDISKLIB_DISK_MONOLITHIC_FLAT && !vmfs) {
    log_warn("Stand-in: disks of type %d cannot be made\n", (int)params->diskType);
    return VIX_E_NOT_SUPPORTED;
  }
#if HAS_SECTOR_SIZES
  // Parameters that a caller leaves uninitialised are refused here.
  if ((params->logicalSectorSize != 0 && params->logicalSectorSize != 512) ||
      (params->physicalSectorSize != 0 && params->physicalSectorSize != 512 && params->physicalSectorSize != 4096)) {
    log_warn("Stand-in: sectors of %u and %u bytes\n", params->logicalSectorSize, params->physicalSectorSize);
    return VIX_E_INVALID_ARG;
  }
#endif
  if (access(path, F_OK) == 0) return VIX_E_FILE_ALREADY_EXISTS;
  char *extent = flat_name(path);
  VixError error = make_extent(extent, params->capacity);
  if (error == VIX_OK) {
    Descriptor descriptor = {.create_type = vmfs ? "vmfs" : "monolithicFlat",
                             .extent_type = vmfs ? "VMFS" : "FLAT",
                             .extent_name = (char *)base_name(extent),
                             .sectors = params->capacity};
    for (size_t i = 0; metadata != NULL && i < metadata->count; i++) {
      metadata_set(&descriptor.metadata, metadata->keys[i], metadata->values[i]);
    }
    metadata_defaults(&descriptor.metadata, path, params->capacity, params->adapterType,
                      params->hwVersion == 0 ? 4 : params->hwVersion);
    error = descriptor_create(path, &descriptor);
    metadata_free(&descriptor.metadata);
    if (error != VIX_OK) unlink(extent);
  }
  free(extent);
  return error;
}

VixError VixDiskLib_Create(VixDiskLibConnection connection, const char *path, const VixDiskLibCreateParams *params,
                           VixDiskLibProgressFunc progress, void *progressData) {
  Call call;
  call_begin(&call, CALL_Create);
  call_connection(&call, connection);
  call_path(&call, "path", path);
  if (params != NULL) {
    call_number(&call, "diskType", params->diskType);
    call_number(&call, "adapterType", params->adapterType);
    call_number(&call, "capacity", params->capacity);
  }
  if (call.error == VIX_OK && connection->server != NULL) call.error = VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT;
  if (call_ready(&call)) {
    call.error = create_flat(path, params, NULL);
    // The same percentage may come more than once.
    for (int percent = 0; call.error == VIX_OK && percent <= 100; percent += 25) {
      tell(progress, progressData, percent);
      if (percent == 50) tell(progress, progressData, percent);
    }
  }
  return call_end(&call);
}

/** The files of a local disk: the one with the data, and whether there is a descriptor. */
static VixError data_file(const char *path, char **data, bool *described) {
  *data = NULL;
  *described = is_descriptor(path);
  if (!*described) {
    *data = copy_text(path);
    return VIX_OK;
  }
  Descriptor descriptor;
  VixError error = descriptor_read(path, &descriptor);
  if (error == VIX_OK) *data = descriptor_extent_path(path, descriptor.extent_name);
  descriptor_free(&descriptor);
  return error;
}

/** Opens and closes the disk for writing, which fails if it is in use. */
static VixError check_unused(const char *path) {
  Backing backing;
  VixError error = backing_open_local(&backing, path, true);
  if (error == VIX_OK) backing_close(&backing);
  return error;
}

static VixError unlink_disk(const char *path) {
  if (is_empty(path)) return VIX_E_INVALID_ARG;
  VixError error = check_unused(path);
  // A damaged disk can still be removed.
  if (error != VIX_OK && error != VIX_E_DISK_NEEDS_REPAIR) return error;
  char *data;
  bool described;
  error = data_file(path, &data, &described);
  if (error != VIX_OK) return error;
  if (unlink(path) != 0) error = error_of_errno(errno);
  else if (described && unlink(data) != 0) error = error_of_errno(errno);
  free(data);
  return error;
}

VixError VixDiskLib_Unlink(VixDiskLibConnection connection, const char *path) {
  Call call;
  call_begin(&call, CALL_Unlink);
  call_connection(&call, connection);
  call_path(&call, "path", path);
  if (call.error == VIX_OK && connection->server != NULL) call.error = VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT;
  if (call_ready(&call)) call.error = unlink_disk(path);
  return call_end(&call);
}

static VixError move_file(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return VIX_OK;
  return error_of_errno(errno);
}

static VixError rename_disk(const char *from, const char *to) {
  if (is_empty(from) || is_empty(to)) return VIX_E_INVALID_ARG;
  VixError error = check_unused(from);
  if (error != VIX_OK) return error;
  if (!is_descriptor(from)) return move_file(from, to);
  Descriptor descriptor;
  error = descriptor_read(from, &descriptor);
  if (error != VIX_OK) return error;
  char *old_extent = descriptor_extent_path(from, descriptor.extent_name);
  char *new_extent = flat_name(to);
  if (access(to, F_OK) == 0) error = VIX_E_FILE_ALREADY_EXISTS;
  if (error == VIX_OK) error = move_file(old_extent, new_extent);
  if (error == VIX_OK) {
    error = move_file(from, to);
    if (error != VIX_OK) rename(new_extent, old_extent);
  }
  if (error == VIX_OK) {
    free(descriptor.extent_name);
    descriptor.extent_name = copy_text(base_name(new_extent));
    error = descriptor_update(to, &descriptor);
  }
  free(old_extent);
  free(new_extent);
  descriptor_free(&descriptor);
  return error;
}

VixError VixDiskLib_Rename(const char *srcPath, const char *dstPath) {
  Call call;
  call_begin(&call, CALL_Rename);
  call_path(&call, "from", srcPath);
  call_text(&call, "to", dstPath);
  if (call_ready(&call)) call.error = rename_disk(srcPath, dstPath);
  return call_end(&call);
}

static VixError grow_disk(const char *path, uint64_t capacity, bool update_geometry) {
  if (is_empty(path)) return VIX_E_INVALID_ARG;
  Backing backing;
  VixError error = backing_open_local(&backing, path, true);
  if (error != VIX_OK) return error;
  if (capacity <= backing.capacity || capacity > (uint64_t)INT64_MAX / VIXDISKLIB_SECTOR_SIZE / 2) {
    error = VIX_E_INVALID_ARG;
  } else if (ftruncate(backing.fd, (off_t)(backing.offset_bytes + capacity * VIXDISKLIB_SECTOR_SIZE)) != 0) {
    error = error_of_errno(errno);
  } else if (backing.metadata_in_descriptor) {
    Descriptor descriptor;
    error = descriptor_read(path, &descriptor);
    if (error == VIX_OK) {
      descriptor.sectors = capacity;
      if (update_geometry) metadata_set_geometry(&descriptor.metadata, capacity);
      error = descriptor_update(path, &descriptor);
    }
    descriptor_free(&descriptor);
  }
  backing_close(&backing);
  return error;
}

VixError VixDiskLib_Grow(VixDiskLibConnection connection, const char *path, VixDiskLibSectorType capacity,
                         Bool updateGeometry, VixDiskLibProgressFunc progress, void *progressData) {
  Call call;
  call_begin(&call, CALL_Grow);
  call_connection(&call, connection);
  call_path(&call, "path", path);
  call_number(&call, "capacity", capacity);
  if (call.error == VIX_OK && connection->server != NULL) call.error = VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT;
  if (call_ready(&call)) {
    call.error = grow_disk(path, capacity, updateGeometry != 0);
    if (call.error == VIX_OK) tell(progress, progressData, 100);
  }
  return call_end(&call);
}

static VixError check_disk(const char *path, bool repair) {
  if (is_empty(path)) return VIX_E_INVALID_ARG;
  Backing backing;
  VixError error = backing_open_local(&backing, path, repair);
  if (error == VIX_OK) backing_close(&backing);
  if (error != VIX_E_DISK_NEEDS_REPAIR || !repair) return error;
  Descriptor descriptor;
  error = descriptor_read(path, &descriptor);
  if (error != VIX_OK) return error;
  char *extent = descriptor_extent_path(path, descriptor.extent_name);
  off_t bytes = (off_t)((descriptor.offset + descriptor.sectors) * VIXDISKLIB_SECTOR_SIZE);
  if (truncate(extent, bytes) != 0) error = error_of_errno(errno);
  free(extent);
  descriptor_free(&descriptor);
  return error;
}

VixError VixDiskLib_CheckRepair(VixDiskLibConnection connection, const char *path, Bool repair) {
  Call call;
  call_begin(&call, CALL_CheckRepair);
  call_connection(&call, connection);
  call_path(&call, "path", path);
  call_number(&call, "repair", repair != 0);
  if (call.error == VIX_OK && connection->server != NULL) call.error = VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT;
  if (call_ready(&call)) call.error = check_disk(path, repair != 0);
  return call_end(&call);
}

/* Clone */

static VixError open_any(Backing *backing, VixDiskLibConnection connection, const char *path, bool writable) {
  if (connection->server == NULL) return backing_open_local(backing, path, writable);
  const Disk *disk = world_disk(the_world(), connection->server, connection->vm, path);
  return disk == NULL ? VIX_E_FILE_NOT_FOUND : backing_open_disk(backing, disk, writable);
}

/** Makes the destination: a new local disk, or the file of a disk of the world. */
static VixError make_destination(VixDiskLibConnection connection, const char *path, const Backing *source,
                                 const VixDiskLibCreateParams *params, bool overwrite) {
  if (connection->server == NULL) {
    if (overwrite && access(path, F_OK) == 0) {
      VixError error = unlink_disk(path);
      if (error != VIX_OK) return error;
    }
    VixDiskLibCreateParams wanted = {.diskType = VIXDISKLIB_DISK_MONOLITHIC_FLAT};
    if (params != NULL) wanted = *params;
    wanted.capacity = source->capacity;
    return create_flat(path, &wanted, &source->metadata);
  }
  const Disk *disk = world_disk(the_world(), connection->server, connection->vm, path);
  if (disk == NULL) return VIX_E_FILE_NOT_FOUND;
  if (access(disk->file, F_OK) == 0) {
    if (!overwrite) return VIX_E_FILE_ALREADY_EXISTS;
    if (unlink(disk->file) != 0) return error_of_errno(errno);
  }
  return make_extent(disk->file, source->capacity);
}

static bool is_zero(const uint8_t *bytes, size_t len) {
  return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static VixError copy_disk(const Backing *from, const Backing *to, VixDiskLibProgressFunc progress, void *data) {
  uint8_t *buffer = zeroed(CLONE_SECTORS * VIXDISKLIB_SECTOR_SIZE);
  VixError error = VIX_OK;
  for (uint64_t at = 0; at < from->capacity && error == VIX_OK; at += CLONE_SECTORS) {
    uint64_t sectors = from->capacity - at < CLONE_SECTORS ? from->capacity - at : CLONE_SECTORS;
    error = read_sectors(from, at, sectors, buffer);
    // The destination is new, so bytes that are not written read as zeros.
    if (error == VIX_OK && !is_zero(buffer, sectors * VIXDISKLIB_SECTOR_SIZE)) {
      error = write_sectors(to, at, sectors, buffer);
    }
    if (error == VIX_OK) tell(progress, data, (int)((at + sectors) * 100 / from->capacity));
  }
  free(buffer);
  return error;
}

static VixError clone_disk(VixDiskLibConnection to_connection, const char *to_path,
                           VixDiskLibConnection from_connection, const char *from_path,
                           const VixDiskLibCreateParams *params, VixDiskLibProgressFunc progress, void *data,
                           bool overwrite) {
  if (is_empty(to_path) || is_empty(from_path)) return VIX_E_INVALID_ARG;
  Backing from, to;
  VixError error = open_any(&from, from_connection, from_path, false);
  if (error != VIX_OK) return error;
  error = make_destination(to_connection, to_path, &from, params, overwrite);
  if (error == VIX_OK) error = open_any(&to, to_connection, to_path, true);
  if (error == VIX_OK) {
    error = copy_disk(&from, &to, progress, data);
    backing_close(&to);
  }
  backing_close(&from);
  return error;
}

VixError VixDiskLib_Clone(VixDiskLibConnection dstConnection, const char *dstPath, VixDiskLibConnection srcConnection,
                          const char *srcPath, const VixDiskLibCreateParams *params, VixDiskLibProgressFunc progress,
                          void *progressData, Bool overWrite) {
  Call call;
  call_begin(&call, CALL_Clone);
  call_connection(&call, dstConnection);
  call_connection(&call, srcConnection);
  call_path(&call, "to", dstPath);
  call_text(&call, "from", srcPath);
  call_number(&call, "overwrite", overWrite != 0);
  if (call_ready(&call)) {
    call.error = clone_disk(dstConnection, dstPath, srcConnection, srcPath, params, progress, progressData,
                            overWrite != 0);
  }
  return call_end(&call);
}

VixError VixDiskLib_SpaceNeededForClone(VixDiskLibHandle handle, VixDiskLibDiskType diskType, uint64_t *spaceNeeded) {
  Call call;
  call_begin(&call, CALL_SpaceNeededForClone);
  call_handle(&call, handle);
  call_number(&call, "diskType", diskType);
  if (spaceNeeded == NULL && call.error == VIX_OK) call.error = VIX_E_INVALID_ARG;
  // Every clone is flat here.
  if (call_ready(&call)) *spaceNeeded = handle->backing.capacity * VIXDISKLIB_SECTOR_SIZE;
  return call_end(&call);
}

/* The calls that flat disks do not support. */

VixError VixDiskLib_Shrink(VixDiskLibHandle handle, VixDiskLibProgressFunc progress, void *progressData) {
  (void)progress, (void)progressData;
  Call call;
  call_begin(&call, CALL_Shrink);
  call_handle(&call, handle);
  if (call_ready(&call)) call.error = VIX_E_DISK_CANTSHRINK;
  return call_end(&call);
}

VixError VixDiskLib_Defragment(VixDiskLibHandle handle, VixDiskLibProgressFunc progress, void *progressData) {
  (void)progress, (void)progressData;
  Call call;
  call_begin(&call, CALL_Defragment);
  call_handle(&call, handle);
  if (call_ready(&call)) call.error = VIX_E_NOT_SUPPORTED;
  return call_end(&call);
}

VixError VixDiskLib_CreateChild(VixDiskLibHandle parent, const char *childPath, VixDiskLibDiskType diskType,
                                VixDiskLibProgressFunc progress, void *progressData) {
  (void)progress, (void)progressData;
  Call call;
  call_begin(&call, CALL_CreateChild);
  call_handle(&call, parent);
  call_text(&call, "path", childPath);
  call_number(&call, "diskType", diskType);
  if (call_ready(&call)) call.error = VIX_E_NOT_SUPPORTED;
  return call_end(&call);
}

static VixError attach(CallId id, VixDiskLibHandle parent, VixDiskLibHandle child) {
  Call call;
  call_begin(&call, id);
  call_handle(&call, parent);
  call_number(&call, "child", is_handle(child) ? child->number : 0);
  if (call.error == VIX_OK && !is_handle(child)) call.error = VIX_E_INVALID_HANDLE;
  if (call_ready(&call)) call.error = VIX_E_NOT_SUPPORTED;
  return call_end(&call);
}

VixError VixDiskLib_Attach(VixDiskLibHandle parent, VixDiskLibHandle child) {
  return attach(CALL_Attach, parent, child);
}

VixError VixDiskLib_IsAttachPossible(VixDiskLibHandle parent, VixDiskLibHandle child) {
  return attach(CALL_IsAttachPossible, parent, child);
}
