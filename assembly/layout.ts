// The structures in the memory that the core and its caller share. All integers are little-endian; all sizes
// and offsets are in bytes.
//
// A block table describes a run of consecutive blocks. It has one u32 for each block, which is either the
// address of the block's bytes or one of two marks:
//
//            block  first   first+1  first+2  first+3
//                 ┌────────┬────────┬────────┬────────┐
//        tablePtr │ 0x9000 │  ZERO  │ 0xd000 │ ABSENT │
//                 └───┬────┴────────┴───┬────┴────────┘
//                     ▼                 ▼
//                 blockLen bytes    blockLen bytes      anywhere in the memory
//
//   ZERO    every byte of the block is zero, so that its bytes need not be in the memory
//   ABSENT  there is no record of this block
//
// A table may be accompanied by a digest array with 16 bytes for each block (all zero for ZERO and ABSENT
// blocks), and by a select array or a changed array with one byte for each block, 0 or 1.

/** Table entry of a block whose bytes are all zero. */
export const ZERO: usize = 0;
/** Table entry of a block that has no record. */
export const ABSENT: usize = 1;
/** Bytes of a digest, an MD5. */
export const DIGEST_SIZE: usize = 16;

/** Address of the first byte after the core's own constants. The memory from there on is the caller's. */
export const HEAP_BASE: usize = __heap_base;

// Records, as cli/archive/FORMAT.md describes them. ␀ is a zero byte; every number is decimal text without
// leading zeros:
//
//   dump, rdiff   zero block   index␀ 1␀
//                 data block   index␀ 0␀ blockLen␀ content…
//   digest        zero block   1␀
//                 data block   0␀ 16␀ MD5

/** Digits of the longest block index: to JavaScript indexes are safe integers, which have at most 16. */
export const INDEX_DIGITS_MAX: usize = 16;
/** Bytes of the longest record without its content: index, flag and u32 length, each with its zero byte. */
export const RECORD_HEADER_MAX: usize = INDEX_DIGITS_MAX + 1 + 2 + 10 + 1;
/** Bytes of the longest digest record. */
export const DIGEST_RECORD_MAX: usize = 2 + 3 + DIGEST_SIZE;

// Statuses: why takeRecords or takeDigest stopped. The functions of decimal.ts that look for a token return
// either an address or MORE or BAD; this works because 0 and 1 are no addresses of tokens.

/** The window has no further whole record. */
export const MORE: u32 = 0;
/** The bytes that follow cannot be the next record. */
export const BAD: u32 = 1;
/** The next record belongs to a block after the ones that the caller asked for. */
export const REACHED: u32 = 2;
/** The header of a data record is consumed, and the content of the record extends past the window. */
export const CONTENT: u32 = 3;

// The cursor of packRecords
//
//     0        8        16       20       24      28      32         36       40       44
//     ┌────────┬────────┬────────┬────────┬───────┬───────┬──────────┬────────┬────────┬────────┐
//     │ first  │ last   │ table  │ select │ next  │ count │ blockLen │ outPtr │ outCap │ outLen │
//     │ Block  │ Group  │ Ptr    │ Ptr    │       │       │          │        │        │        │
//     └────────┴────────┴────────┴────────┴───────┴───────┴──────────┴────────┴────────┴────────┘
//       u64      u64 ↕    u32 …             ↕                                            ↑
//     48       52       56       60
//     ┌────────┬────────┬────────┬─────────┐
//     │ stop   │ group  │ in     │ content │
//     │ Len    │ Blocks │ Place  │         │
//     └────────┴────────┴────────┴─────────┘
//                                  ↑
//
//   ↕ the core reads and writes the field   ↑ it writes the field   the core only reads the others
//
// Every block belongs to a group: block b to group b / groupBlocks. Once stopLen bytes are written,
// packRecords stops before the first block of the next group. So the pieces of a stream end at the
// boundaries of groups, which do not depend on how the blocks were divided into calls.

