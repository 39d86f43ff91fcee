// Writing records: block tables become the bytes of dumps and rdiffs, digest arrays the bytes of digests.

import { decimalLen, writeBoolean, writeInteger } from "./decimal";
import {
  ABSENT,
  DIGEST_SIZE,
  NO_CONTENT,
  PACK_BLOCK_LEN,
  PACK_CONTENT,
  PACK_COUNT,
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
  ZERO,
} from "./layout";
import { isZero } from "./zero";

/**
 * Writes the records of a table's blocks, and returns how many it wrote. It stops at the end of the table,
 * when the next record does not fit into the output, or where the caller wants a piece to end (PACK_STOP_LEN
 * in layout.ts).
 *
 * `cursorPtr`: a cursor of packRecords (layout.ts), aligned to 8 bytes. Another call with the same cursor
 * continues after the last record. Only whole records are written: if the output has less room than the next
 * record needs, the function writes nothing.
 */
export function packRecords(cursorPtr: usize): u32 {
  const firstBlock = load<u64>(cursorPtr, PACK_FIRST_BLOCK);
  const tablePtr = load<usize>(cursorPtr, PACK_TABLE_PTR);
  const selectPtr = load<usize>(cursorPtr, PACK_SELECT_PTR);
  const count = load<usize>(cursorPtr, PACK_COUNT);
  const blockLen = load<usize>(cursorPtr, PACK_BLOCK_LEN);
  const outPtr = load<usize>(cursorPtr, PACK_OUT_PTR);
  const outEndPtr = outPtr + load<usize>(cursorPtr, PACK_OUT_CAP);
  assert(cursorPtr % 8 == 0, "the cursor is aligned to 8 bytes");
  assert(tablePtr % 4 == 0, "the table is aligned to 4 bytes");

  const stopPtr = outPtr + load<usize>(cursorPtr, PACK_STOP_LEN);
  const groupBlocks: u64 = load<u32>(cursorPtr, PACK_GROUP_BLOCKS);
  assert(groupBlocks > 0, "a group has blocks");
  const inPlace = load<u32>(cursorPtr, PACK_IN_PLACE) != 0;
  const contentLen: usize = inPlace ? 0 : blockLen;
  let lastGroup = load<u64>(cursorPtr, PACK_LAST_GROUP);

  let next = load<usize>(cursorPtr, PACK_NEXT);
  let ptr = outPtr;
  let records: u32 = 0;
  store<u32>(cursorPtr, NO_CONTENT, PACK_CONTENT);
  for (; next < count; ++next) {
    const blockPtr = load<usize>(tablePtr + next * 4);
    if (blockPtr == ABSENT || (selectPtr != 0 && load<u8>(selectPtr + next) == 0)) continue;
    const block = firstBlock + next;
    const group = block / groupBlocks;
    if (ptr >= stopPtr && group != lastGroup) break;
    const headerLen = decimalLen(block) + 3;
    if (headerLen + (blockPtr == ZERO ? 0 : decimalLen(blockLen) + 1 + contentLen) > outEndPtr - ptr) break;
    ptr = writeBoolean(writeInteger(ptr, block), blockPtr == ZERO);
    lastGroup = group;
    ++records;
    if (blockPtr == ZERO) continue;
    ptr = writeInteger(ptr, blockLen);
    memory.copy(ptr, blockPtr, contentLen);
    ptr += contentLen;
    if (!inPlace) continue;
    store<u32>(cursorPtr, next as u32, PACK_CONTENT);
    ++next;
    break;
  }
  store<u64>(cursorPtr, lastGroup, PACK_LAST_GROUP);
  store<usize>(cursorPtr, next, PACK_NEXT);
  store<usize>(cursorPtr, ptr - outPtr, PACK_OUT_LEN);
  return records;
}

/**
 * Writes the records of `count` digests and returns how many bytes they take.
 *
 * `digestPtr` has 16 bytes for each block, all of them zero for a zero block. `outPtr` has room for
 * `count * DIGEST_RECORD_MAX` bytes.
 */
export function packDigest(digestPtr: usize, count: usize, outPtr: usize): u32 {
  const endPtr = digestPtr + count * DIGEST_SIZE;
  let ptr = outPtr;
  for (; digestPtr < endPtr; digestPtr += DIGEST_SIZE) {
    const zero = isZero(digestPtr, DIGEST_SIZE);
    ptr = writeBoolean(ptr, zero);
    if (zero) continue;
    ptr = writeInteger(ptr, DIGEST_SIZE);
    v128.store(ptr, v128.load(digestPtr));
    ptr += DIGEST_SIZE;
  }
  return (ptr - outPtr) as u32;
}
