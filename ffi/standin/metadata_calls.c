/** ReadMetadata, WriteMetadata, GetMetadataKeys. */

#include <stdlib.h>
#include <string.h>

#include "call.h"

/** Copies `len` bytes to the caller, or returns how many there are. */
static VixError give(const char *bytes, size_t len, char *buffer, size_t room, size_t *required) {
  if (required != NULL) *required = len;
  if (buffer == NULL || room < len) return VIX_E_BUFFER_TOOSMALL;
  memcpy(buffer, bytes, len);
  return VIX_OK;
}

static VixError read_value(const Metadata *metadata, const char *key, char *buffer, size_t room, size_t *required) {
  const char *value = metadata_get(metadata, key);
  if (value == NULL) return VIX_E_DISK_KEY_NOTFOUND;
  return give(value, strlen(value) + 1, buffer, room, required);
}

VixError VixDiskLib_ReadMetadata(VixDiskLibHandle handle, const char *key, char *buf, size_t bufLen,
                                 size_t *requiredLen) {
  Call call;
  call_begin(&call, CALL_ReadMetadata);
  call_handle(&call, handle);
  call_text(&call, "key", key);
  if (key == NULL && call.error == VIX_OK) call.error = VIX_E_INVALID_ARG;
  if (call_ready(&call)) call.error = read_value(&handle->backing.metadata, key, buf, bufLen, requiredLen);
  return call_end(&call);
}

/** Whether a line of a descriptor can express the text. */
static bool is_writable(const char *key, const char *value) {
  return !is_empty(key) && strpbrk(key, "=\"# \t\r\n") == NULL && value != NULL && strpbrk(value, "\"\r\n") == NULL;
}

VixError VixDiskLib_WriteMetadata(VixDiskLibHandle handle, const char *key, const char *val) {
  Call call;
  call_begin(&call, CALL_WriteMetadata);
  call_handle(&call, handle);
  call_text(&call, "key", key);
  call_text(&call, "value", val);
  if (call.error == VIX_OK && !is_writable(key, val)) call.error = VIX_E_INVALID_ARG;
  if (call.error == VIX_OK && !handle->writable) call.error = VIX_E_FILE_READ_ONLY;
  if (call_ready(&call)) {
    metadata_set(&handle->backing.metadata, key, val);
    call.error = backing_save_metadata(&handle->backing);
  }
  return call_end(&call);
}

VixError VixDiskLib_GetMetadataKeys(VixDiskLibHandle handle, char *keys, size_t maxLen, size_t *requiredLen) {
  Call call;
  call_begin(&call, CALL_GetMetadataKeys);
  call_handle(&call, handle);
  if (call_ready(&call)) {
    const Metadata *metadata = &handle->backing.metadata;
    Growing list = {0};
    for (size_t i = 0; i < metadata->count; i++) grow_by(&list, metadata->keys[i], strlen(metadata->keys[i]) + 1);
    grow_by(&list, "", 1);
    call.error = give(list.text, list.used, keys, maxLen, requiredLen);
    free(list.text);
  }
  return call_end(&call);
}
