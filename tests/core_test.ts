import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Core } from "../cli/core.ts";
import { Random } from "../scripts/disk_image.ts";
import { newRun, testBuilds } from "./assembly/builds.ts";
import type { Job } from "./assembly/core_worker.ts";

Deno.test("Core.alloc() returns aligned regions that do not overlap", async () => {
  const core = await Core.load({ memoryBytes: 1 << 20 });
  const a = core.alloc(1);
  const b = core.alloc(100);
  const c = core.alloc(8, 4096);
  assertEquals([a % 64, b % 64, c % 4096], [0, 0, 0]);
  assert(a + 1 <= b && b + 100 <= c);
});

Deno.test("Core.alloc() refuses lengths that do not fit or are invalid, with the length in the message", async () => {
  const core = await Core.load({ memoryBytes: 1 << 20 });
  const error = assertThrows(() => core.alloc(1 << 20), RangeError, "1048576 bytes are wanted, ");
  assertThrows(() => core.alloc(-1), RangeError, "-1 is not a length in bytes");
  assertThrows(() => core.alloc(1.5), RangeError, "1.5 is not a length in bytes");
  const [, largestBytes] = error.message.match(/, (\d+) are free in one piece$/)!;
  core.alloc(Number(largestBytes), 1);
  assertThrows(() => core.alloc(1, 1), RangeError, "1 bytes are wanted, 0 are free in one piece");
});

Deno.test("Core.load() refuses a memory that is too small for the core", async () => {
  await assertRejects(() => Core.load({ memoryBytes: 0 }), Error);
});

Deno.test("Core.load() creates a memory of 256 MiB by default", async () => {
  const core = await Core.load();
  assertEquals(core.bytes(256 * 1024 * 1024 - 1, 1).length, 1);
  assertThrows(() => core.bytes(256 * 1024 * 1024 - 1, 2), RangeError, "the memory has 268435456");
});

testBuilds("Core.copy() copies within the memory, into it and out of it, at every alignment", (core) => {
  const memory = core.bytes(core.alloc(64), 64);
  const outside = new Uint8Array(64);
  for (const [source, target] of [[memory, memory], [memory, outside], [outside, memory]]) {
    for (let from = 0; from < 12; from++) {
      for (let to = 0; to < 12; to++) {
        for (const length of [0, 1, 7, 30]) {
          for (const bytes of [memory, outside]) bytes.set(Uint8Array.from(bytes, (_, i) => i));
          const expected = target.slice();
          expected.set(source.slice(from, from + length), to);
          core.copy(source.subarray(from, from + length), target.subarray(to));
          assertEquals(target.slice(), expected, `${length} bytes from ${from} to ${to}`);
        }
      }
    }
  }
  assertThrows(
    () => core.copy(memory, memory.subarray(1)),
    RangeError,
    "Cannot copy 64 bytes: the target has room for 63",
  );
});

