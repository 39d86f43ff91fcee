/**
 * Any number of jobs share an engine, and none of them keeps memory; without one, a job leaves nothing
 * behind.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  check,
  checkFolders,
  compare,
  digest,
  dump,
  Engine,
  FormatError,
  type JobOptions,
  map,
  merge,
  rdiff,
  readArchives,
  restore,
  salvage,
  seal,
} from "../../cli/mod.ts";
import { Folder } from "../disks/helpers.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import { DrawnDisk, MemoryArchive, MIB } from "./objects.ts";

const [older, newer] = [1, 2].map((seed) => new DrawnDisk({ mib: 3, changed: { mib: [1], seed } }));

/** Two generations, compressed and not, and a damaged copy of the newer dump: what the jobs below read. */
async function makeSeries(folder: Folder, options: JobOptions): Promise<(name: string) => string> {
  const at = (name: string) => folder.file(name);
  const first = { dumpout: at("1.dump.zst"), digestout: at("1.digest") };
  await dump({ mode: "full", disk: older, ...first }, options);
  const previous = { dumpin: first.dumpout, digestin: first.digestout, rdiffout: at("1.rdiff.gz") };
  const second = { dumpout: at("2.dump"), digestout: at("2.digest") };
  await dump({ mode: "diff", disk: newer, ...previous, ...second }, options);
  Deno.writeFileSync(at("bad.dump"), Deno.readFileSync(at("2.dump")).subarray(0, -1));
  Deno.writeFileSync(at("disk.raw"), newer.bytes());
  return at;
}

type Run = (at: (name: string) => string, out: string, options: JobOptions) => Promise<unknown>;

/** A job of each kind, and jobs that fail. */
const JOBS: Record<string, Run> = {
  dump: (_, out, options) =>
    dump({ mode: "full", disk: older, dumpout: `${out}/1.dump.gz`, digestout: `${out}/1.digest` }, options),
  "dump --mode diff": (at, out, options) =>
    dump({
      mode: "diff",
      disk: at("disk.raw"),
      dumpin: at("1.dump.zst"),
      digestin: at("1.digest"),
      dumpout: `${out}/2.dump.zst`,
      digestout: `${out}/2.digest`,
      rdiffout: `${out}/1.rdiff`,
    }, options),
  check: (at, _, options) =>
    check({ archives: [at("2.dump"), at("1.rdiff.gz")], digestin: at("1.digest") }, options),
  "check of a damaged dump": (at, _, options) =>
    check({ archives: [at("bad.dump")], digestin: at("2.digest") }, options),
  checkFolders: (at, _, options) => checkFolders({ folders: [at(".")] }, options),
  restore: (at, _, options) => {
    const disk = new MemoryDisk(new Uint8Array(3 * MIB));
    return restore({ archives: [at("2.dump"), at("1.rdiff.gz")], disk, verify: true }, options);
  },
  "restore of a damaged dump": (at, _, options) =>
    assertRejects(() => {
      const disk = new MemoryDisk(new Uint8Array(3 * MIB));
      return restore({ archives: [at("bad.dump")], disk }, options);
    }, FormatError),
  merge: (at, out, options) =>
    merge({ archives: [at("2.dump"), at("1.rdiff.gz")], dumpout: `${out}/1.dump` }, options),
  digest: (at, out, options) => digest({ dumpin: at("2.dump"), digestout: `${out}/2.digest.gz` }, options),
  rdiff: (at, out, options) =>
    rdiff({ older: at("1.dump.zst"), newer: at("2.dump"), rdiffout: `${out}/1.rdiff` }, options),
  compare: (at, _, options) => compare({ a: at("1.digest"), b: at("2.digest") }, options),
  seal: (at, _, options) => seal({ files: [at("2.dump"), at("2.digest")] }, { ...options, force: true }),
  salvage: (at, out, options) =>
    salvage({ archives: [at("bad.dump")], digestin: at("2.digest"), dumpout: `${out}/s.dump` }, options),
  "readArchives, of which only the beginning is read": (at, _, options) =>
    readArchives({ archives: [at("2.dump"), at("1.digest")] }, async ({ records }) => {
      await records.next();
    }, options),
  map: (at, _, options) => map({ disk: at("disk.raw") }, () => Promise.resolve(), options),
};

Deno.test("100 jobs one after the other on one engine leave none of its memory allocated", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const at = await makeSeries(folder, { engine });
  assertEquals(engine.usedBytes, 0);
  const jobs = Object.entries(JOBS);
  for (let n = 0; n < 100; n++) {
    const [name, run] = jobs[n % jobs.length];
    using out = new Folder();
    await run(at, out.path, { engine });
    assertEquals(engine.usedBytes, 0, `bytes in use after job ${n}, ${name}`);
  }
});

/** Runs a job that reads `archive`, and returns the bytes that it has made. */
type Make = (archive: MemoryArchive, out: Folder, options: JobOptions) => Promise<Uint8Array>;

const MAKES: Record<string, Make> = {
  digest: async (dumpin, out, options) => {
    await digest({ dumpin, digestout: out.file("digest") }, { ...options, force: true });
    return Deno.readFileSync(out.file("digest"));
  },
  restore: async (archive, _, options) => {
    const disk = new MemoryDisk(new Uint8Array(64 * MIB), { fresh: true });
    await restore({ archives: [archive], disk }, options);
    return disk.bytes;
  },
};

