/** QueryAllocatedBlocks and FreeBlockList. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "log.h"
#include "transfer.h"

#if HAS_QUERY

typedef struct {
  VixDiskLibBlock *blocks;
  size_t count;
  size_t room;
} Blocks;

/** A query: whole chunks from `start` to `end`, which lies inside the disk. */
typedef struct {
  const Backing *backing;
  uint64_t start;
  uint64_t end;
  uint64_t chunk;
} Question;

/** Adds the chunks that `from` to `to` touches. Ranges come in ascending order. */
static void add(Blocks *list, const Question *question, uint64_t from, uint64_t to) {
  from -= from % question->chunk;
  to += (question->chunk - to % question->chunk) % question->chunk;
  if (from < question->start) from = question->start;
  if (to > question->end) to = question->end;
  if (list->count > 0) {
    VixDiskLibBlock *last = &list->blocks[list->count - 1];
    uint64_t last_end = last->offset + last->length;
    if (from < last_end) from = last_end;
    if (to <= from) return;
    if (from == last_end) {
      last->length += to - from;
      return;
    }
  }
  if (to <= from) return;
  if (list->count == list->room) {
    list->room = list->room * 2 + 16;
    list->blocks = resized(list->blocks, list->room * sizeof *list->blocks);
  }
  list->blocks[list->count++] = (VixDiskLibBlock){from, to - from};
}

