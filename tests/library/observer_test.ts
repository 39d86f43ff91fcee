/** An observer receives the progress, the warnings and the finished files of a job. */

import { assert, assertEquals } from "@std/assert";
import {
  digest,
  dump,
  Engine,
  type FinishedFile,
  type JobObserver,
  merge,
  rdiff,
  restore,
  salvage,
  type WorkDone,
} from "../../cli/mod.ts";
import { Folder } from "../disks/helpers.ts";
import { hashOf } from "./hash_of.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import { DrawnDisk, MIB } from "./objects.ts";

/** Records what it receives. */
class Recorder implements JobObserver {
  readonly progressed: WorkDone[] = [];
  readonly warnings: string[] = [];
  readonly files: FinishedFile[] = [];

  progress(done: WorkDone): void {
    this.progressed.push(done);
  }

  warning(text: string): void {
    this.warnings.push(text);
  }

  file(file: FinishedFile): void {
    this.files.push(file);
  }
}

/**
 * Waits until progress is due: it is reported half a second after the beginning of the job for the first
 * time.
 */
async function passHalfASecond(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 600));
}

Deno.test("the progress of dump() counts the data of the disk, and grows", async () => {
  using folder = new Folder();
  const observer = new Recorder();
  let isSlow = true;
  const slow = async (offsetBytes: number) => {
    if (!isSlow || offsetBytes < 60 * MIB) return;
    isSlow = false;
    await passHalfASecond();
  };
  const disk = new DrawnDisk({ mib: 96, onRead: slow });
  const files = { dumpout: folder.file("0.dump"), digestout: folder.file("0.digest") };
  await dump({ mode: "full", disk, ...files }, { threads: 1, observer });
  const { progressed } = observer;
  assert(progressed.length > 0);
  for (const { doneBytes, totalBytes } of progressed) {
    assertEquals(totalBytes, 72 * MIB, "a quarter of the disk is holes");
    assert(doneBytes > 0 && doneBytes <= totalBytes, `${doneBytes} of ${totalBytes}`);
  }
  const done = progressed.map(({ doneBytes }) => doneBytes);
  assertEquals(done, done.toSorted((a, b) => a - b));
});

Deno.test("the observer receives warnings as sentences without a full stop", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const files = { dumpout: folder.file("0.dump"), digestout: folder.file("0.digest") };
  await dump({ mode: "full", disk: new DrawnDisk({ mib: 2 }), ...files }, { engine });
  const observer = new Recorder();
  const disk = new MemoryDisk(new Uint8Array(2 * MIB));
  await restore({ archives: [files.dumpout], disk, omitzeroblock: true }, { engine, observer });
  assertEquals(observer.warnings, [
    'zero blocks are not written; where "memory" holds data in their place, it stays',
  ]);
  assertEquals(observer.files, []);
});

Deno.test("the observer receives each finished file with its length and SHA-256", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const seen = async (run: (observer: JobObserver) => Promise<unknown>, expected: string[]) => {
    const observer = new Recorder();
    await run(observer);
    assertEquals(observer.files.map(({ path }) => path).sort(), expected.map((name) => folder.file(name)));
    for (const { path, bytes, sha256 } of observer.files) {
      assertEquals(bytes, Deno.statSync(path).size, path);
      const isArchive = /\.(dump|digest|rdiff)(\.(gz|zst))?$/.test(path);
      assertEquals(sha256, isArchive ? await hashOf(path) : undefined, path);
    }
  };
  const [older, newer] = [1, 2].map((seed) => new DrawnDisk({ mib: 3, seed }));
  const first = { dumpout: folder.file("1.dump"), digestout: folder.file("1.digest.gz") };
  const second = { dumpout: folder.file("2.dump.zst"), digestout: folder.file("2.digest") };
  const previous = { dumpin: first.dumpout, digestin: first.digestout, rdiffout: folder.file("1.rdiff.gz") };
  await seen(
    (observer) => dump({ mode: "full", disk: older, ...first }, { engine, observer }),
    ["1.digest.gz", "1.dump", "1.seal.json"],
  );
  await seen(
    (observer) => dump({ mode: "diff", disk: newer, ...previous, ...second }, { engine, observer }),
    ["1.rdiff.gz", "2.digest", "2.dump.zst", "2.seal.json"],
  );
  const archives = [second.dumpout, previous.rdiffout];
  await seen(
    (observer) => merge({ archives, dumpout: folder.file("m.dump") }, { engine, observer }),
    ["m.dump", "m.seal.json"],
  );
  await seen(
    (observer) =>
      digest({ dumpin: first.dumpout, digestout: folder.file("d.digest.zst") }, { engine, observer }),
    ["d.digest.zst", "d.seal.json"],
  );
  const dumps = { older: first.dumpout, newer: second.dumpout };
  await seen(
    (observer) => rdiff({ ...dumps, rdiffout: folder.file("r.rdiff") }, { engine, observer }),
    ["r.rdiff", "r.seal.json"],
  );
  await seen(
    (observer) =>
      salvage({ archives: [first.dumpout], dumpout: folder.file("s.dump") }, { engine, observer }),
    ["s.dump"],
  );
  await seen(
    (observer) => restore({ archives, disk: folder.file("copy.vmdk"), create: true }, { engine, observer }),
    ["copy-flat.vmdk", "copy.vmdk"],
  );
});

Deno.test("a job that fails reports no finished file", async () => {
  using folder = new Folder();
  const observer = new Recorder();
  const disk = new DrawnDisk({ mib: 2, onRead: () => Promise.reject(new Error("no light")) });
  const files = { dumpout: folder.file("0.dump"), digestout: folder.file("0.digest") };
  const result = await dump({ mode: "full", disk, ...files }, { threads: 1, observer }).catch((error) =>
    error
  );
  assertEquals(result.message, "no light");
  assertEquals([observer.files, [...Deno.readDirSync(folder.path)]], [[], []]);
});