testBuilds("every method of Core checks its ranges", (core) => {
  const end = 256 * 1024 * 1024;
  const run = newRun(core, { count: 2, blockBytes: 512 });
  const out = { ptr: core.alloc(1024), length: 1024 };
  const outside = { ...run, tablePtr: end - 4 };
  const odd = { ...run, tablePtr: run.tablePtr + 1 };
  const cursor = core.recordCursor({ blockBytes: 512, blockCount: 9, full: false });
  const window = { ...out, nextBlock: 0 };
  const refused = [
    () => core.words(out.ptr + 2, 1),
    () => core.bytes(NaN, 1),
    () => core.bytes(0.5, 1),
    () => core.dropZeros(outside.tablePtr, 2, 512),
    () => core.dropZeros(odd.tablePtr, 1, 512),
    () => core.dropZeros(run.tablePtr, 2, -1),
    () => core.md5Blocks(run.tablePtr, 2, 512, end - 31),
    () => core.diffDigests(out.ptr, end - 31, 2, out.ptr),
    () => core.diffDigests(end - 31, out.ptr, 2, out.ptr),
    () => core.diffDigests(out.ptr, out.ptr, 2, end - 1),
    () => core.diffDigests(out.ptr, out.ptr, 2, out.ptr, odd.tablePtr),
    () => core.diffBlocks(run, outside, out.ptr),
    () => core.diffBlocks(run, { ...run, count: 1 }, out.ptr),
    () => core.diffBlocks(run, { ...run, first: 1 }, out.ptr),
    () => core.diffBlocks(run, run, end - 1),
    () => core.packer(run).pack({ ...out, length: 541 }),
    () => core.packer(run).pack({ ...out, ptr: end - 542 + 1, length: 542 }),
    () => core.packer(outside).pack(out),
    () => core.packer({ ...run, first: -1 }).pack(out),
    () => core.packer({ ...run, first: 2 ** 53 }).pack(out),
    () => core.packer(run, { groupBlocks: 0 }).pack(out),
    () => core.packDigest(out.ptr, 2, end - 41),
    () => core.packDigest(end - 31, 2, out.ptr),
    () => cursor.take(outside, window),
    () => cursor.take({ ...run, slotsPtr: end - 1023 }, window),
    () => cursor.take({ ...run, blockBytes: 1024 }, window),
    () => cursor.take(run, { ...window, ptr: end }),
    () => cursor.take(run, { ...window, nextBlock: 0.5 }),
    () => cursor.take(run, { ...window, offsetsPtr: end - 4 }),
    () => cursor.take(run, { ...window, offsetBytes: 2 ** 32 - 1024 }),
    () => cursor.take(run, { ...window, offsetBytes: -1 }),
    () => core.digestCursor().take(end - 15, { ...out, count: 1 }),
    () => core.digestCursor().take(out.ptr, { ...out, ptr: end, count: 1 }),
  ];
  for (const call of refused) assertThrows(call, RangeError);
});

testBuilds("Core.dropZeros() refuses a table that points outside the memory", (core) => {
  const run = newRun(core, { count: 2, blockBytes: 512 });
  run.table[1] = 256 * 1024 * 1024 - 511;
  assertThrows(() => core.dropZeros(run.tablePtr, 2, 512), RangeError, "512 bytes at 268434945");
  run.table[1] -= 1;
  assertEquals(core.dropZeros(run.tablePtr, 2, 512), 0);
});

Deno.test("Core.attach() starts a core in the memory of another core, with a region of its own", async () => {
  const core = await Core.load({ memoryBytes: 1 << 20 });
  const other = await Core.attach(core.share(100_000));
  const run = newRun(core, { count: 20, blockBytes: 100 });
  const digests = [core.alloc(20 * 16), core.alloc(20 * 16)];
  new Random(1).fill(core.bytes(run.slotsPtr, 20 * 100));
  for (let i = 0; i < 20; i++) run.table[i] = run.blockPtr(i);
  core.md5Blocks(run.tablePtr, 20, 100, digests[0]);
  other.md5Blocks(run.tablePtr, 20, 100, digests[1]);
  assertEquals(core.bytes(digests[0], 20 * 16), other.bytes(digests[1], 20 * 16));
  assert(other.alloc(1) + 1 <= run.tablePtr);
  assertThrows(() => other.alloc(100_000), RangeError, "100000 bytes are wanted");
});

Deno.test("Core.attach() works in a worker", async () => {
  const core = await Core.load({ memoryBytes: 16 << 20 });
  const run = newRun(core, { count: 40, blockBytes: 4096 });
  const [digestsPtr, expectedPtr] = [core.alloc(40 * 16), core.alloc(40 * 16)];
  new Random(2).fill(core.bytes(run.slotsPtr, 40 * 4096));
  for (let i = 0; i < 40; i++) run.table[i] = run.blockPtr(i);

  const worker = new Worker(new URL("./assembly/core_worker.ts", import.meta.url), { type: "module" });
  const done = new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = reject;
  });
  const { tablePtr, count, blockBytes } = run;
  const job: Job = { share: core.share(64 * 1024), tablePtr, count, blockBytes, digestsPtr };
  worker.postMessage(job);
  core.md5Blocks(tablePtr, count, blockBytes, expectedPtr);
  await done;
  worker.terminate();
  assertEquals(core.bytes(digestsPtr, 40 * 16), core.bytes(expectedPtr, 40 * 16));
});
