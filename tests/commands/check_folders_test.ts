import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path/posix/basename";
import { join } from "@std/path/posix/join";
import { EXIT } from "../../cli/errors.ts";
import { type CommitNote, noteText } from "../../cli/files/lock_note.ts";
import { Folder } from "../disks/helpers.ts";
import { filesIn } from "../files/folder_state.ts";
import { Archives } from "../refusals/refusal.ts";
import { callMain } from "../support/run_cli.ts";
import { atOneMoment, Small } from "./small_series.ts";
import { BLOCK, BLOCKS, damage, flipAt, GENERATIONS, Series } from "./ten_generations.ts";

for (const suffix of ["", ".gz", ".zst"]) {
  Deno.test(`check of ten generations${suffix}, one of them damaged, names those that cannot be restored`, async () => {
    using series = await Series.make(suffix);
    assertEquals(await series.lost(), { code: 0, lost: [] });
    assertEquals(await series.lost("--quick"), { code: 0, lost: [] });
    const intact = Deno.readFileSync(series.rdiff(5));
    for (
      const [name, change] of Object.entries({
        "a bit in the middle": flipAt(0.5),
        "a bit in the last block": flipAt(0.99),
        "cut in the middle": (bytes: Uint8Array<ArrayBuffer>) => bytes.slice(0, bytes.length / 2),
        "empty": () => new Uint8Array(0),
      })
    ) {
      damage(series.rdiff(5), change);
      const { code, lost } = await series.lost();
      assertEquals(code, 3, name);
      assertEquals(lost, await series.notRestorable(), name);
      damage(series.rdiff(5), () => intact);
    }
  });

  Deno.test(`salvage brings back all blocks of ten generations${suffix} that exist anywhere`, async () => {
    using series = await Series.make(suffix);
    damage(series.rdiff(5), flipAt(0.5));
    damage(series.dump(9), flipAt(0.2));
    const archives = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => n === 9 ? series.dump(n) : series.rdiff(n));
    for (let n = 0; n < GENERATIONS; n++) {
      using target = new Folder();
      const dump = target.file("saved.dump");
      const line = ["salvage", "--digestin", series.digest(n), "--dumpout", dump, "--json", ...archives];
      const { code, stdout } = await callMain(line);
      const { lostRuns, lostBlocks } = JSON.parse(stdout);
      const lost = (lostRuns as { start: number; end: number }[]).flatMap(({ start, end }) =>
        Array.from({ length: end - start }, (_, i) => start + i)
      );
      assertEquals([code, lost.length], [lostBlocks === 0 ? 0 : 3, lostBlocks], `${n}`);
      const disk = target.file("saved.raw");
      await series.run("restore", "--create", "--local", disk, dump);
      const saved = Deno.readFileSync(disk);
      const wanted = series.disks[n];
      for (let block = 0; block < BLOCKS; block++) {
        const [got, right] = [saved, wanted].map((bytes) =>
          bytes.subarray(block * BLOCK, (block + 1) * BLOCK)
        );
        assertEquals(
          got,
          lost.includes(block) ? new Uint8Array(BLOCK) : right,
          `generation ${n}, block ${block}`,
        );
      }
      // A byte in a plain archive costs one block, which no other has; a piece may hold more.
      if (suffix === "") assertEquals(lost.length <= 2, true, `generation ${n}: ${lost}`);
    }
  });
}

Deno.test("check of a folder tells where the damage is, and where else the blocks are", async () => {
  using series = await Series.make("");
  Deno.copyFileSync(series.dump(9), series.file("copy.dump"));
  damage(series.dump(9), flipAt(0.5));
  const { code, stdout } = await callMain(["check", series.path]);
  assertEquals(code, 3);
  assertMatch(stdout, /bad: block \d+: ".*9.dump" at byte \d+; intact in ".*copy.dump"/);
  assertMatch(stdout, /Check: WRONG\n$/);
});

Deno.test("check of a folder without seals takes the digests, and without those says what is not proved", async () => {
  using series = await Series.make("");
  for (const { name } of Deno.readDirSync(series.path)) {
    if (name.endsWith(".json")) Deno.removeSync(series.file(name));
  }
  assertEquals(await series.lost(), { code: 0, lost: [] });
  const whole = Deno.readFileSync(series.rdiff(3));
  // Between two records: nothing but the digest of generation 3 tells.
  damage(series.rdiff(3), (bytes) => bytes.slice(0, bytes.length - (3 + 2 + 5 + BLOCK)));
  assertEquals(await series.lost(), { code: 3, lost: [3, 2, 1, 0] });
  damage(series.rdiff(3), () => whole);
  for (let n = 0; n < GENERATIONS; n++) Deno.removeSync(series.digest(n));
  const { code, stdout } = await callMain(["check", series.path]);
  assertEquals(code, EXIT.unproved);
  assertEquals(stdout.match(/not proved/g)?.length, GENERATIONS);
  assertStringIncludes(stdout, "\nCheck: NOT PROVED\n");
});

