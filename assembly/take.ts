// Reading records: the bytes of dumps and rdiffs become block tables, the bytes of digests digest arrays.
//
// The caller passes a file in windows, which may end anywhere, even within a number. A record is accepted
// only if it follows the format to the letter. The first byte that cannot continue a record gives BAD,
// without looking at what follows, so that garbage never makes a caller enlarge its window.

import { readBoolean, readInteger, skipBoolean, skipExactly, skipInteger } from "./decimal";
import {
  ABSENT,
  BAD,
  CONTENT,
  DIGEST_CONSUMED,
  DIGEST_SIZE,
  DIGEST_STATUS,
  INDEX_DIGITS_MAX,
  MORE,
  REACHED,
  TAKE_BLOCK_LEN,
  TAKE_CONSUMED,
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
import { isZero } from "./zero";

/** What takeRecord returns, unless it returns a status: one record was taken, and the next may follow. */
const TAKEN: u32 = u32.MAX_VALUE;

/**
 * Takes the records of a window into a table and returns why it stopped: MORE, BAD, REACHED or CONTENT
 * (layout.ts).
 *
 * `cursorPtr`: a cursor of takeRecords (layout.ts), aligned to 8 bytes. An entry that is ABSENT receives its
 * block: it becomes ZERO for a zero block; otherwise the content is copied to the block's slot, and the entry
 * becomes the address of the slot. Records of blocks whose entries are not ABSENT, and of blocks before the
 * table, are skipped. After CONTENT the caller copies the content itself: it begins in the window at
 * TAKE_CONSUMED and extends past its end.
 */
export function takeRecords(cursorPtr: usize): u32 {
  assert(cursorPtr % 8 == 0, "the cursor is aligned to 8 bytes");
  assert(load<usize>(cursorPtr, TAKE_TABLE_PTR) % 4 == 0, "the table is aligned to 4 bytes");
  assert(load<usize>(cursorPtr, TAKE_BLOCK_LEN) > 0, "a block has bytes");
  store<usize>(cursorPtr, 0, TAKE_CONSUMED);
  store<u32>(cursorPtr, 0, TAKE_RECORDS);
  store<u32>(cursorPtr, 0, TAKE_DATA_RECORDS);
  let status: u32;
  do status = takeRecord(cursorPtr); while (status == TAKEN);
  return status;
}

/** Takes one record. All state that lasts from one record to the next is in the cursor. */
function takeRecord(cursorPtr: usize): u32 {
  const srcPtr = load<usize>(cursorPtr, TAKE_SRC_PTR);
  const endPtr = srcPtr + load<usize>(cursorPtr, TAKE_SRC_LEN);
  const ptr = srcPtr + load<usize>(cursorPtr, TAKE_CONSUMED);

  const flagPtr = skipInteger(ptr, endPtr, INDEX_DIGITS_MAX);
  if (flagPtr <= BAD) return flagPtr as u32;
  const block = readInteger(ptr, flagPtr - 1);
  if (!isDue(cursorPtr, block)) return BAD;
  store<u64>(cursorPtr, block, TAKE_PEEK_BLOCK);
  if (block >= load<u64>(cursorPtr, TAKE_TO_BLOCK)) return REACHED;

  const blockLen = load<usize>(cursorPtr, TAKE_BLOCK_LEN);
  const contentPtr = skipHeader(flagPtr, endPtr, blockLen);
  if (contentPtr <= BAD) return contentPtr as u32;
  const zero = readBoolean(flagPtr);
  const contentLen: usize = zero ? 0 : blockLen;
  const whole = contentLen <= endPtr - contentPtr;
  store<usize>(cursorPtr, contentPtr + (whole ? contentLen : 0) - srcPtr, TAKE_CONSUMED);
  store<u64>(cursorPtr, block + 1, TAKE_NEXT_BLOCK);
  noteOffset(cursorPtr, block, ptr - srcPtr);
  if (!whole) return CONTENT;

  store<u32>(cursorPtr, load<u32>(cursorPtr, TAKE_RECORDS) + 1, TAKE_RECORDS);
  if (!zero) store<u32>(cursorPtr, load<u32>(cursorPtr, TAKE_DATA_RECORDS) + 1, TAKE_DATA_RECORDS);
  placeBlock(cursorPtr, block, contentPtr, contentLen);
  return TAKEN;
}

/**
 * Whether the next record may be of `block`: in a dump only the next block, in an rdiff any later one too.
 */
function isDue(cursorPtr: usize, block: u64): bool {
  const nextBlock = load<u64>(cursorPtr, TAKE_NEXT_BLOCK);
  if (block >= load<u64>(cursorPtr, TAKE_DISK_BLOCKS)) return false;
  return load<u32>(cursorPtr, TAKE_FULL) ? block == nextBlock : block >= nextBlock;
}

/**
 * Returns the address after the rest of a record's header: after the flag of a zero record, or after the
 * flag and the length of a data record, which must be `len`. Otherwise MORE or BAD.
 */
function skipHeader(flagPtr: usize, endPtr: usize, len: usize): usize {
  const lengthPtr = skipBoolean(flagPtr, endPtr);
  return lengthPtr <= BAD || readBoolean(flagPtr) ? lengthPtr : skipExactly(lengthPtr, endPtr, len);
}

/** Stores for the caller where the record of `block` begins: `offset` bytes after the window's start. */
function noteOffset(cursorPtr: usize, block: u64, offset: usize): void {
  const offsetsPtr = load<usize>(cursorPtr, TAKE_OFFSETS_PTR);
  const firstBlock = load<u64>(cursorPtr, TAKE_FIRST_BLOCK);
  if (offsetsPtr == 0 || block < firstBlock) return;
  const position = (block - firstBlock) as usize;
  store<u32>(offsetsPtr + position * 4, load<u32>(cursorPtr, TAKE_SRC_OFFSET) + (offset as u32));
}

/** Puts a block into its entry if that is ABSENT. A `contentLen` of 0 means a zero block. */
function placeBlock(cursorPtr: usize, block: u64, contentPtr: usize, contentLen: usize): void {
  const tablePtr = load<usize>(cursorPtr, TAKE_TABLE_PTR);
  const firstBlock = load<u64>(cursorPtr, TAKE_FIRST_BLOCK);
  if (tablePtr == 0 || block < firstBlock) return;
  const position = (block - firstBlock) as usize;
  const entryPtr = tablePtr + position * 4;
  if (load<usize>(entryPtr) != ABSENT) return;
  if (contentLen == 0) {
    store<usize>(entryPtr, ZERO);
  } else {
    const slotPtr = load<usize>(cursorPtr, TAKE_SLOTS_PTR) + position * contentLen;
    memory.copy(slotPtr, contentPtr, contentLen);
    store<usize>(entryPtr, slotPtr);
  }
}

/**
 * Takes up to `count` digest records of a window into a digest array and returns how many it took.
 *
 * `digestPtr` has room for 16 bytes for each block. `cursorPtr` is a cursor of takeDigest (layout.ts), which
 * is only written. A record whose MD5 is 16 zero bytes is BAD, because in the array it could not be told from
 * a zero block.
 */
export function takeDigest(
  srcPtr: usize,
  srcLen: usize,
  count: u32,
  digestPtr: usize,
  cursorPtr: usize,
): u32 {
  assert(cursorPtr % 4 == 0, "the cursor is aligned to 4 bytes");
  const endPtr = srcPtr + srcLen;
  let status: u32 = REACHED;
  let taken: u32 = 0;
  let ptr = srcPtr;
  for (; taken < count; ++taken) {
    const afterPtr = takeMd5(ptr, endPtr, digestPtr + taken * (DIGEST_SIZE as u32));
    if (afterPtr <= BAD) {
      status = afterPtr as u32;
      break;
    }
    ptr = afterPtr;
  }
  store<usize>(cursorPtr, ptr - srcPtr, DIGEST_CONSUMED);
  store<u32>(cursorPtr, status, DIGEST_STATUS);
  return taken;
}

/** Takes one digest record to `digestPtr` and returns the address after the record, or MORE or BAD. */
function takeMd5(ptr: usize, endPtr: usize, digestPtr: usize): usize {
  const md5Ptr = skipHeader(ptr, endPtr, DIGEST_SIZE);
  if (md5Ptr <= BAD) return md5Ptr;
  if (readBoolean(ptr)) {
    memory.fill(digestPtr, 0, DIGEST_SIZE);
    return md5Ptr;
  }
  if (endPtr - md5Ptr < DIGEST_SIZE) return MORE;
  if (isZero(md5Ptr, DIGEST_SIZE)) return BAD;
  v128.store(digestPtr, v128.load(md5Ptr));
  return md5Ptr + DIGEST_SIZE;
}