/** Index of the first block of the table, a u64. */
export const PACK_FIRST_BLOCK: usize = 0;
/** Group of the record that was written last, a u64. */
export const PACK_LAST_GROUP: usize = 8;
/** Address of the table, aligned to 4 bytes. */
export const PACK_TABLE_PTR: usize = 16;
/** Address of a select array: blocks whose byte is 0 are left out. Without one (0) no block is left out. */
export const PACK_SELECT_PTR: usize = 20;
/** Position in the table (not a block index) of the next block to write. */
export const PACK_NEXT: usize = 24;
/** Entries of the table. */
export const PACK_COUNT: usize = 28;
/** Bytes of a block, at least 1. */
export const PACK_BLOCK_LEN: usize = 32;
/** Address of the output. */
export const PACK_OUT_PTR: usize = 36;
/** Bytes that the output has room for. */
export const PACK_OUT_CAP: usize = 40;
/** Bytes that the last call wrote. */
export const PACK_OUT_LEN: usize = 44;
/** After how many bytes a call stops before the next group. */
export const PACK_STOP_LEN: usize = 48;
/** Blocks of a group, at least 1. */
export const PACK_GROUP_BLOCKS: usize = 52;
/**
 * 1: packRecords stops after the header of each data record and does not copy the content, which the caller
 * writes from where it lies. 0: the content is copied to the output.
 */
export const PACK_IN_PLACE: usize = 56;
/** Position in the table of the block whose content has to follow the output, or NO_CONTENT. */
export const PACK_CONTENT: usize = 60;
/** Value of PACK_CONTENT if no content has to follow. */
export const NO_CONTENT: u32 = u32.MAX_VALUE;
/** Bytes of a cursor of packRecords, which is aligned to 8. */
export const PACK_CURSOR_SIZE: usize = 64;

// The cursor of takeRecords
//
//     0          8          16         24         32         40       44       48       52
//     ┌──────────┬──────────┬──────────┬──────────┬──────────┬────────┬────────┬────────┬────────┐
//     │ next     │ disk     │ to       │ first    │ peek     │ srcPtr │ srcLen │ block  │ full   │
//     │ Block    │ Blocks   │ Block    │ Block    │ Block    │        │        │ Len    │        │
//     └──────────┴──────────┴──────────┴──────────┴──────────┴────────┴────────┴────────┴────────┘
//       u64 ↕      u64        u64        u64        u64 ↑      u32 …
//     56         60         64         68         72         76         80         84
//     ┌──────────┬──────────┬──────────┬──────────┬──────────┬──────────┬──────────┐
//     │ tablePtr │ slotsPtr │ consumed │ records  │ data     │ offsets  │ src      │
//     │          │          │          │          │ Records  │ Ptr      │ Offset   │
//     └──────────┴──────────┴──────────┴──────────┴──────────┴──────────┴──────────┘
//                             ↑          ↑          ↑
//
// Block firstBlock + i of the table has its slot, the place for its content, at slotsPtr + i × blockLen. The
// u32 at offsetsPtr + 4 × i receives the offset of the block's record: srcOffset for a record at the start of
// the window, and accordingly more for later ones. The caller chooses what offsets are counted from.

