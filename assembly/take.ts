// From the bytes of dump, rdiff and digest back to tables.
//
// The bytes come in windows cut anywhere. What is taken is what the format says to the letter; the first byte that
// cannot continue a record is refused where it stands, so a window never grows for the sake of garbage.

import { behindBoolean, behindExactly, behindInteger, readBoolean, readInteger } from "./decimal";
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

/** One record was taken and the next may follow: what takeRecord says beside the statuses of takeRecords. */
const TAKEN: u32 = u32.MAX_VALUE;

/**
 * Takes the records of a window into a table and returns why it stopped.
 *
 * `cursorPtr`: a cursor of takeRecords (layout.ts). Entries that are ABSENT get their block: ZERO, or the address of the
 * block's slot, where the content is copied. Records of other entries, and of blocks before the table, are passed over.
 * At CONTENT the caller moves the content, which begins in the window behind what was consumed.
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

/** Takes one record; the cursor holds all that lasts from one to the next. */
function takeRecord(cursorPtr: usize): u32 {
  const srcPtr = load<usize>(cursorPtr, TAKE_SRC_PTR);
  const endPtr = srcPtr + load<usize>(cursorPtr, TAKE_SRC_LEN);
  const ptr = srcPtr + load<usize>(cursorPtr, TAKE_CONSUMED);

  const flagPtr = behindInteger(ptr, endPtr, INDEX_DIGITS_MAX);
  if (flagPtr <= BAD) return flagPtr as u32;
  const block = readInteger(ptr, flagPtr - 1);
  if (!isDue(cursorPtr, block)) return BAD;
  store<u64>(cursorPtr, block, TAKE_PEEK_BLOCK);
  if (block >= load<u64>(cursorPtr, TAKE_TO_BLOCK)) return REACHED;

  const blockLen = load<usize>(cursorPtr, TAKE_BLOCK_LEN);
  const contentPtr = behindHeader(flagPtr, endPtr, blockLen);
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

/** Whether the next record may be of `block`. */
function isDue(cursorPtr: usize, block: u64): bool {
  const nextBlock = load<u64>(cursorPtr, TAKE_NEXT_BLOCK);
  if (block >= load<u64>(cursorPtr, TAKE_DISK_BLOCKS)) return false;
  return load<u32>(cursorPtr, TAKE_FULL) ? block == nextBlock : block >= nextBlock;
}

/** The address behind the flag of a zero record, behind flag and length of a data record, or MORE or BAD. */
function behindHeader(flagPtr: usize, endPtr: usize, len: usize): usize {
  const lengthPtr = behindBoolean(flagPtr, endPtr);
  return lengthPtr <= BAD || readBoolean(flagPtr) ? lengthPtr : behindExactly(lengthPtr, endPtr, len);
}

/** Tells where the record of `block` stands, `offset` bytes behind the window's first one. */
function noteOffset(cursorPtr: usize, block: u64, offset: usize): void {
  const offsetsPtr = load<usize>(cursorPtr, TAKE_OFFSETS_PTR);
  const firstBlock = load<u64>(cursorPtr, TAKE_FIRST_BLOCK);
  if (offsetsPtr == 0 || block < firstBlock) return;
  const position = (block - firstBlock) as usize;
  store<u32>(offsetsPtr + position * 4, load<u32>(cursorPtr, TAKE_SRC_OFFSET) + (offset as u32));
}

/** Brings a block to its entry if that is ABSENT; no content is a zero block. */
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
 * `digestPtr`: room for 16 bytes a block; `cursorPtr`: a cursor of takeDigest (layout.ts), written only. An MD5 of 16
 * zero bytes is BAD: it would read as a zero block.
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
    const behindPtr = takeMd5(ptr, endPtr, digestPtr + taken * (DIGEST_SIZE as u32));
    if (behindPtr <= BAD) {
      status = behindPtr as u32;
      break;
    }
    ptr = behindPtr;
  }
  store<usize>(cursorPtr, ptr - srcPtr, DIGEST_CONSUMED);
  store<u32>(cursorPtr, status, DIGEST_STATUS);
  return taken;
}

/** Takes one digest record and returns the address behind it, or MORE or BAD. */
function takeMd5(ptr: usize, endPtr: usize, digestPtr: usize): usize {
  const md5Ptr = behindHeader(ptr, endPtr, DIGEST_SIZE);
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
