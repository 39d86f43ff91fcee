#include "transfer.h"

#include <errno.h>
#include <unistd.h>

#include "async.h"
#include "log.h"

VixError check_transfer(Call *call, VixDiskLibHandle handle, const void *buffer, bool writes) {
  uint64_t capacity = handle->backing.capacity;
  if (buffer == NULL || call->sectors == 0) return VIX_E_INVALID_ARG;
  if (call->start >= capacity || call->sectors > capacity - call->start) return VIX_E_DISK_OUTOFRANGE;
  if (writes && !handle->writable) return VIX_E_FILE_READ_ONLY;
  const Server *server = handle->connection->server;
  uint64_t bytes = call->sectors * VIXDISKLIB_SECTOR_SIZE;
  if (!writes && server != NULL && server->nfc_max_bytes != 0 && bytes > server->nfc_max_bytes) {
    log_warn("Stand-in: NFC error 5: failed to allocate %llu bytes\n", (unsigned long long)bytes);
    return VIX_E_OUT_OF_MEMORY;
  }
  bool unbuffered = (handle->flags & VIXDISKLIB_FLAG_OPEN_UNBUFFERED) != 0;
  if (unbuffered && (uintptr_t)buffer % VIXDISKLIB_SECTOR_SIZE != 0) {
    violation(call, "unaligned", "%s to or from %p, which is no multiple of the sector size", CALL_NAMES[call->id],
              buffer);
  }
  return call->error;
}

VixError read_sectors(const Backing *backing, uint64_t start, uint64_t sectors, uint8_t *buffer) {
  size_t left = sectors * VIXDISKLIB_SECTOR_SIZE;
  off_t at = (off_t)(backing->offset_bytes + start * VIXDISKLIB_SECTOR_SIZE);
  while (left > 0) {
    ssize_t got = pread(backing->fd, buffer, left, at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0 ? VIX_E_FILE_ERROR : error_of_errno(errno);
    buffer += got;
    at += got;
    left -= (size_t)got;
  }
  return VIX_OK;
}

VixError write_sectors(const Backing *backing, uint64_t start, uint64_t sectors, const uint8_t *buffer) {
  size_t left = sectors * VIXDISKLIB_SECTOR_SIZE;
  off_t at = (off_t)(backing->offset_bytes + start * VIXDISKLIB_SECTOR_SIZE);
  while (left > 0) {
    ssize_t went = pwrite(backing->fd, buffer, left, at);
    if (went < 0 && errno == EINTR) continue;
    if (went <= 0) return error_of_errno(errno);
    buffer += went;
    at += went;
    left -= (size_t)went;
  }
  return VIX_OK;
}

/** A handle must not be used in two ways at a time. */
static void check_mixing(Call *call, VixDiskLibHandle handle) {
  if (call->error == VIX_OK && atomic_load_explicit(&handle->pending, memory_order_relaxed) > 0) {
    violation(call, "mixed", "%s on handle %u while asynchronous requests are not completed", CALL_NAMES[call->id],
              handle->number);
  }
}

VixError VixDiskLib_Read(VixDiskLibHandle handle, VixDiskLibSectorType startSector, VixDiskLibSectorType numSectors,
                         uint8_t *buffer) {
  Call call;
  call_begin(&call, CALL_Read);
  call_handle(&call, handle);
  call_range(&call, startSector, numSectors);
  check_mixing(&call, handle);
  if (call.error == VIX_OK) call.error = check_transfer(&call, handle, buffer, false);
  call.target = buffer;
  if (call_ready(&call)) {
    call.error = read_sectors(&handle->backing, startSector, numSectors, buffer);
    if (call.error == VIX_OK) call.bytes = numSectors * VIXDISKLIB_SECTOR_SIZE;
  }
  return call_end(&call);
}

VixError VixDiskLib_Write(VixDiskLibHandle handle, VixDiskLibSectorType startSector, VixDiskLibSectorType numSectors,
                          const uint8_t *buffer) {
  Call call;
  call_begin(&call, CALL_Write);
  call_handle(&call, handle);
  call_range(&call, startSector, numSectors);
  check_mixing(&call, handle);
  if (call.error == VIX_OK) call.error = check_transfer(&call, handle, buffer, true);
  if (call_ready(&call)) {
    call.error = write_sectors(&handle->backing, startSector, numSectors, buffer);
    if (call.error == VIX_OK) call.bytes = numSectors * VIXDISKLIB_SECTOR_SIZE;
  }
  return call_end(&call);
}

VixError VixDiskLib_Flush(VixDiskLibHandle handle) {
  Call call;
  call_begin(&call, CALL_Flush);
  call_handle(&call, handle);
  if (call_ready(&call)) {
    async_drain(handle);
    if (handle->writable && fsync(handle->backing.fd) != 0) call.error = error_of_errno(errno);
  }
  return call_end(&call);
}
