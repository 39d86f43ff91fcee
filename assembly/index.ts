// The exports of the core: everything that the class Core (cli/core.ts) calls or reads.
//
// The core consists of pure functions on bytes. Its caller owns every region of the memory and checks every
// range. The core allocates nothing and keeps no state between calls, so that several instances can work in
// one shared memory at the same time, as long as their regions do not overlap.

export {
  ABSENT,
  BAD,
  CONTENT,
  DIGEST_CONSUMED,
  DIGEST_CURSOR_SIZE,
  DIGEST_RECORD_MAX,
  DIGEST_SIZE,
  DIGEST_STATUS,
  HEAP_BASE,
  MD5_SCRATCH_SIZE,
  MORE,
  NO_CONTENT,
  PACK_BLOCK_LEN,
  PACK_CONTENT,
  PACK_COUNT,
  PACK_CURSOR_SIZE,
  PACK_FIRST_BLOCK,
  PACK_GROUP_BLOCKS,
  PACK_IN_PLACE,
  PACK_LAST_GROUP,
  PACK_NEXT,
  PACK_OUT_CAP,
  PACK_OUT_LEN,
  PACK_OUT_PTR,
  PACK_SELECT_PTR,
  PACK_STOP_LEN,
  PACK_TABLE_PTR,
  REACHED,
  RECORD_HEADER_MAX,
  TAKE_BLOCK_LEN,
  TAKE_CONSUMED,
  TAKE_CURSOR_SIZE,
  TAKE_DATA_RECORDS,
  TAKE_DISK_BLOCKS,
  TAKE_FIRST_BLOCK,
  TAKE_FULL,
  TAKE_NEXT_BLOCK,
  TAKE_OFFSETS_PTR,
  TAKE_PEEK_BLOCK,
  TAKE_RECORDS,
  TAKE_SLOTS_PTR,
  TAKE_SRC_LEN,
  TAKE_SRC_OFFSET,
  TAKE_SRC_PTR,
  TAKE_TABLE_PTR,
  TAKE_TO_BLOCK,
  ZERO,
} from "./layout";
export { copyBytes } from "./copy";
export { diffBlocks, diffDigests } from "./diff";
export { md5Blocks } from "./md5";
export { packDigest, packRecords } from "./pack";
export { takeDigest, takeRecords } from "./take";
export { dropZeros } from "./zero";
