import { assertEquals } from "@std/assert";
import type { Core } from "../../cli/core.ts";
import { Random } from "../../scripts/disk_image.ts";
import { copyOf, fillRun, newRun, store, testBuilds, type TestRun } from "./builds.ts";
import { readRecords, type TestRecord, type TestTake, type Wanted, writeRecords } from "./records.ts";

const ODD_SIZES = [1, 2, 3, 7, 15, 511, 513];

/** Returns the records of the blocks of a run, as its table describes them. */
function recordsOf(core: Core, run: TestRun): TestRecord[] {
  const records: TestRecord[] = [];
  for (const [i, entry] of run.table.entries()) {
    if (entry === core.ZERO) records.push({ block: run.first + i });
    else if (entry !== core.ABSENT) {
      records.push({ block: run.first + i, content: copyOf(core.bytes(entry, run.blockBytes)) });
    }
  }
  return records;
}

/** Reads one window into an empty table. */
function takeOnce(
  core: Core,
  run: TestRun,
  window: { ptr: number; bytes: Uint8Array; wanted: Wanted },
): TestTake {
  const { ptr, bytes, wanted } = window;
  run.table.fill(core.ABSENT);
  core.bytes(ptr, bytes.length).set(bytes);
  const cursor = core.recordCursor(wanted);
  const status = cursor.take(run, { ptr, length: bytes.length, nextBlock: wanted.nextBlock });
  const records = recordsOf(core, run);
  const take: TestTake = { status, records, consumed: cursor.consumed };
  assertEquals(cursor.records, records.length);
  assertEquals(cursor.dataRecords, records.filter((record) => record.content !== undefined).length);
  if (status === "reached" || status === "content") take.peekedBlock = cursor.peekedBlock;
  if (status === "content") assertEquals(cursor.nextBlock, cursor.peekedBlock + 1);
  else assertEquals(cursor.nextBlock, (records.at(-1)?.block ?? wanted.nextBlock - 1) + 1);
  return take;
}

/** Reads a stream like the reader of archives: the window grows by `step` bytes until a record is whole. */
function takeAll(
  core: Core,
  run: TestRun,
  { stream, step }: { stream: Uint8Array; step: number },
): TestRecord[] {
  const ptr = store(core, stream);
  const cursor = core.recordCursor({
    blockBytes: run.blockBytes,
    blockCount: run.first + run.count,
    full: false,
  });
  let [start, end, nextBlock] = [0, 0, 0];
  run.table.fill(core.ABSENT);
  while (end < stream.length) {
    end = Math.min(end + step, stream.length);
    const status = cursor.take(run, { ptr: ptr + start, length: end - start, nextBlock });
    start += cursor.consumed;
    nextBlock = cursor.nextBlock;
    if (status === "content") {
      const position = cursor.peekedBlock - run.first;
      assertEquals(run.table[position], core.ABSENT);
      run.block(position).set(core.bytes(ptr + start, run.blockBytes));
      run.table[position] = run.blockPtr(position);
      start += run.blockBytes;
      end = Math.max(end, start);
    } else {
      assertEquals(status, "more");
    }
  }
  assertEquals(start, stream.length);
  return recordsOf(core, run);
}

testBuilds("takeRecords() takes the records of a run, in windows of any size", (core) => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = new Random(seed);
    for (const step of ODD_SIZES) {
      using scope = core.scope();
      const run = newRun(scope, { count: 30, blockBytes: 1 + random.below(600), first: random.below(1000) });
      fillRun(core, run, random);
      const records = recordsOf(core, run);
      const stream = writeRecords(records);
      core.bytes(run.slotsPtr, run.count * run.blockBytes).fill(0);
      assertEquals(takeAll(scope, run, { stream, step }), records, `seed ${seed}, ${step} bytes`);
    }
  }
});

/** Content of a block that looks like records. */
const CONTENT = Uint8Array.of(0x30, 0, 0x31, 0, 0x33, 0, 0x31, 0, 0x34, 0, 0xff, 0x39);
/** Two small streams, of an rdiff and of a dump, and what the reader is asked for. */
const SMALL: { wanted: Wanted; stream: Uint8Array }[] = [{
  wanted: { blockBytes: 12, blockCount: 15, full: false, nextBlock: 0, toBlock: 13 },
  stream: writeRecords([{ block: 0 }, { block: 9, content: CONTENT }, { block: 10 }, {
    block: 12,
    content: CONTENT,
  }, {
    block: 13,
  }]),
}, {
  wanted: { blockBytes: 12, blockCount: 11, full: true, nextBlock: 8, toBlock: 11 },
  stream: writeRecords([{ block: 8 }, { block: 9, content: CONTENT }, { block: 10, content: CONTENT }]),
}];

for (const { wanted, stream } of SMALL) {
  const kind = wanted.full ? "dump" : "rdiff";
  const first = wanted.nextBlock;
  const shape = { count: wanted.toBlock - first, blockBytes: wanted.blockBytes, first };

  testBuilds(`takeRecords() agrees with a second reader on a ${kind} that is cut at any byte`, (core) => {
    const run = newRun(core, shape);
    const ptr = core.alloc(stream.length);
    for (let length = 0; length <= stream.length; length++) {
      const bytes = stream.subarray(0, length);
      assertEquals(
        takeOnce(core, run, { ptr, bytes, wanted }),
        readRecords(bytes, wanted),
        `cut after ${length} bytes`,
      );
    }
  });

  testBuilds(`takeRecords() agrees with a second reader on every changed byte of a ${kind}`, (core) => {
    const run = newRun(core, shape);
    const ptr = core.alloc(stream.length);
    const bytes = Uint8Array.from(stream);
    for (let position = 0; position < stream.length; position++) {
      for (let value = 0; value < 256; value++) {
        bytes[position] = value;
        const [found, expected] = [takeOnce(core, run, { ptr, bytes, wanted }), readRecords(bytes, wanted)];
        if (JSON.stringify(found) !== JSON.stringify(expected)) {
          assertEquals(found, expected, `byte ${position} is ${value}`);
        }
      }
      bytes[position] = stream[position];
    }
  });
}