Deno.test("check of a folder finds a missing rdiff, a damaged seal and a damaged digest", async () => {
  using series = await Series.make("");
  Deno.renameSync(series.rdiff(4), series.file("elsewhere"));
  // Its content tells what it is, and its seal is not found: nothing is lost.
  assertEquals(await series.lost(), { code: 0, lost: [] });
  Deno.removeSync(series.file("elsewhere"));
  assertEquals(await series.lost(), { code: 3, lost: [4, 3, 2, 1, 0] });
});

Deno.test("check of a folder is wrong if a seal or a digest is damaged, though nothing is lost", async () => {
  using series = await Series.make("");
  damage(series.file("3.seal.json"), flipAt(0.5));
  assertEquals(await series.lost(), { code: 3, lost: [] });
  damage(series.file("3.seal.json"), flipAt(0.5));
  damage(series.digest(2), flipAt(0.9));
  assertEquals(await series.lost("--quick"), { code: 3, lost: [] });
  const { stdout } = await callMain(["check", series.path]);
  assertStringIncludes(stdout, `wrong: ${series.digest(2)}`);
});

Deno.test("check takes several folders, leaves other files alone, and finds nothing good in an empty one", async () => {
  using a = await Series.make("");
  using b = await Series.make(".zst");
  a.file("notes.txt", "no archive");
  a.file("photo.gz", Uint8Array.of(1, 2, 3));
  Deno.mkdirSync(join(a.path, "below"));
  const stdout = await a.run("check", "--quick", a.path, b.path);
  assertEquals(stdout.match(/10 generations, 10 can be restored/g)?.length, 2);
  const empty = await callMain(["check", join(a.path, "below")]);
  assertEquals([empty.code, empty.stdout.endsWith("Check: WRONG\n")], [3, true]);
  const mixed = await callMain(["check", a.path, b.dump(9)]);
  assertEquals(mixed.code, 2);
  assertStringIncludes(mixed.stderr, "folders and files at once");
});

async function twins(folder: Small): Promise<void> {
  await atOneMoment(async () => {
    await folder.full("0", [1, 2, 3, 4]);
    await folder.diff("a", "0", [1, 2, 3, 5]);
    await folder.diff("b", "0", [1, 2, 6, 4]);
  });
  folder.remove("0.dump");
}

Deno.test("two dumps of one second and of different blocks are two generations of check", async () => {
  using folder = new Small();
  await twins(folder);
  const { code, chains, generations } = await folder.check();
  assertEquals([code, generations.length], [0, 3]);
  assertEquals(chains.slice(0, 2).sort(), ["a.dump", "b.dump"]);
  assertMatch(await folder.text(), /\(root [0-9a-f]{12}\) {2}good: .*\/a\.dump\n/);
  // Either brings generation 0 back, by its own rdiff.
  folder.remove("a.dump");
  const { chains: left } = await folder.check();
  assertEquals(left.slice().sort(), ["LOST", "b.dump", "b.dump b-0.rdiff"]);
  folder.remove("b-0.rdiff");
  assertEquals((await folder.check()).chains.sort(), ["LOST", "LOST", "b.dump"]);
});

Deno.test("two dumps of one second without seals are told apart by their digests", async () => {
  using folder = new Small();
  await twins(folder);
  folder.unseal();
  assertEquals((await folder.check()).chains.slice(0, 2).sort(), ["a.dump", "b.dump"]);
});

Deno.test("a dump without a seal must have the root that a seal tells of its generation, whatever its digest says", async () => {
  using folder = new Small();
  await atOneMoment(async () => {
    await folder.full("0", [1, 2, 3, 4]);
    await folder.diff("a", "0", [1, 2, 3, 5]);
    // Zero blocks make it shorter: it is not the file that the seal of the other tells of.
    await folder.diff("b", "0", [0, 0, 3, 4]);
  });
  folder.remove("b.seal.json", "a.dump", "a.digest", "b-0.rdiff");
  const { code, found } = await folder.check();
  const faults: { path: string; fault: string }[] = found.series[0].faults;
  assertEquals(code, 3);
  assertEquals(faults.map(({ path }) => basename(path)), ["b.digest", "b.dump"]);
  // Where the file of an entry is gone, one of the same kind and second is taken for it under another name.
  for (const { fault } of faults) {
    assertMatch(
      fault,
      /seals tell the root [0-9a-f]{64} of its generation|is not the file that .* was made for/,
    );
  }
  assertEquals(/good: .*\/b\.dump/.test(await folder.text()), false);
});

