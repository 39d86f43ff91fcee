#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "log.h"
#include "text.h"

#define METADATA_MAX (1 << 20)

/** The byte that is locked: beyond the end of every disk, and not locked by other programs. */
#define LOCK_OFFSET (1LL << 60)

VixError error_of_errno(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return VIX_E_FILE_NOT_FOUND;
    case EACCES:
    case EPERM:
      return VIX_E_FILE_ACCESS_ERROR;
    case EROFS:
      return VIX_E_FILE_READ_ONLY;
    case EEXIST:
      return VIX_E_FILE_ALREADY_EXISTS;
    case ENOSPC:
    case EDQUOT:
      return VIX_E_DISK_FULL;
    case EISDIR:
      return VIX_E_INCORRECT_FILE_TYPE;
    default:
      return VIX_E_FILE_ERROR;
  }
}

/**
 * Locks the file. Locks belong to the descriptor, so two opens of one process exclude each other like those
 * of two processes.
 */
static bool lock_file(int fd, bool alone) {
  struct flock lock = {.l_type = alone ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = LOCK_OFFSET, .l_len = 1};
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return true;
  // On a file system without locks every open succeeds.
  return errno != EAGAIN && errno != EACCES;
}

static VixError open_file(Backing *backing, const char *file, bool writable) {
  backing->fd = open(file, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (backing->fd < 0) return error_of_errno(errno);
  struct stat status;
  VixError error = VIX_OK;
  if (fstat(backing->fd, &status) != 0) error = error_of_errno(errno);
  else if (S_ISDIR(status.st_mode)) error = VIX_E_INCORRECT_FILE_TYPE;
  else if (!lock_file(backing->fd, writable)) error = VIX_E_FILE_ALREADY_LOCKED;
  if (error != VIX_OK) {
    close(backing->fd);
    backing->fd = -1;
    return error;
  }
  off_t end = lseek(backing->fd, 0, SEEK_END);
  backing->capacity = end < 0 ? 0 : (uint64_t)end / VIXDISKLIB_SECTOR_SIZE;
  backing->file = copy_text(file);
  return VIX_OK;
}

static bool is_sparse(int fd) {
  char magic[4];
  if (pread(fd, magic, 4, 0) != 4) return false;
  return memcmp(magic, "KDMV", 4) == 0 || memcmp(magic, "COWD", 4) == 0;
}

static VixError open_raw(Backing *backing, const char *path, bool writable) {
  VixError error = open_file(backing, path, writable);
  if (error != VIX_OK) return error;
  if (is_sparse(backing->fd)) {
    log_warn("Stand-in: \"%s\" is sparse, only flat disks are supported\n", path);
    backing_close(backing);
    return VIX_E_NOT_SUPPORTED;
  }
  metadata_defaults(&backing->metadata, path, backing->capacity, VIXDISKLIB_ADAPTER_SCSI_LSILOGIC, 4);
  return VIX_OK;
}

static VixError open_flat(Backing *backing, const char *path, bool writable) {
  Descriptor descriptor;
  VixError error = descriptor_read(path, &descriptor);
  if (error != VIX_OK) return error;
  char *extent = descriptor_extent_path(path, descriptor.extent_name);
  error = open_file(backing, extent, writable);
  if (error == VIX_OK && backing->capacity < descriptor.offset + descriptor.sectors) {
    log_warn("Stand-in: \"%s\" ends before sector %llu\n", extent,
             (unsigned long long)(descriptor.offset + descriptor.sectors));
    error = VIX_E_DISK_NEEDS_REPAIR;
    backing_close(backing);
  }
  free(extent);
  if (error == VIX_OK) {
    backing->capacity = descriptor.sectors;
    backing->offset_bytes = descriptor.offset * VIXDISKLIB_SECTOR_SIZE;
    backing->metadata = descriptor.metadata;
    descriptor.metadata = (Metadata){0};
    backing->metadata_file = copy_text(path);
    backing->metadata_in_descriptor = true;
  }
  descriptor_free(&descriptor);
  return error;
}

VixError backing_open_local(Backing *backing, const char *path, bool writable) {
  *backing = (Backing){.fd = -1};
  return is_descriptor(path) ? open_flat(backing, path, writable) : open_raw(backing, path, writable);
}

VixError backing_open_disk(Backing *backing, const Disk *disk, bool writable) {
  *backing = (Backing){.fd = -1};
  VixError error = open_file(backing, disk->file, writable);
  if (error != VIX_OK) return error;
  if (disk->capacity != 0 && disk->capacity < backing->capacity) backing->capacity = disk->capacity;
  backing->disk = disk;
  backing->metadata_file = copy_text(disk->meta);
  char *text = disk->meta == NULL ? NULL : read_text_file(disk->meta, METADATA_MAX);
  if (text != NULL) {
    metadata_parse(&backing->metadata, text);
    free(text);
    return VIX_OK;
  }
  metadata_defaults(&backing->metadata, disk->path, backing->capacity, (int)disk->adapter, 13);
  if (disk->meta != NULL) error = backing_save_metadata(backing);
  if (error != VIX_OK) backing_close(backing);
  return error;
}

void backing_close(Backing *backing) {
  if (backing->fd >= 0) close(backing->fd);
  free(backing->file);
  free(backing->metadata_file);
  metadata_free(&backing->metadata);
  *backing = (Backing){.fd = -1};
}

VixError backing_save_metadata(Backing *backing) {
  if (backing->metadata_file == NULL) return VIX_OK;
  if (backing->metadata_in_descriptor) {
    Descriptor descriptor;
    VixError error = descriptor_read(backing->metadata_file, &descriptor);
    if (error != VIX_OK) return error;
    Metadata old = descriptor.metadata;
    descriptor.metadata = backing->metadata;
    error = descriptor_update(backing->metadata_file, &descriptor);
    descriptor.metadata = old;
    descriptor_free(&descriptor);
    return error;
  }
  char *text = metadata_format(&backing->metadata);
  int result = write_text_file(backing->metadata_file, text);
  free(text);
  return result == 0 ? VIX_OK : error_of_errno(errno);
}