static void add_data(Blocks *list, const Question *question) {
  const Backing *backing = question->backing;
  off_t base = (off_t)backing->offset_bytes;
  off_t end = base + (off_t)(question->end * VIXDISKLIB_SECTOR_SIZE);
  off_t at = base + (off_t)(question->start * VIXDISKLIB_SECTOR_SIZE);
  while (at < end) {
    off_t data = lseek(backing->fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return;
    // A file system that has no holes reports data, and so does an error.
    if (data < 0) data = at;
    if (data >= end) return;
    off_t hole = lseek(backing->fd, data, SEEK_HOLE);
    if (hole <= data || hole > end) hole = end;
    add(list, question, (uint64_t)(data - base) / VIXDISKLIB_SECTOR_SIZE,
        (uint64_t)(hole - base + VIXDISKLIB_SECTOR_SIZE - 1) / VIXDISKLIB_SECTOR_SIZE);
    at = hole;
  }
}

static VixError add_nonzero(Blocks *list, const Question *question) {
  size_t bytes = question->chunk * VIXDISKLIB_SECTOR_SIZE;
  uint8_t *buffer = zeroed(bytes);
  VixError error = VIX_OK;
  for (uint64_t at = question->start; at < question->end && error == VIX_OK; at += question->chunk) {
    uint64_t sectors = question->end - at < question->chunk ? question->end - at : question->chunk;
    size_t len = sectors * VIXDISKLIB_SECTOR_SIZE;
    error = read_sectors(question->backing, at, sectors, buffer);
    bool zero = buffer[0] == 0 && memcmp(buffer, buffer + 1, len - 1) == 0;
    if (error == VIX_OK && !zero) add(list, question, at, at + sectors);
  }
  free(buffer);
  return error;
}

static VixError find_blocks(Blocks *list, const Question *question) {
  const char *map = question->backing->disk == NULL ? NULL : question->backing->disk->map;
  if (same_text(map, "zeros")) return add_nonzero(list, question);
  if (same_text(map, "all")) add(list, question, question->start, question->end);
  else add_data(list, question);
  return VIX_OK;
}

/** Returns the list in the caller's form, with blocks of at most `split` sectors (0: no limit). */
static VixDiskLibBlockList *as_list(const Blocks *blocks, uint64_t split) {
  uint64_t count = 0;
  for (size_t i = 0; i < blocks->count; i++) count += split == 0 ? 1 : (blocks->blocks[i].length + split - 1) / split;
  VixDiskLibBlockList *list = own_new(OWN_BLOCKS, sizeof *list + count * sizeof list->blocks[0], 0, NULL);
  for (size_t i = 0; i < blocks->count; i++) {
    VixDiskLibBlock left = blocks->blocks[i];
    while (left.length > 0) {
      uint64_t length = split == 0 || split > left.length ? left.length : split;
      list->blocks[list->numBlocks++] = (VixDiskLibBlock){left.offset, length};
      left.offset += length;
      left.length -= length;
    }
  }
  return list;
}

static VixError check(const Backing *backing, uint64_t start, uint64_t sectors, uint64_t chunk) {
  const Disk *disk = backing->disk;
  uint64_t code;
  if (disk != NULL && same_text(disk->query, "unsupported")) return VIX_E_NOT_SUPPORTED;
  if (disk != NULL && disk->query != NULL && parse_number(disk->query, &code)) return code;
  if (chunk < VIXDISKLIB_MIN_CHUNK_SIZE || sectors == 0 || start % chunk != 0 || sectors % chunk != 0) {
    log_warn("Stand-in: sectors %llu + %llu are no multiples of a chunk of %llu\n", (unsigned long long)start,
             (unsigned long long)sectors, (unsigned long long)chunk);
    return VIX_E_INVALID_ARG;
  }
  if (sectors / chunk > VIXDISKLIB_MAX_CHUNK_NUMBER) {
    log_warn("Stand-in: %llu chunks are too many\n", (unsigned long long)(sectors / chunk));
    return VIX_E_INVALID_ARG;
  }
  bool inside = start < backing->capacity && sectors <= backing->capacity - start;
  bool begins_inside = start < backing->capacity && sectors <= UINT64_MAX - start;
  if (inside || (begins_inside && the_world()->past_end_is_fine)) return VIX_OK;
  log_warn("Stand-in: sectors %llu + %llu reach beyond the end, %llu\n", (unsigned long long)start,
           (unsigned long long)sectors, (unsigned long long)backing->capacity);
  return VIX_E_DISK_OUTOFRANGE;
}

VixError VixDiskLib_QueryAllocatedBlocks(VixDiskLibHandle handle, VixDiskLibSectorType startSector,
                                         VixDiskLibSectorType numSectors, VixDiskLibSectorType chunkSize,
                                         VixDiskLibBlockList **blockList) {
  Call call;
  call_begin(&call, CALL_QueryAllocatedBlocks);
  call_disks(&call);
  call_handle(&call, handle);
  call_range(&call, startSector, numSectors);
  call_number(&call, "chunk", chunkSize);
  if (blockList == NULL && call.error == VIX_OK) call.error = VIX_E_INVALID_ARG;
  if (call.error == VIX_OK) call.error = check(&handle->backing, startSector, numSectors, chunkSize);
  if (call_ready(&call)) {
    uint64_t left = handle->backing.capacity - startSector;
    Question question = {&handle->backing, startSector, startSector + (numSectors < left ? numSectors : left),
                         chunkSize};
    Blocks blocks = {0};
    call.error = find_blocks(&blocks, &question);
    if (call.error == VIX_OK) {
      *blockList = as_list(&blocks, the_world()->query_split);
      call_number(&call, "blocks", (*blockList)->numBlocks);
    }
    free(blocks.blocks);
  }
  return call_end(&call);
}

VixError VixDiskLib_FreeBlockList(VixDiskLibBlockList *blockList) {
  Call call;
  call_begin(&call, CALL_FreeBlockList);
  if (blockList != NULL) {
    OwnState state = own_free(OWN_BLOCKS, blockList);
    if (state == OWN_FREED) violation(&call, "double_free", "FreeBlockList of what was freed");
    if (state == OWN_FOREIGN) violation(&call, "foreign_free", "FreeBlockList of what the query did not return");
    if (state == OWN_OVERRUN) violation(&call, "overrun", "the caller wrote behind a block list");
    if (call.error == VIX_OK && (state == OWN_FREED || state == OWN_FOREIGN)) call.error = VIX_E_INVALID_ARG;
  }
  return call_end(&call);
}

#endif
