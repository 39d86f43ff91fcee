#include "objects.h"

#include <pthread.h>

#include "text.h"

/*
 * Objects lie in chunks and are never used again, so that a closed handle is recognised for ever. A pointer
 * of the caller is not followed before it is found in a chunk.
 */
#define CHUNK_OBJECTS 64
#define CHUNKS_MAX 4096

typedef struct {
  size_t object_bytes;
  _Atomic(char *) chunks[CHUNKS_MAX];
  _Atomic uint32_t count;
  pthread_mutex_t lock;
} Slab;

static Slab connections = {.object_bytes = sizeof(struct VixDiskLibConnectionStruct),
                           .lock = PTHREAD_MUTEX_INITIALIZER};
static Slab handles = {.object_bytes = sizeof(struct VixDiskLibHandleStruct), .lock = PTHREAD_MUTEX_INITIALIZER};

static void *object_at(Slab *slab, uint32_t index) {
  if (index >= atomic_load(&slab->count)) return NULL;
  return atomic_load(&slab->chunks[index / CHUNK_OBJECTS]) + index % CHUNK_OBJECTS * slab->object_bytes;
}

/** Returns the number of the new object, from 1 on; 0 if there are too many. */
static uint32_t new_object(Slab *slab) {
  pthread_mutex_lock(&slab->lock);
  uint32_t index = atomic_load(&slab->count);
  uint32_t chunk = index / CHUNK_OBJECTS;
  if (chunk < CHUNKS_MAX) {
    if (index % CHUNK_OBJECTS == 0) atomic_store(&slab->chunks[chunk], zeroed(CHUNK_OBJECTS * slab->object_bytes));
    atomic_store(&slab->count, index + 1);
  }
  pthread_mutex_unlock(&slab->lock);
  return chunk < CHUNKS_MAX ? index + 1 : 0;
}

static bool is_object(Slab *slab, const void *pointer) {
  uint32_t count = atomic_load_explicit(&slab->count, memory_order_acquire);
  uintptr_t wanted = (uintptr_t)pointer;
  for (uint32_t first = 0; first < count; first += CHUNK_OBJECTS) {
    uintptr_t chunk = (uintptr_t)atomic_load_explicit(&slab->chunks[first / CHUNK_OBJECTS], memory_order_relaxed);
    uint32_t objects = count - first < CHUNK_OBJECTS ? count - first : CHUNK_OBJECTS;
    if (wanted < chunk || wanted >= chunk + objects * slab->object_bytes) continue;
    return (wanted - chunk) % slab->object_bytes == 0;
  }
  return false;
}

VixDiskLibConnection new_connection(void) {
  uint32_t number = new_object(&connections);
  if (number == 0) return NULL;
  VixDiskLibConnection connection = object_at(&connections, number - 1);
  connection->number = number;
  return connection;
}

VixDiskLibHandle new_handle(void) {
  uint32_t number = new_object(&handles);
  if (number == 0) return NULL;
  VixDiskLibHandle handle = object_at(&handles, number - 1);
  handle->number = number;
  return handle;
}

bool is_connection(const void *pointer) {
  return is_object(&connections, pointer);
}

bool is_handle(const void *pointer) {
  return is_object(&handles, pointer);
}

VixDiskLibConnection connection_at(uint32_t index) {
  return object_at(&connections, index);
}

VixDiskLibHandle handle_at(uint32_t index) {
  return object_at(&handles, index);
}

void handle_sweep(VixDiskLibHandle handle) {
  // Exit and the last call may both come here; one of them closes.
  int swept = LIFE_SWEPT;
  if (atomic_load(&handle->busy) != 0) return;
  if (atomic_compare_exchange_strong(&handle->life, &swept, LIFE_CLOSED)) backing_close(&handle->backing);
}

uint32_t open_handles(VixDiskLibConnection connection) {
  uint32_t open = 0;
  VixDiskLibHandle handle;
  for (uint32_t i = 0; (handle = handle_at(i)) != NULL; i++) {
    if (atomic_load(&handle->life) == LIFE_OPEN && handle->connection == connection) open++;
  }
  return open;
}
