import { assertEquals } from "@std/assert";
import { Random } from "../../scripts/disk_image.ts";
import { fillRun, newRun, testBuilds } from "./builds.ts";

testBuilds("diffBlocks() finds a single different bit at each position", (core) => {
  for (const blockBytes of [1, 15, 16, 17, 63, 64, 65, 79, 80, 81, 128, 200]) {
    using scope = core.scope();
    const a = newRun(scope, { count: 1, blockBytes });
    const b = newRun(scope, { count: 1, blockBytes });
    const changedPtr = scope.alloc(1);
    const changed = core.bytes(changedPtr, 1);
    a.table[0] = a.blockPtr(0);
    b.table[0] = b.blockPtr(0);
    new Random(blockBytes).fill(a.block(0));
    b.block(0).set(a.block(0));
    assertEquals([core.diffBlocks(a, b, changedPtr), changed[0]], [0, 0], `${blockBytes} equal bytes`);
    for (let position = 0; position < blockBytes; position++) {
      b.block(0)[position] ^= 1 << position % 8;
      const where = `byte ${position} of ${blockBytes}`;
      assertEquals([core.diffBlocks(a, b, changedPtr), changed[0]], [1, 1], where);
      b.block(0)[position] ^= 1 << position % 8;
    }
  }
});

testBuilds("diffBlocks() finds zero, absent and data blocks different from each other", (core) => {
  const a = newRun(core, { count: 9, blockBytes: 32 });
  const b = newRun(core, { count: 9, blockBytes: 32 });
  const changedPtr = core.alloc(9);
  for (let i = 0; i < 9; i++) {
    a.block(i).fill(1);
    b.block(i).fill(1);
    a.table[i] = [core.ZERO, core.ABSENT, a.blockPtr(i)][i % 3];
    b.table[i] = [core.ZERO, core.ABSENT, b.blockPtr(i)][Math.floor(i / 3)];
  }
  assertEquals(core.diffBlocks(a, b, changedPtr), 6);
  assertEquals(Array.from(core.bytes(changedPtr, 9)), [0, 1, 1, 1, 0, 1, 1, 1, 0]);
});

testBuilds("diffBlocks() does not use ZERO and ABSENT as addresses", (core) => {
  // As addresses, ZERO and ABSENT would point to the first bytes of the memory: zeros, like these blocks.
  const a = newRun(core, { count: 4, blockBytes: 4 });
  const b = newRun(core, { count: 4, blockBytes: 4 });
  const changedPtr = core.alloc(4);
  core.bytes(a.slotsPtr, 16).fill(0);
  core.bytes(b.slotsPtr, 16).fill(0);
  a.table.set([core.ZERO, core.ABSENT, a.blockPtr(2), a.blockPtr(3)]);
  b.table.set([b.blockPtr(0), b.blockPtr(1), core.ZERO, core.ABSENT]);
  assertEquals(core.diffBlocks(a, b, changedPtr), 4);
  assertEquals(Array.from(core.bytes(changedPtr, 4)), [1, 1, 1, 1]);
});

testBuilds("diffBlocks() marks and counts the blocks that differ", (core) => {
  for (let seed = 1; seed <= 20; seed++) {
    using scope = core.scope();
    const random = new Random(seed);
    const shape = { count: random.below(50), blockBytes: 1 + random.below(200) };
    const [a, b] = [newRun(scope, shape), newRun(scope, shape)];
    fillRun(core, a, random);
    const expected = Array.from(a.table, (entry, i) => {
      const data = entry !== core.ZERO && entry !== core.ABSENT;
      b.block(i).set(a.block(i));
      b.table[i] = data ? b.blockPtr(i) : entry;
      if (random.below(2) === 0) return 0;
      if (data) b.block(i)[random.below(shape.blockBytes)] ^= 1 + random.below(255);
      else b.table[i] = b.blockPtr(i);
      return 1;
    });
    const changedPtr = scope.alloc(shape.count);
    const differing = expected.filter((byte) => byte === 1).length;
    assertEquals(core.diffBlocks(a, b, changedPtr), differing, `seed ${seed}`);
    assertEquals(Array.from(core.bytes(changedPtr, shape.count)), expected, `seed ${seed}`);
  }
});

testBuilds("diffDigests() finds a different bit in each byte of a digest", (core) => {
  const count = 17;
  const [aPtr, bPtr, changedPtr] = [core.alloc(count * 16), core.alloc(count * 16), core.alloc(count)];
  const [a, b] = [core.bytes(aPtr, count * 16), core.bytes(bPtr, count * 16)];
  new Random(1).fill(a);
  b.set(a);
  for (let i = 0; i < 16; i++) b[i * 16 + i] ^= 0x10;
  assertEquals(core.diffDigests(aPtr, bPtr, count, changedPtr), 16);
  assertEquals(Array.from(core.bytes(changedPtr, count)), [...Array(16).fill(1), 0]);
});

testBuilds("diffDigests() finds absent blocks equal", (core) => {
  const run = newRun(core, { count: 3, blockBytes: 16 });
  run.table.set([core.ABSENT, core.ZERO, run.blockPtr(2)]);
  const [aPtr, bPtr, changedPtr] = [core.alloc(48), core.alloc(48), core.alloc(3)];
  core.bytes(aPtr, 48).fill(1);
  core.bytes(bPtr, 48).fill(2);
  assertEquals(core.diffDigests(aPtr, bPtr, 3, changedPtr, run.tablePtr), 2);
  assertEquals(Array.from(core.bytes(changedPtr, 3)), [0, 1, 1]);
});