Deno.test("a dump with its digest is proved, and one that nothing was compared with is not", async () => {
  using folder = new Small();
  await folder.full("0", [1, 2, 3, 4]);
  folder.unseal();
  assertEquals((await folder.check()).chains, ["0.dump"]);
  assertEquals((await folder.check("--quick")).chains, ["not proved: 0.dump"]);
  folder.remove("0.digest");
  for (const options of [[], ["--quick"]]) {
    assertEquals((await folder.check(...options)).chains, ["not proved: 0.dump"]);
    assertStringIncludes(await folder.text(...options), `  not proved: ${folder.file("0.dump")}\n`);
  }
});

Deno.test("a dump with a bad block brings back the generations whose rdiffs replace it", async () => {
  using folder = new Small();
  await folder.full("0", [1, 2, 3, 4]);
  await folder.diff("1", "0", [1, 2, 3, 5]);
  await folder.diff("2", "1", [1, 2, 6, 5]);
  folder.remove("0.dump", "1.dump");
  const whole = Deno.readFileSync(folder.file("2.dump"));
  // Block 2, the last but one.
  damage(folder.file("2.dump"), (bytes) => {
    bytes[bytes.length - BLOCK - 100] ^= 1;
    return bytes;
  });
  const { code, chains } = await folder.check();
  assertEquals([code, chains], [3, ["LOST", "2.dump 2-1.rdiff", "2.dump 2-1.rdiff 1-0.rdiff"]]);
  folder.file("2.dump", whole);
  assertEquals((await folder.check()).code, 0);
});

Deno.test("a damaged file does no harm where an intact copy lies beside it", async () => {
  using folder = new Small();
  await folder.full("0", [1, 2, 3, 4]);
  await folder.diff("1", "0", [1, 2, 3, 5]);
  folder.remove("0.dump");
  Deno.copyFileSync(folder.file("1-0.rdiff"), folder.file("copy.rdiff"));
  damage(folder.file("1-0.rdiff"), flipAt(0.9));
  const { code, chains } = await folder.check();
  assertEquals([code, chains], [3, ["1.dump", "1.dump copy.rdiff"]]);
});

Deno.test("an rdiff without a seal is tried from further generations, if its own can be proved", async () => {
  using folder = new Small();
  await folder.full("0", [1, 2, 3, 4]);
  await atOneMoment(() => folder.diff("a", "0", [7, 2, 3, 4]), 10);
  await atOneMoment(() => folder.diff("b", "0", [1, 2, 3, 5]), 20);
  folder.remove("0.dump", "a-0.rdiff");
  folder.unseal();
  assertEquals((await folder.check()).chains, ["b.dump", "a.dump", "b.dump b-0.rdiff"]);
  folder.remove("0.digest");
  assertEquals((await folder.check()).chains[2], "not proved: a.dump b-0.rdiff");
});

Deno.test("one file that cannot be read does not end the check of a folder", async () => {
  using folder = new Small();
  await folder.full("0", [1, 2, 3, 4]);
  assertEquals((await folder.check()).code, 0);
  Deno.symlinkSync("nowhere", folder.file("notes"));
  assertEquals((await folder.check()).code, 0);
  Deno.symlinkSync("nowhere", folder.file("x.dump"));
  Deno.symlinkSync("nowhere", folder.file("y.seal.json"));
  Deno.symlinkSync("z.rdiff.zst", folder.file("z.rdiff.zst"));
  // A regular file of which the first byte cannot be read.
  Deno.symlinkSync("/proc/self/mem", folder.file("w.dump"));
  const shell = ["-c", 'cp "$0/0.dump" "$0/$(printf "u\\377.dump")"', folder.path];
  assertEquals((await new Deno.Command("sh", { args: shell }).output()).code, 0);
  // Older Denos do not list names that are no UTF-8.
  const unspeakable = [...Deno.readDirSync(folder.path)].map(({ name }) => name).filter((name) =>
    /^u/.test(name)
  );
  const { code, found, chains } = await folder.check("--junit", folder.file("junit.xml"));
  assertEquals([code, chains, found.folders[0].skipped], [3, ["0.dump"], 1]);
  const unreadable = found.unreadable.map(({ path }: { path: string }) => basename(path));
  assertEquals(unreadable, [...unspeakable, "w.dump", "x.dump", "y.seal.json", "z.rdiff.zst"]);
  const xml = Deno.readTextFileSync(folder.file("junit.xml"));
  const count = unreadable.length;
  assertStringIncludes(xml, `<testsuite name="files" tests="${count}" failures="${count}"`);
});

