// Tokens of the archive format: numbers and booleans as decimal text followed by a zero byte. A number has no
// leading zeros ("0" itself excepted), so that each number has exactly one spelling.
//
// The functions `skip…` look for a token at `ptr` and return the address of the first byte after it. Two
// results are statuses instead, which are not valid addresses (layout.ts): MORE if the window ends before the
// token does, and BAD as soon as the bytes that are there cannot be the beginning of such a token.

import { BAD, MORE } from "./layout";

const DIGIT_0: u32 = 0x30;

/** Returns how many decimal digits `value` has: 1 to 20. */
export function decimalLen(value: u64): usize {
  let len: usize = 1;
  for (; value >= 10; value /= 10) ++len;
  return len;
}

/**
 * Writes `value` as digits and a zero byte, `decimalLen(value) + 1` bytes altogether, and returns the address
 * after them.
 */
export function writeInteger(ptr: usize, value: u64): usize {
  const zeroPtr = ptr + decimalLen(value);
  store<u8>(zeroPtr, 0);
  let digitPtr = zeroPtr;
  do {
    store<u8>(--digitPtr, (DIGIT_0 + ((value % 10) as u32)) as u8);
    value /= 10;
  } while (digitPtr > ptr);
  return zeroPtr + 1;
}

/** Writes `1␀` for true or `0␀` for false, two bytes, and returns the address after them. */
export function writeBoolean(ptr: usize, value: bool): usize {
  store<u16>(ptr, (DIGIT_0 + (value as u32)) as u16);
  return ptr + 2;
}

/**
 * Returns the address after the number at `ptr`, or MORE or BAD. A number of more than `digitsMax` digits is
 * BAD, and so is one with a leading zero. The window ends before `endPtr`.
 */
export function skipInteger(ptr: usize, endPtr: usize, digitsMax: usize): usize {
  const leadingZero = ptr < endPtr && load<u8>(ptr) == DIGIT_0;
  const limitPtr = ptr + (leadingZero ? 1 : digitsMax);
  for (let digitPtr = ptr; digitPtr < endPtr; ++digitPtr) {
    const byte: u32 = load<u8>(digitPtr);
    if (byte == 0) return digitPtr > ptr ? digitPtr + 1 : BAD;
    if (digitPtr == limitPtr || byte - DIGIT_0 > 9) return BAD;
  }
  return MORE;
}

/**
 * Returns the address after the number at `ptr` if it is `value`, which must not be 0; otherwise MORE or
 * BAD. Where the window ends within the number, its digits so far decide: MORE if `value` begins with them,
 * else BAD.
 */
export function skipExactly(ptr: usize, endPtr: usize, value: u64): usize {
  const afterPtr = skipInteger(ptr, endPtr, decimalLen(value));
  if (afterPtr == BAD || ptr == endPtr) return afterPtr;
  if (afterPtr != MORE) return readInteger(ptr, afterPtr - 1) == value ? afterPtr : BAD;
  const begun = readInteger(ptr, endPtr);
  while (value > begun) value /= 10;
  return begun != 0 && value == begun ? MORE : BAD;
}

/** Returns the address after the boolean (`0␀` or `1␀`) at `ptr`, or MORE or BAD. */
export function skipBoolean(ptr: usize, endPtr: usize): usize {
  if (ptr < endPtr && load<u8>(ptr) - DIGIT_0 > 1) return BAD;
  if (ptr + 1 < endPtr) return load<u8>(ptr, 1) == 0 ? ptr + 2 : BAD;
  return MORE;
}

/** Returns the value of the digits from `ptr` to `endPtr`: at most 19, so that the value fits in 64 bits. */
export function readInteger(ptr: usize, endPtr: usize): u64 {
  let value: u64 = 0;
  for (; ptr < endPtr; ++ptr) value = value * 10 + ((load<u8>(ptr) as u32) - DIGIT_0);
  return value;
}

/** Returns the value of the boolean at `ptr`, which `skipBoolean` has found to be valid. */
export function readBoolean(ptr: usize): bool {
  return load<u8>(ptr) != DIGIT_0;
}
