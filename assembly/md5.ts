// MD5 (RFC 1321) of many blocks at once.
//
// The blocks are independent of each other and equally long, so up to twelve are hashed side by side: each in
// a lane of its own, four lanes to a group, up to three groups. The blocks of the table that have data are
// assigned to the lanes in their order; where a block lies in the memory does not matter:
//
//     table   ● ○ ● ● ○ ○ ● ● ● …        ● data   ○ ZERO or ABSENT
//             │   │ │     │ │ │
//     lane    0   1 2     3 4 5          lanes 0–3 group 0, lanes 4–7 group 1, lanes 8–11 group 2
//
// The arithmetic is in md5_rounds.ts. layout.ts shows the regions of the scratch memory.

import {
  ABSENT,
  DIGEST_SIZE,
  MD5_DIGESTS,
  MD5_LANES,
  MD5_STATE,
  MD5_STATE_SIZE,
  MD5_TAIL_SIZE,
  MD5_TAILS,
  MD5_WORDS,
  MD5_WORDS_SIZE,
} from "./layout";
import { md5Stride, OneGroup, ThreeGroups, TwoGroups } from "./md5_rounds";

const STRIDE: usize = 64;
/** Bytes of the message length, which ends the padding and counts bits. */
const BIT_COUNT_SIZE: usize = 8;

/**
 * Writes the MD5 of every block of a table to `outPtr`, 16 bytes for each; for ZERO and ABSENT entries 16
 * zero bytes.
 *
 * `tablePtr` is a table of `count` entries, aligned to 4 bytes. `blockLen` is the length of a block in bytes;
 * blocks may have any length and alignment. `scratchPtr` has MD5_SCRATCH_SIZE bytes, aligned to 16, which
 * hold all state of the call.
 */
export function md5Blocks(
  tablePtr: usize,
  count: usize,
  blockLen: usize,
  outPtr: usize,
  scratchPtr: usize,
): void {
  assert(tablePtr % 4 == 0, "the table is aligned to 4 bytes");
  assert(scratchPtr % 16 == 0, "the scratch is aligned to 16 bytes");
  memory.fill(outPtr, 0, count * DIGEST_SIZE);
  let next: usize = 0;
  for (let left = countData(tablePtr, count); left > 0;) {
    const groups = chooseGroups(left);
    const lanes = min(left, 4 * groups);
    next = fillLanes(tablePtr, next, lanes, outPtr, scratchPtr);
    repeatLane(lanes, 4 * groups, scratchPtr);
    if (groups == 3) md5Lanes<ThreeGroups>(3, blockLen, scratchPtr);
    else if (groups == 2) md5Lanes<TwoGroups>(2, blockLen, scratchPtr);
    else md5Lanes<OneGroup>(1, blockLen, scratchPtr);
    left -= lanes;
  }
}

function countData(tablePtr: usize, count: usize): usize {
  let dataBlocks: usize = 0;
  for (let i: usize = 0; i < count; ++i) {
    if (load<usize>(tablePtr + i * 4) > ABSENT) ++dataBlocks;
  }
  return dataBlocks;
}

/**
 * Returns how many groups hash the next blocks when `left` blocks remain: as many as these blocks fill, at
 * most three. Blocks for four groups are the exception: they are hashed by two groups and then two again.
 *
 * A stride of 1, 2 or 3 groups takes 104, 143 or 210 ns (md5_rounds.ts names the machine), so that 2 + 2 is
 * faster than 3 + 1, and 3 + 2 + 2 faster than 3 + 3 + 1.
 */
function chooseGroups(left: usize): usize {
  const groups = (left + 3) / 4;
  return groups == 4 ? 2 : min(groups, 3);
}

/**
 * Assigns the next `lanes` blocks that have data, from position `next` of the table on, to lanes 0, 1 and so
 * on. Returns the position after the last of them.
 */
function fillLanes(tablePtr: usize, next: usize, lanes: usize, outPtr: usize, scratchPtr: usize): usize {
  for (let lane: usize = 0; lane < lanes; ++next) {
    const blockPtr = load<usize>(tablePtr + next * 4);
    if (blockPtr <= ABSENT) continue;
    setLane(lane++, blockPtr, outPtr + next * DIGEST_SIZE, scratchPtr);
  }
  return next;
}

/** Assigns the block of lane 0 to the unused lanes as well; they write the same digest to the same place. */
function repeatLane(lane: usize, lanes: usize, scratchPtr: usize): void {
  const blockPtr = load<usize>(scratchPtr, MD5_LANES);
  const digestPtr = load<usize>(scratchPtr, MD5_DIGESTS);
  for (; lane < lanes; ++lane) setLane(lane, blockPtr, digestPtr, scratchPtr);
}

function setLane(lane: usize, blockPtr: usize, digestPtr: usize, scratchPtr: usize): void {
  store<usize>(scratchPtr + lane * 4, blockPtr, MD5_LANES);
  store<usize>(scratchPtr + lane * 4, digestPtr, MD5_DIGESTS);
}

