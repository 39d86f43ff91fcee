/** Jobs on disks and archives that are objects. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  check,
  compare,
  digest,
  dump,
  Engine,
  FormatError,
  merge,
  MismatchError,
  rdiff,
  readArchives,
  restore,
  UsageError,
  type WritableDisk,
} from "../../cli/mod.ts";
import { Folder } from "../disks/helpers.ts";
import { assertEqualBytes } from "../integration/same_bytes.ts";
import { MemoryDisk } from "../pipeline/memory_disk.ts";
import { DrawnDisk, MemoryArchive, MIB } from "./objects.ts";

const SUFFIXES = ["", ".gz", ".zst"];
const [older, newer] = [1, 2].map((seed) => new DrawnDisk({ mib: 7, changed: { mib: [0, 5], seed } }));

/**
 * Two generations of a disk, dumped from objects; the previous files of the second dump are objects as well.
 */
async function dumpTwo(folder: Folder, { engine, suffix = "" }: { engine: Engine; suffix?: string }) {
  const at = (name: string) => folder.file(name + suffix);
  const first = { dumpout: at("1.dump"), digestout: at("1.digest") };
  await dump({ mode: "full", disk: older, ...first }, { engine });
  const dumpin = MemoryArchive.ofFile(first.dumpout);
  const digestin = MemoryArchive.ofFile(first.digestout);
  const second = { dumpout: at("2.dump"), digestout: at("2.digest"), rdiffout: at("1.rdiff") };
  const result = await dump({ mode: "diff", disk: newer, dumpin, digestin, ...second }, { engine });
  return { result, at, inputs: [dumpin, digestin] };
}

Deno.test("dump() reads disks that are objects, and leaves them open", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const { result, inputs } = await dumpTwo(folder, { engine });
  const { blocks, changedBlocks, zeroBlocks, disk } = result;
  assertEquals({ blocks, changedBlocks, zeroBlocks }, { blocks: 7, changedBlocks: 2, zeroBlocks: 1 });
  assertEquals(disk, { path: "drawn", format: "drawn" });
  assertEquals(result.header.metadata, newer.metadata);
  assertEquals([older.isClosed, newer.isClosed], [false, false]);
  assertEquals(inputs.map(({ openCount }) => openCount), [0, 0]);
  assertEquals(result.unsealed, [inputs[0].path], "nothing beside an object is read, so no seal names it");
});

for (const fresh of [true, false]) {
  Deno.test(`restore() writes and reads back a disk that is an object (fresh: ${fresh})`, async () => {
    using folder = new Folder();
    await using engine = await Engine.start({ threads: 1 });
    const { at } = await dumpTwo(folder, { engine });
    const archives = [at("2.dump"), at("1.rdiff")];
    const target = new MemoryDisk(new Uint8Array(7 * MIB).fill(fresh ? 0 : 0xa5), { fresh });
    const disk: WritableDisk = target;
    const result = await restore({ archives, disk, verify: true }, { engine });
    assertEqualBytes(target.bytes, older.bytes(), "the older generation");
    assertEquals([result.verifiedBlocks, result.proof, target.synced], [7, "root", true]);
  });
}

Deno.test("restore() does not write a disk that is an object before the archives are proved", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const { at } = await dumpTwo(folder, { engine });
  Deno.truncateSync(at("1.rdiff"), Deno.statSync(at("1.rdiff")).size - 1);
  const disk = new MemoryDisk(new Uint8Array(7 * MIB));
  await assertRejects(
    () => restore({ archives: [at("2.dump"), at("1.rdiff")], disk }, { engine }),
    FormatError,
  );
  assertEquals(disk.writes, []);
});

