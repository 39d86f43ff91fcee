import { assertEquals } from "@std/assert";
import type { BlockRun, Core } from "../../cli/core.ts";
import { Random } from "../../scripts/disk_image.ts";
import { copyOf, fillRun, newRun, testBuilds, type TestRun } from "./builds.ts";
import { fromText, writeRecords } from "./records.ts";

/** Packs a whole run with an output region of `length` bytes, and returns all bytes. */
function packAll(core: Core, run: BlockRun, out: { length: number; selectPtr?: number }): number[] {
  const ptr = core.alloc(out.length + 1);
  const guard = core.bytes(ptr + out.length, 1).fill(0xee);
  const packer = core.packer(run, { selectPtr: out.selectPtr });
  const packed: number[] = [];
  while (packer.pack({ ptr, length: out.length })) packed.push(...core.bytes(ptr, packer.packedBytes));
  assertEquals(packer.packedBytes, 0);
  assertEquals(guard[0], 0xee);
  return packed;
}

/** Returns the bytes that packing a run must give. */
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

testBuilds("packRecords() continues where it stopped, with outputs of every size", (core) => {
  const run = newRun(core, { count: 12, blockBytes: 5, first: 96 });
  fillRun(core, run, new Random(3));
  const expected = expectedOf(core, run);
  for (let length = core.RECORD_HEADER_MAX + 5; length <= expected.length + 40; length++) {
    using scope = core.scope();
    assertEquals(packAll(scope, run, { length }), expected, `${length} bytes`);
  }
});

testBuilds("packRecords() fills the output to its last byte", (core) => {
  const run = newRun(core, { count: 12, blockBytes: 5, first: 96 });
  fillRun(core, run, new Random(4));
  const { length } = expectedOf(core, run);
  const packer = core.packer(run);
  const region = { ptr: core.alloc(length), length };
  assertEquals([packer.pack(region), packer.packedBytes, packer.pack(region)], [true, length, false]);
});

testBuilds("packRecords() writes only the selected blocks", (core) => {
  for (let seed = 1; seed <= 20; seed++) {
    using scope = core.scope();
    const random = new Random(seed);
    const run = newRun(scope, { count: random.below(40), blockBytes: 512, first: random.below(1e6) });
    fillRun(core, run, random);
    const selectPtr = scope.alloc(run.count);
    const select = core.bytes(selectPtr, run.count);
    for (let i = 0; i < run.count; i++) select[i] = random.below(3);
    assertEquals(
      packAll(scope, run, { length: 2000, selectPtr }),
      expectedOf(core, run, select),
      `seed ${seed}`,
    );
  }
});

testBuilds("packRecords() writes block indexes of every length", (core) => {
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

testBuilds("packRecords() stops in front of a group once enough bytes are written", (core) => {
  const groupBlocks = 3;
  const run = newRun(core, { count: 40, blockBytes: 5, first: 97 });
  fillRun(core, run, new Random(5));
  run.table[7] = run.table[8] = run.table[9] = core.ABSENT;
  const expected = expectedOf(core, run);
  const region = { ptr: core.alloc(1000), length: 1000 };
  for (let stopBytes = 0; stopBytes <= 120; stopBytes++) {
    const packer = core.packer(run, { groupBlocks });
    const packed: number[] = [];
    let lastGroup = -1;
    for (let from = 0; from < run.count;) {
      // With 0 packing could stop at once. With 1 it writes at least one record, as at the start of a piece.
      if (!packer.pack({ ...region, stopBytes: Math.max(1, stopBytes) })) break;
      packed.push(...core.bytes(region.ptr, packer.packedBytes));
      const next = nextRecorded(core, run, packer.next);
      if (next < run.count) {
        const group = Math.floor((run.first + next) / groupBlocks);
        assertEquals(group !== packer.lastGroup, true, `a piece ends inside group ${group}`);
        assertEquals(packer.packedBytes >= stopBytes, true);
      }
      assertEquals(packer.lastGroup > lastGroup, true);
      lastGroup = packer.lastGroup;
      from = packer.next;
    }
    assertEquals(packed, expected, `stop after ${stopBytes} bytes`);
  }
});

testBuilds("packRecords() continues a piece up to the end of its group", (core) => {
  const run = newRun(core, { count: 8, blockBytes: 5, first: 8 });
  run.table.fill(core.ZERO);
  const packer = core.packer(run, { groupBlocks: 4 });
  const region = { ptr: core.alloc(100), length: 100, stopBytes: 0 };
  const nexts = [];
  // The blocks are those of groups 2 and 3. Each piece has blocks of `lastGroup` already, and has enough
  // bytes: the first piece takes the rest of group 2, the second nothing, the third group 3.
  for (const lastGroup of [2, 2, 3]) {
    packer.pack({ ...region, lastGroup });
    nexts.push(packer.next);
  }
  assertEquals(nexts, [4, 4, 8]);
});

testBuilds(
  "packRecords() with inPlace names the block whose content follows, and does not copy it",
  (core) => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Random(seed);
      const run = newRun(core, { count: 1 + random.below(40), blockBytes: 100, first: random.below(1e6) });
      fillRun(core, run, random);
      const selectPtr = core.alloc(run.count);
      const select = core.bytes(selectPtr, run.count);
      for (let i = 0; i < run.count; i++) select[i] = random.below(2);
      const packer = core.packer(run, { selectPtr });
      const length = core.RECORD_HEADER_MAX + random.below(60);
      const ptr = core.alloc(length);
      const packed: number[] = [];
      while (packer.pack({ ptr, length, inPlace: true })) {
        packed.push(...core.bytes(ptr, packer.packedBytes));
        if (packer.content >= 0) packed.push(...core.bytes(run.table[packer.content], run.blockBytes));
      }
      assertEquals(packer.content, -1);
      assertEquals(packed, expectedOf(core, run, select), `seed ${seed}`);
    }
  },
);

/** Returns the position of the first block from `from` on that has a record. */
function nextRecorded(core: Core, run: TestRun, from: number): number {
  const at = run.table.findIndex((entry, i) => i >= from && entry !== core.ABSENT);
  return at < 0 ? run.count : at;
}
