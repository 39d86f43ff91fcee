// The sixty-four steps of MD5 (RFC 1321, section 3.4) for four, eight or twelve messages at once.
//
// A group hashes four messages in four lanes: the 32-bit lane l of every vector belongs to message l of the
// group.
//
//              lane 0   lane 1   lane 2   lane 3
//            ┌────────┬────────┬────────┬────────┐
//     a      │ A of 0 │ A of 1 │ A of 2 │ A of 3 │   and b, c, d: the state, from stride to stride
//            ├────────┼────────┼────────┼────────┤
//     word k │ X[k] 0 │ X[k] 1 │ X[k] 2 │ X[k] 3 │   k = 0 … 15: one stride, 64 bytes a message
//            └────────┴────────┴────────┴────────┘
//
// Each step of a message needs the result of the step before, which leaves the processor waiting. So up to
// three groups take each step one after the other, and the steps of one group fill the pauses of the others.
//
// A round is a loop of four turns with four steps each instead of sixteen steps in a row, because the loop
// keeps the groups interleaved. In a straight line Binaryen would reorder the steps group by group (optimise
// levels 2 and 3), or it would not inline the helpers (level 1). Measured on an AMD Zen 5 with Deno 2.9 at
// level 3: three groups reach 3650 MB/s with loops and 2440 MB/s in a straight line, two groups 3580, one
// group 2460, and node:crypto 620.

import { MD5_STATE_SIZE, MD5_WORDS_SIZE } from "./layout";

// The number of groups, as types. AssemblyScript compiles a generic function separately for each type, and
// the type's size is a constant there; so md5Stride is compiled three times, each time without the code of
// the groups that it does not have.

/** Stands for one group. */
export type OneGroup = u8;
/** Stands for two groups. */
export type TwoGroups = u16;
/** Stands for three groups. */
export type ThreeGroups = u32;

/** The constants T[1] … T[64] of RFC 1321, section 3.4: T[i] is the integer part of 2^32 · |sin i|. */
// deno-fmt-ignore
const T = memory.data<u32>([
  0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee,
  0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
  0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
  0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
  0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
  0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
  0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
  0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
  0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
  0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
  0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
  0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
  0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039,
  0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
  0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
  0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
]);

/** Bytes of a vector with one word of every lane of a group. */
const WORD: usize = 16;
/** A mask: `offset & WRAP` is the offset of a word's vector modulo sixteen words. */
const WRAP: usize = 15 * WORD;

/**
 * Hashes one stride: adds the words at `wordsPtr`, MD5_WORDS_SIZE bytes for each group, to the states at
 * `statePtr`, MD5_STATE_SIZE bytes for each group.
 */