/** The lowest index that the next record may have, a u64. */
export const TAKE_NEXT_BLOCK: usize = 0;
/** Number of blocks of the disk, a u64. A record with this index or a higher one is BAD. */
export const TAKE_DISK_BLOCKS: usize = 8;
/** End of the blocks that the caller asked for, a u64: a record with this or a higher index gives REACHED. */
export const TAKE_TO_BLOCK: usize = 16;
/** Index of the first block of the table, a u64. */
export const TAKE_FIRST_BLOCK: usize = 24;
/** Index of the record at which REACHED or CONTENT was returned, a u64. */
export const TAKE_PEEK_BLOCK: usize = 32;
/** Address of the window. */
export const TAKE_SRC_PTR: usize = 40;
/** Bytes of the window. */
export const TAKE_SRC_LEN: usize = 44;
/** Bytes of a block, at least 1. */
export const TAKE_BLOCK_LEN: usize = 48;
/** 1: a dump, which has a record for every block; 0: an rdiff, whose indexes ascend and may have gaps. */
export const TAKE_FULL: usize = 52;
/** Address of the table; 0: the records are checked and skipped. */
export const TAKE_TABLE_PTR: usize = 56;
/** Address of the slots. */
export const TAKE_SLOTS_PTR: usize = 60;
/** Bytes of the window that the last call consumed. */
export const TAKE_CONSUMED: usize = 64;
/** Number of records that were consumed as a whole, which excludes the record of CONTENT. */
export const TAKE_RECORDS: usize = 68;
/** Number of those records that have data. */
export const TAKE_DATA_RECORDS: usize = 72;
/** Address of the array for the offsets of records; 0: the offsets are not stored. */
export const TAKE_OFFSETS_PTR: usize = 76;
/** Offset of the window's first byte, as the offsets of records are counted. */
export const TAKE_SRC_OFFSET: usize = 80;
/** Bytes of a cursor of takeRecords, which is aligned to 8. */
export const TAKE_CURSOR_SIZE: usize = 88;

// The cursor of takeDigest
//
//     0          4        8
//     ┌──────────┬────────┐
//     │ consumed │ status │   MORE, BAD, or REACHED when as many records were taken as the caller asked for
//     └──────────┴────────┘
//       u32 ↑      u32 ↑

/** Bytes of the window that the last call consumed. */
export const DIGEST_CONSUMED: usize = 0;
/** Why the last call stopped. */
export const DIGEST_STATUS: usize = 4;
/** Bytes of a cursor of takeDigest, which is aligned to 4. */
export const DIGEST_CURSOR_SIZE: usize = 8;

// The scratch memory of md5Blocks, aligned to 16 bytes: up to 3 groups of 4 lanes (md5.ts)
//
//     0          192                 960      1008      1056              2592
//     ┌──────────┬───────────────────┬────────┬─────────┬─────────────────┐
//     │ state    │ words             │ lanes  │ digests │ tails           │
//     │ 3 × abcd │ 3 × 16 words      │ 12 u32 │ 12 u32  │ 12 × 128 bytes  │
//     │   × v128 │      × v128       │ from   │ to      │ end and padding │
//     └──────────┴───────────────────┴────────┴─────────┴─────────────────┘

/** How many groups are hashed at the same time at most. */
export const MD5_GROUPS_MAX: usize = 3;
/** How many blocks are hashed at the same time at most. */
export const MD5_LANES_MAX: usize = 4 * MD5_GROUPS_MAX;
/** Offset of the states: A, B, C and D of each group. */
export const MD5_STATE: usize = 0;
/** Bytes of the state of a group. */
export const MD5_STATE_SIZE: usize = 4 * 16;
/** Offset of the transposed words of a stride. */
export const MD5_WORDS: usize = MD5_STATE + MD5_GROUPS_MAX * MD5_STATE_SIZE;
/** Bytes of the transposed words of a group. */
export const MD5_WORDS_SIZE: usize = 16 * 16;
/** Offset of the addresses of the lanes' blocks, a u32 each. */
export const MD5_LANES: usize = MD5_WORDS + MD5_GROUPS_MAX * MD5_WORDS_SIZE;
/** Offset of the addresses that the lanes' digests are written to, a u32 each. */
export const MD5_DIGESTS: usize = MD5_LANES + 4 * MD5_LANES_MAX;
/** Offset of the tails: copies of the ends of the lanes' blocks, with padding. */
export const MD5_TAILS: usize = MD5_DIGESTS + 4 * MD5_LANES_MAX;
/** Bytes of a tail. */
export const MD5_TAIL_SIZE: usize = 2 * 64;
/** Bytes of the scratch memory. */
export const MD5_SCRATCH_SIZE: usize = MD5_TAILS + MD5_LANES_MAX * MD5_TAIL_SIZE;
