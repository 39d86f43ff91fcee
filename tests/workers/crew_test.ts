import { assertEquals, assertRejects } from "@std/assert";
import { type Codecs, HERE, storedBound } from "../../cli/archive/codecs.ts";
import { sourceFor } from "../../cli/archive/container.ts";
import { Core } from "../../cli/core.ts";
import { ThreadError } from "../../cli/errors.ts";
import { createSHA256 } from "hash-wasm";
import { Crew } from "../../cli/workers/crew.ts";
import { BufferedSha256 } from "../../cli/workers/hashes.ts";
import type { Task } from "../../cli/workers/tasks.ts";
import { Random } from "../../scripts/disk_image.ts";
import { fillRun, newRun, type TestRun } from "../assembly/builds.ts";
import { MemoryFile } from "../pipeline/memory_file.ts";

const THREADS = [1, 2, 4];

/** Hashes all runs at the same time. Returns the number of data blocks and the digests of each. */
async function digestsBy(crew: Crew, core: Core, runs: TestRun[]): Promise<number[][]> {
  const ptrs = runs.map((run) => core.alloc(run.count * core.DIGEST_SIZE));
  const tasks = runs.map((run, i): Task => ({
    kind: "hash",
    run: { tablePtr: run.tablePtr, count: run.count, blockBytes: run.blockBytes, first: run.first },
    digestsPtr: ptrs[i],
  }));
  const data = await Promise.all(tasks.map((task) => crew.run(task)));
  return runs.map((run, i) => [data[i], ...core.bytes(ptrs[i], run.count * core.DIGEST_SIZE)]);
}

Deno.test("Crew.run() gives the same results on any number of threads", async () => {
  const core = await Core.load();
  const random = new Random(1);
  const runs = Array.from({ length: 30 }, () => {
    const run = newRun(core, { count: 1 + random.below(40), blockBytes: 4096, first: 0 });
    fillRun(core, run, random);
    return run;
  });
  const results = [];
  for (const threads of THREADS) {
    using crew = new Crew(core, { threads });
    await crew.start();
    results.push(await digestsBy(crew, core, runs));
  }
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
});

Deno.test("Crew.codecs() makes the same pieces on any number of threads, and decompresses them", async () => {
  const core = await Core.load();
  const random = new Random(2);
  for (const threads of THREADS) {
    using crew = new Crew(core, { threads });
    await crew.start();
    for (const [encode, decode] of [["gzip", "gunzip"], ["zstd", "unzstd"]] as const) {
      await Promise.all(Array.from({ length: 12 }, async (_, i) => {
        const content = shared(1 + random.below(300_000));
        content.set(
          i % 2 === 0 ? random.fill(new Uint8Array(content.length)) : new Uint8Array(content.length),
        );
        const [into, expected] = [shared(storedBound(content.length)), shared(storedBound(content.length))];
        const given = { content, level: 2, isLast: i === 0 };
        const length = await crew.codecs()[encode]({ ...given, into });
        assertEquals(length, await HERE[encode]({ ...given, into: expected }));
        assertEquals(into.subarray(0, length), expected.subarray(0, length));
        const back = shared(content.length);
        await crew.codecs()[decode]({ stored: into.subarray(0, length), into: back });
        assertEquals(back, content);
      }));
    }
  }
});

Deno.test("Crew.run() rejects with the error of a task, and performs later tasks", async () => {
  const core = await Core.load();
  using crew = new Crew(core, { threads: 2 });
  await crew.start();
  for (let i = 0; i < 5; i++) {
    const damaged = Array.from(
      { length: 4 },
      () => crew.codecs().gunzip({ stored: shared(100), into: shared(10) }),
    );
    await Promise.all(damaged.map((one) => assertRejects(() => one, Error)));
  }
  const outside: Task = {
    kind: "hash",
    run: { tablePtr: 0, count: 2 ** 30, blockBytes: 512, first: 0 },
    digestsPtr: 0,
  };
  await assertRejects(() => crew.run(outside), Error, "Cannot reach core memory");
  const [[data]] = await digestsBy(crew, core, [newRun(core, { count: 3, blockBytes: 512, first: 0 })]);
  assertEquals(data, 0);
});

