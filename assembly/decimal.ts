// Numbers as the archives write them: canonical decimal text and a zero byte.
//
// A reader of tokens answers with the address behind the token, or with one of the two statuses that can be no
// address: MORE when the window ends before the token does, BAD as soon as no token can begin like this.

import { BAD, MORE } from "./layout";

const DIGIT_0: u32 = 0x30;

/** Digits of `value`. */
export function decimalLen(value: u64): usize {
  let len: usize = 1;
  for (; value >= 10; value /= 10) ++len;
  return len;
}

/** Writes `value` and its zero byte, `decimalLen(value) + 1` bytes, and returns the address behind them. */
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

/** Writes `1␀` or `0␀` and returns the address behind it. */
export function writeBoolean(ptr: usize, value: bool): usize {
  store<u16>(ptr, (DIGIT_0 + (value as u32)) as u16);
  return ptr + 2;
}

/** The address behind an integer token of at most `digitsMax` digits at `ptr`, or MORE or BAD. */
export function behindInteger(ptr: usize, endPtr: usize, digitsMax: usize): usize {
  const leadingZero = ptr < endPtr && load<u8>(ptr) == DIGIT_0;
  const limitPtr = ptr + (leadingZero ? 1 : digitsMax);
  for (let digitPtr = ptr; digitPtr < endPtr; ++digitPtr) {
    const byte: u32 = load<u8>(digitPtr);
    if (byte == 0) return digitPtr > ptr ? digitPtr + 1 : BAD;
    if (digitPtr == limitPtr || byte - DIGIT_0 > 9) return BAD;
  }
  return MORE;
}

/** The address behind the integer token of exactly `value` (not 0) at `ptr`, or MORE or BAD. */
export function behindExactly(ptr: usize, endPtr: usize, value: u64): usize {
  const behindPtr = behindInteger(ptr, endPtr, decimalLen(value));
  if (behindPtr == BAD || ptr == endPtr) return behindPtr;
  if (behindPtr != MORE) return readInteger(ptr, behindPtr - 1) == value ? behindPtr : BAD;
  const begun = readInteger(ptr, endPtr);
  while (value > begun) value /= 10;
  return begun != 0 && value == begun ? MORE : BAD;
}

/** The address behind a boolean token at `ptr`, or MORE or BAD. */
export function behindBoolean(ptr: usize, endPtr: usize): usize {
  if (ptr < endPtr && load<u8>(ptr) - DIGIT_0 > 1) return BAD;
  if (ptr + 1 < endPtr) return load<u8>(ptr, 1) == 0 ? ptr + 2 : BAD;
  return MORE;
}

/** The value of the digits from `ptr` up to `endPtr`; at most 19 of them. */
export function readInteger(ptr: usize, endPtr: usize): u64 {
  let value: u64 = 0;
  for (; ptr < endPtr; ++ptr) value = value * 10 + ((load<u8>(ptr) as u32) - DIGIT_0);
  return value;
}

/** The value of the boolean token at `ptr`. */
export function readBoolean(ptr: usize): bool {
  return load<u8>(ptr) != DIGIT_0;
}
