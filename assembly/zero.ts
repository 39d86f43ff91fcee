// Finding the blocks whose bytes are all zero.

import { ABSENT, ZERO } from "./layout";

/**
 * Replaces each entry whose block is all zeros with ZERO, and returns how many entries still point to data.
 *
 * `tablePtr` is a table of `count` entries, aligned to 4 bytes. `blockLen` is the length of a block in bytes;
 * blocks may have any length and alignment.
 */
export function dropZeros(tablePtr: usize, count: usize, blockLen: usize): u32 {
  assert(tablePtr % 4 == 0, "the table is aligned to 4 bytes");
  const endPtr = tablePtr + count * 4;
  let dataBlocks: u32 = 0;
  for (let entryPtr = tablePtr; entryPtr < endPtr; entryPtr += 4) {
    const blockPtr = load<usize>(entryPtr);
    if (blockPtr <= ABSENT) continue;
    if (isZero(blockPtr, blockLen)) store<usize>(entryPtr, ZERO);
    else ++dataBlocks;
  }
  return dataBlocks;
}

/** Whether all `len` bytes at `ptr` are zero. Looks at 128 bytes at a time, then 16, then single bytes. */
export function isZero(ptr: usize, len: usize): bool {
  const endPtr = ptr + len;
  const wideEndPtr = ptr + (len & ~127);
  const narrowEndPtr = ptr + (len & ~15);
  for (; ptr < wideEndPtr; ptr += 128) {
    const low = v128.or(or2(ptr), or2(ptr + 32));
    const high = v128.or(or2(ptr + 64), or2(ptr + 96));
    if (v128.any_true(v128.or(low, high))) return false;
  }
  for (; ptr < narrowEndPtr; ptr += 16) {
    if (v128.any_true(v128.load(ptr))) return false;
  }
  for (; ptr < endPtr; ++ptr) {
    if (load<u8>(ptr)) return false;
  }
  return true;
}

function or2(ptr: usize): v128 {
  return v128.or(v128.load(ptr), v128.load(ptr, 16));
}