export function md5Stride<Groups>(wordsPtr: usize, statePtr: usize): void {
  const groups: usize = sizeof<Groups>() == 4 ? 3 : sizeof<Groups>();
  const s0Ptr = statePtr;
  const s1Ptr = statePtr + MD5_STATE_SIZE;
  const s2Ptr = statePtr + 2 * MD5_STATE_SIZE;
  let a0 = v128.load(s0Ptr), b0 = v128.load(s0Ptr, 16), c0 = v128.load(s0Ptr, 32), d0 = v128.load(s0Ptr, 48);
  let a1 = v128.load(s1Ptr), b1 = v128.load(s1Ptr, 16), c1 = v128.load(s1Ptr, 32), d1 = v128.load(s1Ptr, 48);
  let a2 = v128.load(s2Ptr), b2 = v128.load(s2Ptr, 16), c2 = v128.load(s2Ptr, 32), d2 = v128.load(s2Ptr, 48);
  let wPtr: usize, t: v128;

  // Each turn takes four steps; i is the offset of its first word, and four times the offset of its constant.
  // Round 1: F, words 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
  for (let i: usize = 0; i < 16 * WORD; i += 4 * WORD) {
    wPtr = wordsPtr + i;
    t = v128.load32_splat(T + i / 4, 0);
    a0 = ff(a0, b0, c0, d0, word(wPtr, t), 7);
    if (groups > 1) a1 = ff(a1, b1, c1, d1, word(wPtr + MD5_WORDS_SIZE, t), 7);
    if (groups > 2) a2 = ff(a2, b2, c2, d2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 7);
    wPtr = wordsPtr + i + WORD;
    t = v128.load32_splat(T + i / 4, 4);
    d0 = ff(d0, a0, b0, c0, word(wPtr, t), 12);
    if (groups > 1) d1 = ff(d1, a1, b1, c1, word(wPtr + MD5_WORDS_SIZE, t), 12);
    if (groups > 2) d2 = ff(d2, a2, b2, c2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 12);
    wPtr = wordsPtr + i + 2 * WORD;
    t = v128.load32_splat(T + i / 4, 8);
    c0 = ff(c0, d0, a0, b0, word(wPtr, t), 17);
    if (groups > 1) c1 = ff(c1, d1, a1, b1, word(wPtr + MD5_WORDS_SIZE, t), 17);
    if (groups > 2) c2 = ff(c2, d2, a2, b2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 17);
    wPtr = wordsPtr + i + 3 * WORD;
    t = v128.load32_splat(T + i / 4, 12);
    b0 = ff(b0, c0, d0, a0, word(wPtr, t), 22);
    if (groups > 1) b1 = ff(b1, c1, d1, a1, word(wPtr + MD5_WORDS_SIZE, t), 22);
    if (groups > 2) b2 = ff(b2, c2, d2, a2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 22);
  }
  // Round 2: G, words 1 6 11 0 5 10 15 4 9 14 3 8 13 2 7 12
  for (let i: usize = 0; i < 16 * WORD; i += 4 * WORD) {
    wPtr = wordsPtr + ((5 * i + WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 64);
    a0 = gg(a0, b0, c0, d0, word(wPtr, t), 5);
    if (groups > 1) a1 = gg(a1, b1, c1, d1, word(wPtr + MD5_WORDS_SIZE, t), 5);
    if (groups > 2) a2 = gg(a2, b2, c2, d2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 5);
    wPtr = wordsPtr + ((5 * i + 6 * WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 68);
    d0 = gg(d0, a0, b0, c0, word(wPtr, t), 9);
    if (groups > 1) d1 = gg(d1, a1, b1, c1, word(wPtr + MD5_WORDS_SIZE, t), 9);
    if (groups > 2) d2 = gg(d2, a2, b2, c2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 9);
    wPtr = wordsPtr + ((5 * i + 11 * WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 72);
    c0 = gg(c0, d0, a0, b0, word(wPtr, t), 14);
    if (groups > 1) c1 = gg(c1, d1, a1, b1, word(wPtr + MD5_WORDS_SIZE, t), 14);
    if (groups > 2) c2 = gg(c2, d2, a2, b2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 14);
    wPtr = wordsPtr + ((5 * i) & WRAP);
    t = v128.load32_splat(T + i / 4, 76);
    b0 = gg(b0, c0, d0, a0, word(wPtr, t), 20);
    if (groups > 1) b1 = gg(b1, c1, d1, a1, word(wPtr + MD5_WORDS_SIZE, t), 20);
    if (groups > 2) b2 = gg(b2, c2, d2, a2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 20);
  }
  // Round 3: H, words 5 8 11 14 1 4 7 10 13 0 3 6 9 12 15 2
  for (let i: usize = 0; i < 16 * WORD; i += 4 * WORD) {
    wPtr = wordsPtr + ((3 * i + 5 * WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 128);
    a0 = hh(a0, b0, c0, d0, word(wPtr, t), 4);
    if (groups > 1) a1 = hh(a1, b1, c1, d1, word(wPtr + MD5_WORDS_SIZE, t), 4);
    if (groups > 2) a2 = hh(a2, b2, c2, d2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 4);
    wPtr = wordsPtr + ((3 * i + 8 * WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 132);
    d0 = hh(d0, a0, b0, c0, word(wPtr, t), 11);
    if (groups > 1) d1 = hh(d1, a1, b1, c1, word(wPtr + MD5_WORDS_SIZE, t), 11);
    if (groups > 2) d2 = hh(d2, a2, b2, c2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 11);
    wPtr = wordsPtr + ((3 * i + 11 * WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 136);
    c0 = hh(c0, d0, a0, b0, word(wPtr, t), 16);
    if (groups > 1) c1 = hh(c1, d1, a1, b1, word(wPtr + MD5_WORDS_SIZE, t), 16);
    if (groups > 2) c2 = hh(c2, d2, a2, b2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 16);
    wPtr = wordsPtr + ((3 * i + 14 * WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 140);
    b0 = hh(b0, c0, d0, a0, word(wPtr, t), 23);
    if (groups > 1) b1 = hh(b1, c1, d1, a1, word(wPtr + MD5_WORDS_SIZE, t), 23);
    if (groups > 2) b2 = hh(b2, c2, d2, a2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 23);
  }
  // Round 4: I, words 0 7 14 5 12 3 10 1 8 15 6 13 4 11 2 9
  for (let i: usize = 0; i < 16 * WORD; i += 4 * WORD) {
    wPtr = wordsPtr + ((7 * i) & WRAP);
    t = v128.load32_splat(T + i / 4, 192);
    a0 = ii(a0, b0, c0, d0, word(wPtr, t), 6);
    if (groups > 1) a1 = ii(a1, b1, c1, d1, word(wPtr + MD5_WORDS_SIZE, t), 6);
    if (groups > 2) a2 = ii(a2, b2, c2, d2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 6);
    wPtr = wordsPtr + ((7 * i + 7 * WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 196);
    d0 = ii(d0, a0, b0, c0, word(wPtr, t), 10);
    if (groups > 1) d1 = ii(d1, a1, b1, c1, word(wPtr + MD5_WORDS_SIZE, t), 10);
    if (groups > 2) d2 = ii(d2, a2, b2, c2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 10);
    wPtr = wordsPtr + ((7 * i + 14 * WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 200);
    c0 = ii(c0, d0, a0, b0, word(wPtr, t), 15);
    if (groups > 1) c1 = ii(c1, d1, a1, b1, word(wPtr + MD5_WORDS_SIZE, t), 15);
    if (groups > 2) c2 = ii(c2, d2, a2, b2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 15);
    wPtr = wordsPtr + ((7 * i + 5 * WORD) & WRAP);
    t = v128.load32_splat(T + i / 4, 204);
    b0 = ii(b0, c0, d0, a0, word(wPtr, t), 21);
    if (groups > 1) b1 = ii(b1, c1, d1, a1, word(wPtr + MD5_WORDS_SIZE, t), 21);
    if (groups > 2) b2 = ii(b2, c2, d2, a2, word(wPtr + 2 * MD5_WORDS_SIZE, t), 21);
  }

  addState(s0Ptr, a0, b0, c0, d0);
  if (groups > 1) addState(s1Ptr, a1, b1, c1, d1);
  if (groups > 2) addState(s2Ptr, a2, b2, c2, d2);
}

/** Returns X[k] + T[i] for the word at `wPtr` and the constant `t`. */
function word(wPtr: usize, t: v128): v128 {
  return i32x4.add(v128.load(wPtr), t);
}

function addState(statePtr: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(statePtr, i32x4.add(v128.load(statePtr), a));
  v128.store(statePtr, i32x4.add(v128.load(statePtr, 16), b), 16);
  v128.store(statePtr, i32x4.add(v128.load(statePtr, 32), c), 32);
  v128.store(statePtr, i32x4.add(v128.load(statePtr, 48), d), 48);
}

// One step of each round: a = b + ((a + F(b, c, d) + X[k] + T[i]) <<< s)

/** A step of round 1. F(b, c, d) takes each bit from c where b has a 1, and from d where b has a 0. */
function ff(a: v128, b: v128, c: v128, d: v128, xt: v128, s: i32): v128 {
  return rotateAdd(b, i32x4.add(a, xt), v128.xor(d, v128.and(b, v128.xor(c, d))), s);
}

/**
 * A step of round 2. G(b, c, d) takes each bit from b where d has a 1, and from c where d has a 0. The step
 * before computes b last; the half of G that does not need b is added early, so that less work waits for b.
 */
function gg(a: v128, b: v128, c: v128, d: v128, xt: v128, s: i32): v128 {
  return rotateAdd(b, i32x4.add(i32x4.add(a, xt), v128.andnot(c, d)), v128.and(b, d), s);
}

/** A step of round 3. H(b, c, d) = b xor c xor d. */
function hh(a: v128, b: v128, c: v128, d: v128, xt: v128, s: i32): v128 {
  return rotateAdd(b, i32x4.add(a, xt), v128.xor(b, v128.xor(c, d)), s);
}

/** A step of round 4. I(b, c, d) = c xor (b or not d). */
function ii(a: v128, b: v128, c: v128, d: v128, xt: v128, s: i32): v128 {
  return rotateAdd(b, i32x4.add(a, xt), v128.xor(c, v128.or(b, v128.not(d))), s);
}

/** Returns b + ((early + late) <<< s), where <<< rotates to the left. */
function rotateAdd(b: v128, early: v128, late: v128, s: i32): v128 {
  const sum = i32x4.add(early, late);
  return i32x4.add(b, v128.or(i32x4.shl(sum, s), i32x4.shr_u(sum, 32 - s)));
}