Deno.test("Crew starts a worker only after the calling thread has worked for a while, and none for one thread", async () => {
  const core = await Core.load();
  const RealWorker = globalThis.Worker;
  let started = 0;
  globalThis.Worker = class extends RealWorker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      started++;
    }
  };
  try {
    const run = newRun(core, { count: 8, blockBytes: 1024 * 1024, first: 0 });
    new Random(3).fill(core.bytes(run.slotsPtr, 8 * 1024 * 1024));
    for (let i = 0; i < 8; i++) run.table[i] = run.blockPtr(i);
    using alone = new Crew(core, { threads: 1 });
    using crew = new Crew(core, { threads: 3 });
    await digestsBy(crew, core, [run]);
    for (let i = 0; i < 100; i++) await digestsBy(alone, core, [run]);
    assertEquals(started, 0);
    for (let i = 0; i < 2000 && started === 0; i++) {
      using scope = core.scope();
      await digestsBy(crew, scope, [run]);
    }
    assertEquals(started, 1);
  } finally {
    globalThis.Worker = RealWorker;
  }
});

Deno.test("Crew ends its workers when it is disposed of, and performs later tasks on the calling thread", async () => {
  const core = await Core.load();
  const crew = new Crew(core, { threads: 3 });
  await crew.start();
  const content = shared(500_000);
  const zstd = (codecs: Codecs) =>
    codecs.zstd({ content, into: shared(storedBound(content.length)), level: 1, isLast: true });
  let settled = false;
  zstd(crew.codecs()).finally(() => settled = true);
  crew[Symbol.dispose]();
  assertEquals(await zstd(crew.codecs()), await zstd(HERE));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assertEquals(settled, false, "a worker has performed its task after it was to end");
});

Deno.test("Crew.sha256() hashes all parts in the order of the calls, on any number of threads", async () => {
  const core = await Core.load();
  const random = new Random(4);
  const pieces = Array.from({ length: 300 }, (_, i) => {
    const length = random.below(i % 10 === 0 ? 200_000 : 500);
    return random.fill(i % 3 === 0 ? new Uint8Array(length) : shared(length));
  });
  const oracle = (await createSHA256()).init();
  for (const piece of pieces) oracle.update(piece.slice());
  const expected = oracle.digest();
  const nothing = (await createSHA256()).init().digest();
  for (const threads of THREADS) {
    using crew = new Crew(core, { threads });
    const early = crew.sha256();
    const first = early.update(pieces.slice(0, 10));
    crew.expectHashes();
    const hashes = [early, crew.sha256(), crew.sha256()];
    await first;
    for (let at = 0; at < pieces.length;) {
      const parts = pieces.slice(at, at += 1 + random.below(20));
      // The test does not wait, so that the updates of several hashes are under way at the same time.
      for (const hash of hashes) if (hash !== early) hash.update(parts);
    }
    early.update(pieces.slice(10));
    const buffered = new BufferedSha256(crew.sha256());
    for (const piece of pieces) await buffered.update([piece]);
    assertEquals(await buffered.hex(), expected);
    const atOnce = new BufferedSha256(crew.sha256());
    for (let at = 0; at < pieces.length; at += 10) atOnce.update(pieces.slice(at, at + 10));
    assertEquals(await atOnce.hex(), expected);
    assertEquals(await Promise.all(hashes.map((hash) => hash.hex())), hashes.map(() => expected));
    assertEquals(await crew.sha256().hex(), nothing);
  }
});

Deno.test("Crew.sha256() rejects everything once the worker for hashes has failed", async () => {
  const core = await Core.load();
  const RealWorker = globalThis.Worker;
  let hashWorker: Worker | undefined;
  globalThis.Worker = class extends RealWorker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      hashWorker = this;
    }
  };
  try {
    using crew = new Crew(core, { threads: 2 });
    crew.expectHashes();
    const hash = crew.sha256();
    await hash.update([shared(10)]);
    const underWay = hash.update([shared(50_000_000)]);
    hashWorker!.onerror!(new ErrorEvent("error", { message: "no memory" }));
    await assertRejects(() => underWay, ThreadError, "no memory");
    await assertRejects(() => hash.update([shared(10)]), ThreadError, "no memory");
    await assertRejects(() => hash.hex(), ThreadError, "no memory");
  } finally {
    globalThis.Worker = RealWorker;
  }
});

Deno.test("a source reports a failed thread as ThreadError, not as damage of the file that it reads", async () => {
  const core = await Core.load();
  const lost = () => Promise.reject(new ThreadError("lost"));
  for (const suffix of [".gz", ".zst"]) {
    using crew = new Crew(core, { threads: 1 });
    const file = new MemoryFile(`a${suffix}`);
    const sink = await file.sink();
    await sink.write(new Uint8Array(100));
    await sink.finish();
    using source = await sourceFor(file.path, file.open(), {
      codecs: { ...crew.codecs(), gunzip: lost, unzstd: lost },
    });
    await assertRejects(async () => await source.read(new Uint8Array(100)), ThreadError, "lost");
  }
});

function shared(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}
