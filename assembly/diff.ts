// Comparing two runs of blocks: by their digests, or by their content.

import { ABSENT, DIGEST_SIZE } from "./layout";

/**
 * Compares two digest arrays of `count` blocks. Sets the byte of each block at `changedPtr` to 1 if its
 * digests differ, else to 0, and returns how many differ.
 *
 * `digestAPtr` and `digestBPtr` have 16 bytes for each block, `changedPtr` has room for one byte for each
 * block. `tablePtr` is 0 or a table of `count` entries, aligned to 4 bytes; blocks that are ABSENT in it
 * count as equal.
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
 * Compares the content of the blocks of two tables, `count` blocks of `blockLen` bytes. Sets the byte of each
 * block at `changedPtr` to 1 if its contents differ, else to 0, and returns how many differ.
 *
 * A ZERO entry equals only ZERO, and ABSENT equals only ABSENT: the bytes of a block that lies in memory are
 * not compared with zeros. The caller therefore runs dropZeros on both tables first. The tables are aligned
 * to 4 bytes; `changedPtr` has room for one byte for each block.
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

/** Whether two regions of `len` bytes differ. Compares 64 bytes at a time, then 16, then single bytes. */
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
