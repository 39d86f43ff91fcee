// Which blocks differ, by digest or by content.

import { ABSENT, DIGEST_SIZE } from "./layout";

/**
 * Sets `changed[i]` to 1 where two digest arrays differ, else to 0, and returns how many differ.
 *
 * `tablePtr`: 0, or `count` entries of which the ABSENT ones never differ; `digestAPtr`, `digestBPtr`: 16 bytes a
 * block; `changedPtr`: one byte a block.
 */
export function diffDigests(
  tablePtr: usize,
  digestAPtr: usize,
  digestBPtr: usize,
  count: usize,
  changedPtr: usize,
): u32 {
  assert(tablePtr % 4 == 0, "the table is aligned to 4 bytes");
  let changedBlocks: u32 = 0;
  for (let i: usize = 0; i < count; ++i) {
    const at = i * DIGEST_SIZE;
    const present = tablePtr == 0 || load<usize>(tablePtr + i * 4) != ABSENT;
    const changed = present && v128.any_true(xor(digestAPtr + at, digestBPtr + at));
    store<u8>(changedPtr + i, changed as u8);
    changedBlocks += changed as u32;
  }
  return changedBlocks;
}

/**
 * Sets `changed[i]` to 1 where two tables differ in content, else to 0, and returns how many differ.
 *
 * ZERO equals ZERO only and ABSENT equals ABSENT only: zero blocks that still have bytes are to be dropped before.
 */
export function diffBlocks(
  tableAPtr: usize,
  tableBPtr: usize,
  count: usize,
  blockLen: usize,
  changedPtr: usize,
): u32 {
  assert(tableAPtr % 4 == 0 && tableBPtr % 4 == 0, "the tables are aligned to 4 bytes");
  let changedBlocks: u32 = 0;
  for (let i: usize = 0; i < count; ++i) {
    const aPtr = load<usize>(tableAPtr + i * 4);
    const bPtr = load<usize>(tableBPtr + i * 4);
    const changed = aPtr != bPtr && (aPtr <= ABSENT || bPtr <= ABSENT || differ(aPtr, bPtr, blockLen));
    store<u8>(changedPtr + i, changed as u8);
    changedBlocks += changed as u32;
  }
  return changedBlocks;
}

/** Whether two runs of `len` bytes differ: strides of 64 bytes, then of 16, then single bytes. */
function differ(aPtr: usize, bPtr: usize, len: usize): bool {
  const endPtr = aPtr + len;
  const wideEndPtr = aPtr + (len & ~63);
  const narrowEndPtr = aPtr + (len & ~15);
  for (; aPtr < wideEndPtr; aPtr += 64, bPtr += 64) {
    const low = v128.or(xor(aPtr, bPtr), xor(aPtr + 16, bPtr + 16));
    const high = v128.or(xor(aPtr + 32, bPtr + 32), xor(aPtr + 48, bPtr + 48));
    if (v128.any_true(v128.or(low, high))) return true;
  }
  for (; aPtr < narrowEndPtr; aPtr += 16, bPtr += 16) {
    if (v128.any_true(xor(aPtr, bPtr))) return true;
  }
  for (; aPtr < endPtr; ++aPtr, ++bPtr) {
    if (load<u8>(aPtr) != load<u8>(bPtr)) return true;
  }
  return false;
}

function xor(aPtr: usize, bPtr: usize): v128 {
  return v128.xor(v128.load(aPtr), v128.load(bPtr));
}