Deno.test("the JUnit file names damaged files, and stands for a failure whatever happened", async () => {
  using folder = new Small();
  using reports = new Folder();
  const path = reports.file("junit.xml");
  const xml = async (...args: string[]) => {
    const { code } = await callMain(["check", ...args, "--junit", path]);
    return { code, xml: Deno.readTextFileSync(path) };
  };
  const empty = await xml(folder.path);
  assertEquals(empty.code, 3);
  assertMatch(empty.xml, /tests="1" failures="1"[^]*name="[^"]*"><failure message="No archives in /);
  await folder.full("0", [1, 2, 3, 4]);
  await folder.diff("1", "0", [1, 2, 3, 5]);
  const good = await xml(folder.path);
  assertEquals([good.code, good.xml.includes('name="files"')], [0, false]);
  assertMatch(good.xml, /tests="3" failures="0" errors="0" skipped="0"/);
  // No generation needs it.
  damage(folder.file("1-0.rdiff"), flipAt(0.9));
  const damaged = await xml(folder.path);
  assertEquals(damaged.code, 3);
  assertMatch(damaged.xml, /\(series [0-9a-f]{32}\)" tests="2" failures="0"/);
  assertMatch(damaged.xml, /name="files" tests="1" failures="1"[^]*1-0\.rdiff"><failure/);
  const missing = await xml(folder.file("missing.dump"), "--digestin", folder.file("1.digest"));
  assertEquals(missing.code, 1);
  assertMatch(missing.xml, /tests="1" failures="0" errors="1"[^]*<error message="Cannot open /);
});

Deno.test("the JUnit file is none of the archives", async () => {
  using folder = new Small();
  await folder.full("0", [1, 2, 3, 4]);
  const { code, stderr } = await callMain(["check", folder.path, "--junit", folder.file("0.dump")]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "it is also an input");
  assertEquals((await folder.check()).code, 0);
});

Deno.test("check of a folder says which archives have no seal, what it only looked at, and how much it skipped", async () => {
  using folder = new Small();
  await folder.full("0", [1]);
  assertMatch(
    await folder.text(),
    /\(1 block of 4 KiB\): 1 generation, 1 can be restored\n.* {2}good: .*\/0\.dump\n/,
  );
  assertEquals(/skipped|no seal/.test(await folder.text()), false);
  const looksGood = `  looks good: ${folder.file("0.dump")}\n`;
  assertStringIncludes(await folder.text("--quick"), looksGood);
  folder.unseal();
  folder.file("notes.txt", "no archive");
  const text = await folder.text("--quick");
  assertStringIncludes(text, looksGood);
  assertStringIncludes(text, `  no seal: ${folder.file("0.digest")}, ${folder.file("0.dump")}: `);
  assertMatch(text, /^Folder .*: 2 archives, 0 seals, 1 file of other kinds skipped$/m);
});

Deno.test("check of a folder reads around what a killed run has left half done, and changes nothing", async () => {
  using folder = new Small();
  await folder.full("0", [1, 2, 3, 4]);
  const aside = ".0.dump.12345678.old.vmdkbkp";
  Deno.renameSync(folder.file("0.dump"), folder.file(aside));
  const note = {
    state: "p",
    ...{ id: "0".repeat(32), outputs: 2, temporary: ".0.dump.12345678.vmdkbkp", aside },
    ...{ sizeBytes: 9, changedMs: 0 },
  } satisfies CommitNote;
  Deno.writeTextFileSync(folder.file(".0.dump.lock.vmdkbkp"), noteText(1, note));
  for (const halfDone of [undefined, "half done"]) {
    if (halfDone !== undefined) folder.file("0.dump", halfDone);
    const before = filesIn(folder);
    const { code, stderr, chains } = await folder.check();
    assertEquals({ code, chains }, { code: 0, chains: ["0.dump"] });
    assertMatch(stderr, /Warning: process 1 was killed while it wrote ".*0\.dump"/);
    assertEquals(filesIn(folder), before);
  }
});

Deno.test("check of a folder in which something else has the name of a seal is wrong", async () => {
  const makers: Record<string, (path: string) => unknown> = {
    "a folder": (path) => Deno.mkdirSync(path),
    "a link to a device": (path) => Deno.symlinkSync("/dev/zero", path),
    "a pipe": (path) => new Deno.Command("mkfifo", { args: [path] }).outputSync(),
  };
  for (const [what, make] of Object.entries(makers)) {
    using archives = new Archives();
    make(archives.file("g2.seal.json"));
    const { code, stdout } = await archives.call(["check", archives.path]);
    assertEquals([code, stdout.endsWith("Check: WRONG\n")], [3, true], `${what}: ${stdout}`);
    assertMatch(stdout, /g2\.seal\.json": it is not a regular file/, what);
  }
});