for (const suffix of SUFFIXES) {
  Deno.test(`jobs read archives that are objects (${suffix || "plain"})`, async () => {
    using folder = new Folder();
    await using engine = await Engine.start({ threads: 1 });
    const { at } = await dumpTwo(folder, { engine, suffix });
    // Names that no file has, and of a folder that does not exist.
    const [d1, d2, r1, g1] = ["1.dump", "2.dump", "1.rdiff", "1.digest"].map((name) =>
      MemoryArchive.ofFile(at(name), `nowhere/${name}${suffix}`)
    );
    const all = [d1, d2, r1, g1];

    const checked = await check({ archives: [d2, r1], digestin: g1 }, { engine });
    assertEquals([checked.ok, checked.findings?.counts?.goodBlocks], [true, 7]);
    const quick = await check({ archives: [d2, r1], digestin: g1, quick: true }, { engine });
    assertEquals([quick.ok, quick.findings?.faults], [true, []]);

    const disk = new MemoryDisk(new Uint8Array(7 * MIB));
    const restored = await restore({ archives: [d2, r1], disk, verify: true, digestin: g1 }, { engine });
    assertEqualBytes(disk.bytes, older.bytes(), "the older generation");
    assertEquals([restored.proof, restored.unsealed], ["digest", [d2.path, r1.path]]);

    const out = folder.file("out");
    Deno.mkdirSync(out);
    await merge({ archives: [d2, r1], dumpout: `${out}/1.dump` }, { engine });
    await digest({ dumpin: d1, digestout: `${out}/1.digest` }, { engine });
    await rdiff({ older: d1, newer: d2, rdiffout: `${out}/1.rdiff` }, { engine });
    for (const [mine, theirs] of [["1.dump", d1], ["1.digest", g1], ["1.rdiff", r1]] as const) {
      const { same } = await compare({ a: `${out}/${mine}`, b: theirs }, { engine });
      assert(same, `${mine} is another one`);
    }
    const records: number[] = [];
    await readArchives({ archives: [r1] }, async (archive) => {
      assertEquals(archive.path, r1.path);
      for await (const part of archive.records) records.push(...part.map(({ block }) => block));
    }, { engine });
    assertEquals(records, [0, 5]);
    assertEquals(all.map(({ openCount }) => openCount), [0, 0, 0, 0], "all were closed");
    assert(all.every(({ openedCount }) => openedCount > 0));
    assertEquals(engine.usedBytes, 0);
  });
}

Deno.test("check() describes the damage of an archive that is an object", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const { at } = await dumpTwo(folder, { engine });
  const bytes = Deno.readFileSync(at("1.dump"));
  const digestin = MemoryArchive.ofFile(at("1.digest"), "1.digest");
  const cut = new MemoryArchive("cut.dump", bytes.subarray(0, -1));
  const { ok, failure } = await check({ archives: [cut], digestin }, { engine });
  assertEquals(ok, false);
  assert(failure instanceof FormatError);
  assertEquals((failure as FormatError).fault.path, "cut.dump");
  bytes[bytes.length - 1] ^= 1;
  const changed = new MemoryArchive("changed.dump", bytes);
  const { ok: isRight, findings } = await check({ archives: [changed], digestin }, { engine });
  assertEquals([isRight, findings?.counts?.badRuns], [false, [{ start: 6, end: 7 }]]);
  assertEquals([cut.openCount, changed.openCount, digestin.openCount], [0, 0, 0]);
});

Deno.test("an archive that is an object is not proved by a seal that lies where it has its name", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const { at } = await dumpTwo(folder, { engine });
  const archive = MemoryArchive.ofFile(at("1.dump"));
  const digestout = folder.file("other.digest");
  const { proof } = await digest({ dumpin: archive, digestout }, { engine });
  assertEquals(proof, "nothing");
  assertEquals((await digest({ dumpin: at("1.dump"), digestout }, { engine, force: true })).proof, "root");
  await assertRejects(() => check({ archives: [archive] }, { engine }), UsageError, "--digestin is missing");
});

Deno.test("two inputs of a job may not have one name if one of them is an object", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const { at } = await dumpTwo(folder, { engine });
  const file = at("1.dump");
  const [a, other] = [MemoryArchive.ofFile(file), MemoryArchive.ofFile(file)];
  await assertRejects(() => compare({ a, b: file }, { engine }), UsageError, "two inputs have this name");
  await assertRejects(() => compare({ a, b: other }, { engine }), UsageError, "two inputs have this name");
  assertEquals((await compare({ a, b: a }, { engine })).same, true);
});

Deno.test("an error of an object ends the job as the cause of its error, and the object is closed", async () => {
  await using engine = await Engine.start({ threads: 1 });
  const error = new Error("the tape is torn");
  const broken = new MemoryArchive("broken.dump", new Uint8Array(100), () => Promise.reject(error));
  const found = await assertRejects(
    () => compare({ a: broken, b: broken }, { engine }),
    Error,
    "broken.dump",
  );
  assertEquals(found.cause, error);
  assertEquals([broken.openCount, engine.usedBytes], [0, 0]);
  await assertRejects(
    () => compare({ a: new MemoryArchive("x", new TextEncoder().encode("9")), b: "/none" }, { engine }),
    FormatError,
  );
});

Deno.test("objects of two series are refused as files are", async () => {
  using folder = new Folder();
  await using engine = await Engine.start({ threads: 1 });
  const { at } = await dumpTwo(folder, { engine });
  const stranger = { dumpout: folder.file("s.dump"), digestout: folder.file("s.digest") };
  await dump({ mode: "full", disk: older, ...stranger }, { engine });
  const archives = [MemoryArchive.ofFile(stranger.dumpout), MemoryArchive.ofFile(at("1.rdiff"))];
  const dumpout = folder.file("m.dump");
  await assertRejects(() => merge({ archives, dumpout }, { engine }), MismatchError, "series");
});
