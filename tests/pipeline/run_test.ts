import { assert, assertEquals, assertRejects } from "@std/assert";
import { InterruptedError } from "../../cli/errors.ts";
import { Core } from "../../cli/core.ts";
import { dumpFull } from "../../cli/pipeline/dump.ts";
import { Checkpoint, type Progress } from "../../cli/pipeline/run.ts";
import { headerOf } from "./drawn_archives.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MemoryFile } from "./memory_file.ts";

const PROGRESS: Progress = { doneBlocks: 1, totalBlocks: 2, blockBytes: 512 };
/** More than a checkpoint waits before it gives way. */
const LONG_MS = 510;

Deno.test("Checkpoint lets events run, so that an abort from a timer is seen", async () => {
  const controller = new AbortController();
  const checkpoint = new Checkpoint({ signal: controller.signal });
  const reason = new InterruptedError("SIGINT");
  setTimeout(() => controller.abort(reason), 0);
  work(LONG_MS);
  const error = await assertRejects(() => checkpoint.pass(PROGRESS), InterruptedError);
  assertEquals(error, reason);
});

Deno.test("Checkpoint reports progress after a while, not at every pass", async () => {
  const reports: Progress[] = [];
  const checkpoint = new Checkpoint({ onProgress: (progress) => reports.push(progress) });
  for (let i = 0; i < 100; i++) await checkpoint.pass({ ...PROGRESS, doneBlocks: i });
  assert(reports.length < 10, `${reports.length} reports of 100 quick passes`);
  work(LONG_MS);
  await checkpoint.passBatch({ end: 7 }, { blockCount: 9, blockBytes: 4096 });
  assertEquals(reports.at(-1), { doneBlocks: 7, totalBlocks: 9, blockBytes: 4096 });
});

Deno.test("Checkpoint reports nothing once it is stopped", async () => {
  const reports: Progress[] = [];
  const checkpoint = new Checkpoint({
    signal: AbortSignal.abort(new InterruptedError("SIGTERM")),
    onProgress: (progress) => reports.push(progress),
  });
  work(LONG_MS);
  await assertRejects(() => checkpoint.pass(PROGRESS), InterruptedError);
  assertEquals(reports, []);
});

Deno.test("Checkpoint without options passes", async () => {
  const checkpoint = new Checkpoint({});
  work(LONG_MS);
  await checkpoint.pass(PROGRESS);
});

Deno.test("A long dump stops where it is when it is aborted", async () => {
  const controller = new AbortController();
  const disk = new SlowDisk(new Uint8Array(64 * 1024 * 1024));
  const header = headerOf("", { blockCount: 64, blockBytes: 1024 * 1024 });
  const job = { disk, header, dumpOut: await sink(), digestOut: await sink() };
  setTimeout(() => controller.abort(new InterruptedError("SIGTERM")), 0);
  await assertRejects(
    async () => dumpFull(await Core.load(), job, { signal: controller.signal }),
    InterruptedError,
  );
  assert(disk.reads.length < 6, `${disk.reads.length} of 6 batches were read`);
});

/** Every read takes a while. */
class SlowDisk extends MemoryDisk {
  override read(into: Uint8Array, offsetBytes: number): void {
    work(200);
    super.read(into, offsetBytes);
  }
}

/** Keeps the thread busy. */
function work(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

function sink() {
  return new MemoryFile("out").sink();
}
