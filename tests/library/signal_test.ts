/**
 * A signal stops a job in its middle: no output is left, the memory is back, and the engine can be used
 * again.
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { check, compare, digest, dump, Engine, type JobOptions, merge, restore } from "../../cli/mod.ts";
import { Folder } from "../disks/helpers.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import { DrawnDisk, MemoryArchive, MIB } from "./objects.ts";

/** Large enough for several batches. */
const DISK_MIB = 128;

/** Stops a job when a part of its input has been read, and counts what is read afterwards. */
class Stop {
  readonly reason = new Error("the user pressed the red button");
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  readonly #atBytes: number;

  constructor(atBytes: number) {
    this.#atBytes = atBytes;
  }

  /** To be called with the offset of each read. */
  readonly onRead = (offsetBytes: number): void => {
    if (offsetBytes >= this.#atBytes) this.#controller.abort(this.reason);
  };

  abort(): void {
    this.#controller.abort(this.reason);
  }
}

/** A dump of the disk of the tests with its digest, made once. */
async function dumpOf(folder: Folder, options: JobOptions): Promise<{ dumpout: string; digestout: string }> {
  const files = { dumpout: folder.file("0.dump"), digestout: folder.file("0.digest") };
  await dump({ mode: "full", disk: new DrawnDisk({ mib: DISK_MIB }), ...files }, options);
  return files;
}

function namesIn({ path }: Folder): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

for (const threads of [1, 2]) {
  Deno.test(`a signal stops dump() in its middle with ${threads} threads`, async () => {
    using folder = new Folder();
    await using engine = await Engine.start({ threads });
    const stop = new Stop(40 * MIB);
    const disk = new DrawnDisk({ mib: DISK_MIB, onRead: stop.onRead });
    const files = { dumpout: folder.file("0.dump"), digestout: folder.file("0.digest") };
    const request = { mode: "full", disk, ...files } as const;
    const reason = await assertRejects(() => dump(request, { engine, signal: stop.signal }));
    assertStrictEquals(reason, stop.reason);
    assert(
      disk.readBytes > 0 && disk.readBytes < DISK_MIB * MIB * 3 / 4,
      `${disk.readBytes} bytes were read`,
    );
    assertEquals(namesIn(folder), []);
    assertEquals(engine.usedBytes, 0);
    await dumpOf(folder, { engine });
    assertEquals(namesIn(folder), ["0.digest", "0.dump", "0.seal.json"]);
    assertEquals(engine.usedBytes, 0);
  });
}

Deno.test("a signal stops jobs that read archives in their middle", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const { dumpout, digestout } = await dumpOf(folder, { engine });
  const bytes = Deno.readFileSync(dumpout);
  using outputs = new Folder();
  const target = new MemoryDisk(new Uint8Array(DISK_MIB * MIB), { fresh: true });
  const jobs: Record<string, (archive: MemoryArchive, options: JobOptions) => Promise<unknown>> = {
    check: (archive, options) => check({ archives: [archive], digestin: digestout }, options),
    digest: (dumpin, options) => digest({ dumpin, digestout: outputs.file("1.digest") }, options),
    compare: (a, options) => compare({ a, b: dumpout }, options),
    restore: (archive, options) => restore({ archives: [archive], disk: target }, options),
  };
  for (const [name, run] of Object.entries(jobs)) {
    const stop = new Stop(bytes.length / 2);
    let lastBytes = 0;
    const archive = new MemoryArchive("0.dump", bytes, (atBytes) => stop.onRead(lastBytes = atBytes));
    const reason = await assertRejects(() => run(archive, { engine, signal: stop.signal }), Error, "", name);
    assertStrictEquals(reason, stop.reason, name);
    assert(lastBytes < bytes.length, `${name} read all`);
    assertEquals([namesIn(outputs), archive.openCount, engine.usedBytes], [[], 0, 0], name);
    await run(new MemoryArchive("0.dump", bytes), { engine });
    assertEquals(engine.usedBytes, 0, name);
    for (const file of namesIn(outputs)) Deno.removeSync(outputs.file(file));
  }
});

Deno.test("a signal that is aborted already stops a job before it opens anything", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const stop = new Stop(0);
  stop.abort();
  const archive = new MemoryArchive("0.dump", new Uint8Array(0));
  const dumpout = folder.file("m.dump");
  const merged = () => merge({ archives: [archive, archive], dumpout }, { engine, signal: stop.signal });
  assertStrictEquals(await assertRejects(merged), stop.reason);
  assertEquals([archive.openedCount, namesIn(folder), engine.usedBytes], [0, [], 0]);
});

Deno.test("a job that is stopped warns that the disk which it overwrites is partly written", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const { dumpout } = await dumpOf(folder, { engine });
  const stop = new Stop(0);
  class StoppingDisk extends MemoryDisk {
    override write(from: Uint8Array, offsetBytes: number): void {
      super.write(from, offsetBytes);
      stop.abort();
    }
  }
  const warnings: string[] = [];
  const options = {
    engine,
    signal: stop.signal,
    observer: { warning: (text: string) => void warnings.push(text) },
  };
  const disk = new StoppingDisk(new Uint8Array(DISK_MIB * MIB));
  assertStrictEquals(await assertRejects(() => restore({ archives: [dumpout], disk }, options)), stop.reason);
  assertEquals(warnings, ['disk "memory" is partly written, it must be restored again']);
});