for (const threads of [1, 2]) {
  Deno.test(`two jobs side by side on one engine with ${threads} threads have the results of each alone`, async () => {
    using folder = new Folder();
    await using engine = await Engine.start({ threads });
    const files = { dumpout: folder.file("0.dump.zst"), digestout: folder.file("0.digest") };
    await dump({ mode: "full", disk: new DrawnDisk({ mib: 64 }), ...files }, { engine });
    const bytes = Deno.readFileSync(files.dumpout);
    /** The jobs in the order in which they read. */
    const reads: string[] = [];
    const archiveFor = (name: string) =>
      new MemoryArchive("0.dump.zst", bytes, () => {
        if (reads.at(-1) !== name) reads.push(name);
      });
    const alone: Uint8Array[] = [];
    for (const [name, make] of Object.entries(MAKES)) {
      using out = new Folder();
      alone.push(await make(archiveFor(name), out, { engine }));
      assertEquals(engine.usedBytes, 0);
    }
    reads.splice(0);
    using out = new Folder();
    const damaged = new MemoryArchive("bad.dump.zst", bytes.subarray(0, -9));
    const [together, failure] = await Promise.all([
      Promise.all(Object.entries(MAKES).map(([name, make]) => make(archiveFor(name), out, { engine }))),
      digest({ dumpin: damaged, digestout: out.file("bad") }, { engine }).catch((error) => error),
    ]);
    assert(reads.length > 2, `one job ended before the other began: ${reads}`);
    assertEquals(engine.usedBytes, 0);
    assert(failure instanceof FormatError, String(failure));
    for (const [i, name] of Object.keys(MAKES).entries()) assertEqualBytes(together[i], alone[i], name);
  });
}

/**
 * The names of the worker threads of this process, when they have had time to end; none where they are not
 * known.
 */
async function workersLeft(): Promise<string[]> {
  let left: string[] = [];
  for (let attempt = 0; attempt < 200; attempt++) {
    left = workers();
    if (left.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return left;
}

function workers(): string[] {
  if (Deno.build.os !== "linux") return [];
  return [...Deno.readDirSync("/proc/self/task")].map(({ name }) => nameOfThread(name))
    .filter((name) => name.startsWith("worker-"));
}

function nameOfThread(id: string): string {
  try {
    return Deno.readTextFileSync(`/proc/self/task/${id}/comm`).trim();
  } catch {
    return "a thread that has ended";
  }
}

Deno.test(
  { name: "workers() finds the threads of an engine", ignore: Deno.build.os !== "linux" },
  async () => {
    const found: string[] = [];
    const archive = new MemoryArchive("0.dump", new Uint8Array(0), () => void found.push(...workers()));
    const options = { threads: 2, startsThreads: true };
    await assertRejects(() => compare({ a: archive, b: archive }, options), FormatError);
    assert(found.length >= 1, "no worker was found");
    assertEquals(await workersLeft(), []);
  },
);

for (const [name, run] of Object.entries(JOBS)) {
  Deno.test({
    name: `${name} without an engine leaves no thread, no file and no timer`,
    sanitizeResources: true,
    sanitizeOps: true,
    fn: async () => {
      using folder = new Folder();
      using out = new Folder();
      const at = await makeSeries(folder, { threads: 1 });
      await run(at, out.path, { threads: 2, startsThreads: true });
      assertEquals(await workersLeft(), []);
    },
  });
}

Deno.test({
  name: "a job that is stopped leaves nothing of its own engine",
  sanitizeResources: true,
  sanitizeOps: true,
  fn: async () => {
    using out = new Folder();
    const stop = new AbortController();
    const disk = new DrawnDisk({ mib: 8, onRead: () => stop.abort(new Error("stopped")) });
    const files = { dumpout: out.file("0.dump.gz"), digestout: out.file("0.digest") };
    const options = { threads: 2, startsThreads: true, signal: stop.signal };
    await assertRejects(() => dump({ mode: "full", disk, ...files }, options), Error, "stopped");
    assertEquals([...Deno.readDirSync(out.path)], []);
    assertEquals(await workersLeft(), []);
  },
});

Deno.test({
  name: "a job that cannot start leaves nothing of its own engine",
  sanitizeResources: true,
  sanitizeOps: true,
  fn: async () => {
    const twice = {
      a: new MemoryArchive("a", new Uint8Array(0)),
      b: new MemoryArchive("a", new Uint8Array(0)),
    };
    await assertRejects(() => compare(twice, { threads: 2, startsThreads: true }));
    await assertRejects(() => compare({ a: "-", b: "-" }, { threads: 2, startsThreads: true }));
  },
});

Deno.test("Engine.start() refuses numbers of threads below 1, and memories that are too large", async () => {
  for (const threads of [0, -1, 1.5, NaN]) await assertRejects(() => Engine.start({ threads }), RangeError);
  await assertRejects(() => Engine.start({ threads: 1, memoryBytes: 2 ** 33 }));
});