testBuilds("takeRecords() refuses bytes that no record begins with, without asking for more", (core) => {
  const run = newRun(core, { count: 100, blockBytes: 512 });
  const ptr = core.alloc(64);
  const wanted = { blockBytes: 512, blockCount: 100, full: false, nextBlock: 0, toBlock: 100 };
  for (
    const text of [
      "\0",
      "00",
      "01",
      "-",
      "+1",
      " 1",
      "1 ",
      "1x",
      "12345678901234567",
      "100\0",
      "9007199254740993\0",
    ]
  ) {
    const bytes = new TextEncoder().encode(text);
    assertEquals(takeOnce(core, run, { ptr, bytes, wanted }).status, "bad", JSON.stringify(text));
  }
  for (
    const text of ["2", "\0", "00", "1x", "0\x000", "0\x005\0", "0\x00511\0", "0\x0052", "0\x005120", "0\0\0"]
  ) {
    const bytes = new TextEncoder().encode("7\0" + text);
    assertEquals(takeOnce(core, run, { ptr, bytes, wanted }).status, "bad", JSON.stringify(text));
  }
  for (
    const text of [
      "",
      "0",
      "1234567890123456",
      "7\0",
      "7\x000",
      "7\x000\0",
      "7\x000\x005",
      "7\x000\x00512",
      "7\x001",
    ]
  ) {
    const bytes = new TextEncoder().encode(text);
    assertEquals(takeOnce(core, run, { ptr, bytes, wanted }).status, "more", JSON.stringify(text));
  }
});

testBuilds("takeRecords() fills the entries that are absent and keeps the others", (core) => {
  const run = newRun(core, { count: 3, blockBytes: 4, first: 5 });
  const content = Uint8Array.of(1, 2, 3, 4);
  const stream = writeRecords([{ block: 5, content }, { block: 6 }, { block: 7, content }]);
  const ptr = store(core, stream);
  run.table.set([core.ZERO, run.blockPtr(1), core.ABSENT]);
  core.bytes(run.slotsPtr, 12).fill(0xee);
  const cursor = core.recordCursor({ blockBytes: 4, blockCount: 8, full: false });
  assertEquals(cursor.take(run, { ptr, length: stream.length, nextBlock: 0 }), "more");
  assertEquals([cursor.consumed, cursor.records, cursor.dataRecords], [stream.length, 3, 2]);
  assertEquals(Array.from(run.table), [core.ZERO, run.blockPtr(1), run.blockPtr(2)]);
  assertEquals(Array.from(core.bytes(run.slotsPtr, 12)), [...Array(8).fill(0xee), 1, 2, 3, 4]);
});

testBuilds("takeRecords() skips blocks in front of the table", (core) => {
  const whole = newRun(core, { count: 3, blockBytes: 4, first: 5 });
  const rear = { ...whole, tablePtr: whole.tablePtr + 8, slotsPtr: whole.blockPtr(2), count: 1, first: 7 };
  const content = Uint8Array.of(1, 2, 3, 4);
  const stream = writeRecords([{ block: 5, content }, { block: 6 }, { block: 7, content }]);
  const ptr = store(core, stream);
  const cursor = core.recordCursor({ blockBytes: 4, blockCount: 8, full: true });
  assertEquals(cursor.take(rear, { ptr, length: stream.length, nextBlock: 5 }), "more");
  assertEquals(cursor.records, 3);
  assertEquals(Array.from(whole.table), [core.ABSENT, core.ABSENT, whole.blockPtr(2)]);
});

testBuilds("takeRecords() skips all records if there is no table", (core) => {
  const stream = writeRecords([{ block: 0 }, { block: 2, content: CONTENT }, { block: 9 }]);
  const ptr = store(core, stream);
  const cursor = core.recordCursor({ blockBytes: 12, blockCount: 10, full: false });
  const nowhere = { tablePtr: 0, slotsPtr: 0, count: 5, blockBytes: 12, first: 0 };
  assertEquals(cursor.take(nowhere, { ptr, length: stream.length, nextBlock: 0 }), "reached");
  assertEquals([cursor.records, cursor.nextBlock, cursor.peekedBlock], [2, 3, 9]);
});

testBuilds("takeRecords() reads block indexes beyond 32 bits", (core) => {
  const first = Number.MAX_SAFE_INTEGER - 3;
  const run = newRun(core, { count: 2, blockBytes: 12, first });
  const stream = writeRecords([{ block: first, content: CONTENT }, { block: first + 1 }, {
    block: first + 2,
  }]);
  const wanted = { blockBytes: 12, blockCount: first + 3, full: true, nextBlock: first, toBlock: first + 2 };
  const ptr = core.alloc(stream.length);
  assertEquals(takeOnce(core, run, { ptr, bytes: stream, wanted }), readRecords(stream, wanted));
});
