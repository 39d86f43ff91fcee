import { assertEquals } from "@std/assert";
import type { BlockRun, Core } from "../../cli/core.ts";
import { copyOf, fillRun, newRun, Random, testBuilds, type TestRun } from "./builds.ts";
import { fromText, writeRecords } from "./records.ts";

/** Packs a run through a region of `length` bytes. */
function packAll(core: Core, run: BlockRun, out: { length: number; selectPtr?: number }): number[] {
  const ptr = core.alloc(out.length + 1);
  const guard = core.bytes(ptr + out.length, 1).fill(0xee);
  const packer = core.packer(run, { ptr, ...out });
  const packed: number[] = [];
  while (packer.pack()) packed.push(...core.bytes(ptr, packer.packedBytes));
  assertEquals(packer.packedBytes, 0);
  assertEquals(guard[0], 0xee);
  return packed;
}

/** What packing a run must give. */
function expectedOf(core: Core, run: TestRun, select?: Uint8Array): number[] {
  const records = Array.from(run.table, (entry, i) => {
    const content = entry === core.ZERO ? undefined : copyOf(run.block(i));
    return { block: run.first + i, content, wanted: entry !== core.ABSENT && select?.[i] !== 0 };
  });
  return Array.from(writeRecords(records.filter((record) => record.wanted)));
}

testBuilds("packRecords() writes the records of the format", (core) => {
  const run = newRun(core, { count: 4, blockBytes: 3, first: 9 });
  run.block(0).set(fromText("abc"));
  run.table.set([run.blockPtr(0), core.ZERO, core.ABSENT, core.ZERO]);
  const expected = "9\0" + "0\0" + "3\0" + "abc" + "10\0" + "1\0" + "12\0" + "1\0";
  assertEquals(packAll(core, run, { length: 100 }), Array.from(fromText(expected)));
});

testBuilds("packRecords() goes on where it stopped, at every size of the output", (core) => {
  const run = newRun(core, { count: 12, blockBytes: 5, first: 96 });
  fillRun(core, run, new Random(3));
  const expected = expectedOf(core, run);
  for (let length = core.RECORD_HEADER_MAX + 5; length <= expected.length + 40; length++) {
    const mark = core.mark();
    assertEquals(packAll(core, run, { length }), expected, `${length} bytes`);
    core.release(mark);
  }
});

testBuilds("packRecords() fills the output to its last byte", (core) => {
  const run = newRun(core, { count: 12, blockBytes: 5, first: 96 });
  fillRun(core, run, new Random(4));
  const { length } = expectedOf(core, run);
  const packer = core.packer(run, { ptr: core.alloc(length), length });
  assertEquals([packer.pack(), packer.packedBytes, packer.pack()], [true, length, false]);
});

testBuilds("packRecords() writes selected blocks only", (core) => {
  for (let seed = 1; seed <= 20; seed++) {
    const mark = core.mark();
    const random = new Random(seed);
    const run = newRun(core, { count: random.below(40), blockBytes: 512, first: random.below(1e6) });
    fillRun(core, run, random);
    const selectPtr = core.alloc(run.count);
    const select = core.bytes(selectPtr, run.count);
    for (let i = 0; i < run.count; i++) select[i] = random.below(3);
    assertEquals(
      packAll(core, run, { length: 2000, selectPtr }),
      expectedOf(core, run, select),
      `seed ${seed}`,
    );
    core.release(mark);
  }
});

testBuilds("packRecords() writes numbers of every length", (core) => {
  for (let digits = 1; digits <= 15; digits++) {
    for (const first of [10 ** digits - 1, 10 ** digits]) {
      const run = newRun(core, { count: 2, blockBytes: 1, first });
      run.table.fill(core.ZERO);
      assertEquals(packAll(core, run, { length: 64 }), expectedOf(core, run), `block ${first}`);
    }
  }
  const run = newRun(core, { count: 1, blockBytes: 1, first: Number.MAX_SAFE_INTEGER - 1 });
  run.table.fill(run.blockPtr(0));
  assertEquals(packAll(core, run, { length: 64 }), expectedOf(core, run));
});
