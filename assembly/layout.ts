// Where everything lies. All integers are little-endian; sizes and offsets are bytes.
//
// A block table speaks of a run of consecutive blocks, one u32 a block:
//
//            block  first   first+1  first+2  first+3
//                 ┌────────┬────────┬────────┬────────┐
//        tablePtr │ 0x9000 │  ZERO  │ 0xd000 │ ABSENT │
//                 └───┬────┴────────┴───┬────┴────────┘
//                     ▼                 ▼
//                 blockLen bytes    blockLen bytes      anywhere in the memory
//
//   ZERO    every byte of the block is zero, so it needs no bytes
//   ABSENT  nothing is recorded for this block
//
// Beside a table may lie a digest array, 16 bytes a block (all zero for ZERO and ABSENT blocks), and a select or
// changed array, one byte a block, 0 or 1.

export const ZERO: usize = 0;
export const ABSENT: usize = 1;
export const DIGEST_SIZE: usize = 16;

/** The first byte behind the core's own constants; what follows is the caller's. */
export const HEAP_BASE: usize = __heap_base;

// Records, as FORMAT.md of cli/archive/ has them; ␀ is a zero byte, every number is canonical decimal text:
//
//   dump, rdiff   zero block   index␀ 1␀
//                 data block   index␀ 0␀ blockLen␀ content…
//   digest        zero block   1␀
//                 data block   0␀ 16␀ MD5

/** An index is a safe integer for the door, so it has at most 16 digits. */
export const INDEX_DIGITS_MAX: usize = 16;
/** What stands before the content: an index, the flag, a u32 length. */
export const RECORD_HEADER_MAX: usize = INDEX_DIGITS_MAX + 1 + 2 + 10 + 1;
export const DIGEST_RECORD_MAX: usize = 2 + 3 + DIGEST_SIZE;

// Why takeRecords or takeDigest stopped. MORE and BAD also are the two answers of the token readers in decimal.ts
// that are no address.

/** The window holds no further whole record. */
export const MORE: u32 = 0;
/** What follows cannot be the record that is due. */
export const BAD: u32 = 1;
/** The next record is beyond what was asked for. */
export const REACHED: u32 = 2;
/** The header of a data record is used up, its content reaches beyond the window. */
export const CONTENT: u32 = 3;

// Cursor of packRecords
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
//   ↕ read and written   ↑ written   the others are read
//
// Blocks lie in groups: block b in group b / groupBlocks. Packing stops in front of the first block of a group once
// stopLen bytes are written, so that pieces of a stream end at the same blocks whatever stood in front of them.

export const PACK_FIRST_BLOCK: usize = 0;
/** Group of the record that was written last. */
export const PACK_LAST_GROUP: usize = 8;
export const PACK_TABLE_PTR: usize = 16;
/** 0: every block that is not ABSENT. */
export const PACK_SELECT_PTR: usize = 20;
/** Position in the table, not a block number. */
export const PACK_NEXT: usize = 24;
export const PACK_COUNT: usize = 28;
export const PACK_BLOCK_LEN: usize = 32;
export const PACK_OUT_PTR: usize = 36;
export const PACK_OUT_CAP: usize = 40;
export const PACK_OUT_LEN: usize = 44;
export const PACK_STOP_LEN: usize = 48;
export const PACK_GROUP_BLOCKS: usize = 52;
/** 1: stop behind the header of a data record; its content is not copied, but taken from where it lies. */
export const PACK_IN_PLACE: usize = 56;
/** Position of the block whose content is to follow what was written, or NO_CONTENT. */
export const PACK_CONTENT: usize = 60;
export const NO_CONTENT: u32 = u32.MAX_VALUE;
export const PACK_CURSOR_SIZE: usize = 64;

// Cursor of takeRecords
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
// Block firstBlock + i of the table has its slot at slotsPtr + i × blockLen. The u32 at offsetsPtr + 4 × i gets the place
// of its record: srcOffset is that of the window's first byte, counted from wherever the caller likes.

export const TAKE_NEXT_BLOCK: usize = 0;
/** An index from here on is BAD. */
export const TAKE_DISK_BLOCKS: usize = 8;
/** An index from here on is REACHED. */
export const TAKE_TO_BLOCK: usize = 16;
export const TAKE_FIRST_BLOCK: usize = 24;
/** The index that REACHED or CONTENT speaks of. */
export const TAKE_PEEK_BLOCK: usize = 32;
export const TAKE_SRC_PTR: usize = 40;
export const TAKE_SRC_LEN: usize = 44;
export const TAKE_BLOCK_LEN: usize = 48;
/** 1: a record for every block (full dump); 0: ascending indexes (rdiff). */
export const TAKE_FULL: usize = 52;
/** 0: pass over the records. */
export const TAKE_TABLE_PTR: usize = 56;
export const TAKE_SLOTS_PTR: usize = 60;
export const TAKE_CONSUMED: usize = 64;
/** Records that were used up whole: the one of CONTENT is not among them. */
export const TAKE_RECORDS: usize = 68;
export const TAKE_DATA_RECORDS: usize = 72;
/** 0: the places of records are of no interest. */
export const TAKE_OFFSETS_PTR: usize = 76;
export const TAKE_SRC_OFFSET: usize = 80;
export const TAKE_CURSOR_SIZE: usize = 88;

// Cursor of takeDigest
//
//     0          4        8
//     ┌──────────┬────────┐
//     │ consumed │ status │   MORE, BAD, or REACHED when all that were asked for are there
//     └──────────┴────────┘
//       u32 ↑      u32 ↑

export const DIGEST_CONSUMED: usize = 0;
export const DIGEST_STATUS: usize = 4;
export const DIGEST_CURSOR_SIZE: usize = 8;

// Scratch of md5Blocks, aligned to 16: up to 3 groups of 4 lanes, see md5.ts
//
//     0          192                 960      1008      1056              2592
//     ┌──────────┬───────────────────┬────────┬─────────┬─────────────────┐
//     │ state    │ words             │ lanes  │ digests │ tails           │
//     │ 3 × abcd │ 3 × 16 words      │ 12 u32 │ 12 u32  │ 12 × 128 bytes  │
//     │   × v128 │      × v128       │ from   │ to      │ end and padding │
//     └──────────┴───────────────────┴────────┴─────────┴─────────────────┘

export const MD5_GROUPS_MAX: usize = 3;
export const MD5_LANES_MAX: usize = 4 * MD5_GROUPS_MAX;
export const MD5_STATE: usize = 0;
export const MD5_STATE_SIZE: usize = 4 * 16;
export const MD5_WORDS: usize = MD5_STATE + MD5_GROUPS_MAX * MD5_STATE_SIZE;
export const MD5_WORDS_SIZE: usize = 16 * 16;
export const MD5_LANES: usize = MD5_WORDS + MD5_GROUPS_MAX * MD5_WORDS_SIZE;
export const MD5_DIGESTS: usize = MD5_LANES + 4 * MD5_LANES_MAX;
export const MD5_TAILS: usize = MD5_DIGESTS + 4 * MD5_LANES_MAX;
export const MD5_TAIL_SIZE: usize = 2 * 64;
export const MD5_SCRATCH_SIZE: usize = MD5_TAILS + MD5_LANES_MAX * MD5_TAIL_SIZE;