/** Computes and stores the digests of the blocks in the lanes of `groups` groups. */
function md5Lanes<Groups>(groups: usize, blockLen: usize, scratchPtr: usize): void {
  const restLen = blockLen % STRIDE;
  for (let group: usize = 0; group < groups; ++group) {
    beginState(scratchPtr + MD5_STATE + group * MD5_STATE_SIZE);
  }
  strides<Groups>(groups, blockLen - restLen, scratchPtr);
  const tailLen = STRIDE * (restLen + 1 + BIT_COUNT_SIZE > STRIDE ? 2 : 1);
  layTails(4 * groups, blockLen, tailLen, scratchPtr);
  strides<Groups>(groups, tailLen, scratchPtr);
  for (let group: usize = 0; group < groups; ++group) {
    storeDigests(scratchPtr + MD5_STATE + group * MD5_STATE_SIZE, scratchPtr + MD5_DIGESTS + group * 16);
  }
}

/** Sets the state of a group to the initial values of RFC 1321, section 3.3. */
function beginState(statePtr: usize): void {
  v128.store(statePtr, i32x4.splat(0x67452301));
  v128.store(statePtr, i32x4.splat(0xefcdab89), 16);
  v128.store(statePtr, i32x4.splat(0x98badcfe), 32);
  v128.store(statePtr, i32x4.splat(0x10325476), 48);
}

/** Hashes `len` bytes of every lane, a multiple of STRIDE: adds them to the states. */
function strides<Groups>(groups: usize, len: usize, scratchPtr: usize): void {
  const wordsPtr = scratchPtr + MD5_WORDS;
  for (let at: usize = 0; at < len; at += STRIDE) {
    for (let group: usize = 0; group < groups; ++group) {
      loadWords(scratchPtr + MD5_LANES + group * 16, at, wordsPtr + group * MD5_WORDS_SIZE);
    }
    md5Stride<Groups>(wordsPtr, scratchPtr + MD5_STATE);
  }
}

/**
 * Points every lane to a copy of its block's end, with the padding of RFC 1321, sections 3.1 and 3.2:
 *
 *     ┌──────────────┬──────┬─────────────┬──────────────┐
 *     │ restLen bytes│ 0x80 │ zeros       │ bits, u64 LE │   tailLen: one or two strides
 *     └──────────────┴──────┴─────────────┴──────────────┘
 *
 * If the length of the blocks is a multiple of the stride, this tail consists of padding alone and is the
 * same for all blocks, so that all lanes share one.
 */
function layTails(lanes: usize, blockLen: usize, tailLen: usize, scratchPtr: usize): void {
  const restLen = blockLen % STRIDE;
  const lanesPtr = scratchPtr + MD5_LANES;
  let tailPtr = scratchPtr + MD5_TAILS;
  for (let lane: usize = 0; lane < lanes; ++lane) {
    if (lane == 0 || restLen > 0) {
      const blockPtr = load<usize>(lanesPtr + lane * 4);
      tailPtr = scratchPtr + MD5_TAILS + lane * MD5_TAIL_SIZE;
      memory.copy(tailPtr, blockPtr + blockLen - restLen, restLen);
      memory.fill(tailPtr + restLen, 0, tailLen - restLen);
      store<u8>(tailPtr + restLen, 0x80);
      store<u64>(tailPtr + tailLen - BIT_COUNT_SIZE, (blockLen as u64) * 8);
    }
    store<usize>(lanesPtr + lane * 4, tailPtr);
  }
}

/**
 * Transposes the next stride of four lanes, which begins at offset `at` of their blocks, into sixteen
 * vectors: one for each word of the stride, with this word of all four lanes.
 */
function loadWords(lanesPtr: usize, at: usize, wordsPtr: usize): void {
  const ptr0 = load<usize>(lanesPtr) + at;
  const ptr1 = load<usize>(lanesPtr, 4) + at;
  const ptr2 = load<usize>(lanesPtr, 8) + at;
  const ptr3 = load<usize>(lanesPtr, 12) + at;
  for (let i: usize = 0; i < STRIDE; i += 16, wordsPtr += 4 * 16) {
    transpose(ptr0 + i, ptr1 + i, ptr2 + i, ptr3 + i, wordsPtr, wordsPtr + 16, wordsPtr + 32, wordsPtr + 48);
  }
}

/** Transposes the state of a group into four digests: the words A, B, C, D of each message in a row. */
function storeDigests(statePtr: usize, digestsPtr: usize): void {
  transpose(
    statePtr,
    statePtr + 16,
    statePtr + 32,
    statePtr + 48,
    load<usize>(digestsPtr),
    load<usize>(digestsPtr, 4),
    load<usize>(digestsPtr, 8),
    load<usize>(digestsPtr, 12),
  );
}

/**
 * Four rows of four words become four columns:
 *
 *     in0  a0 a1 a2 a3          a0 b0 c0 d0  out0
 *     in1  b0 b1 b2 b3    →     a1 b1 c1 d1  out1
 *     in2  c0 c1 c2 c3          a2 b2 c2 d2  out2
 *     in3  d0 d1 d2 d3          a3 b3 c3 d3  out3
 */
function transpose(
  in0: usize,
  in1: usize,
  in2: usize,
  in3: usize,
  out0: usize,
  out1: usize,
  out2: usize,
  out3: usize,
): void {
  const a = v128.load(in0), b = v128.load(in1), c = v128.load(in2), d = v128.load(in3);
  const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5), cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(out0, v128.shuffle<i64>(ab01, cd01, 0, 2));
  v128.store(out1, v128.shuffle<i64>(ab01, cd01, 1, 3));
  v128.store(out2, v128.shuffle<i64>(ab23, cd23, 0, 2));
  v128.store(out3, v128.shuffle<i64>(ab23, cd23, 1, 3));
}
