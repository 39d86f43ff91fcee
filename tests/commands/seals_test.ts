import { runCli } from "../support/run_cli.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { parseSeal, type Seal } from "../../cli/archive/seal.ts";
import { callMain } from "../support/run_cli.ts";
import { Archives } from "../refusals/refusal.ts";
import { digest, dump, GENERATIONS } from "../refusals/material.ts";

const DIFF = "dump --mode diff --local d2.raw --dumpin g1.dump --digestin g1.digest " +
  "--dumpout new.dump --digestout new.digest --rdiffout old.rdiff";

const sealOf = (archives: Archives, name: string): Promise<Seal> => parseSeal(archives.read(name), name);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** The root as FORMAT.md says, by another way than the program's. */
function rootOf({ blocks }: typeof GENERATIONS[number]): string {
  const root = createHash("sha256");
  for (const block of blocks) {
    root.update(block ? createHash("md5").update(block).digest() : new Uint8Array(16));
  }
  return root.digest("hex");
}

Deno.test("dump seals what it writes: lengths, hashes, records and both generations", async () => {
  for (const suffix of ["", ".gz", ".zst"]) {
    using archives = new Archives();
    await archives.done(
      DIFF.replace("new.dump", `new.dump${suffix}`).replace("old.rdiff", `old.rdiff${suffix}`),
    );
    const seal = await sealOf(archives, "new.seal.json");
    const { seriesId: _, ...size } = { seriesId: 0, capacityBytes: 3072, blockBytes: 512, blockCount: 6 };
    assertEquals({ ...seal, ...size }, seal);
    assertEquals(seal.mode, { asked: "diff", done: "diff" });
    assertEquals(seal.source, { disk: archives.args("./d2.raw")[0], format: "raw" });
    assertEquals(seal.root, rootOf(GENERATIONS[2]));
    const from = { time: seal.time, root: rootOf(GENERATIONS[2]) };
    const to = { time: "2010-11-25 12:00:02", root: rootOf(GENERATIONS[1]) };
    assertMatch(seal.files[2].to!.time, /12:00:02/);
    const expected = [
      { role: "dump", name: `new.dump${suffix}`, dataRecords: 6, zeroRecords: 0 },
      { role: "digest", name: "new.digest", dataRecords: 6, zeroRecords: 0 },
      {
        ...{ role: "rdiff", name: `old.rdiff${suffix}`, dataRecords: 1, zeroRecords: 2 },
        ...{ from, to: { ...to, time: seal.files[2].to!.time } },
      },
    ].map((file) => {
      const bytes = archives.read(file.name);
      return { ...file, bytes: bytes.length, sha256: sha256(bytes) };
    });
    assertEquals(seal.files as unknown, expected);
  }
});

Deno.test("an incr dump seals what the audit has shown, and the change id", async () => {
  using archives = new Archives();
  const incr = DIFF.replace("diff", "incr") + " --bmpin all.bmp --changeid 52:de/1";
  await archives.done(incr.replace("52:de/1", "52-de-1"));
  const seal = await sealOf(archives, "new.seal.json");
  assertEquals(seal.mode, { asked: "incr", done: "incr" });
  assertEquals(seal.source.changeId, "52-de-1");
  assertEquals(seal.audit, { unchangedBlocks: 0, sampledBlocks: 0, differingBlocks: 0, result: "skipped" });
});

Deno.test("an output that is no regular file is left out of the seal, and - has none", async () => {
  using archives = new Archives();
  const words = "dump --mode full --blocksize 512 --local d0.raw --digestout new.digest --dumpout";
  const args = [...archives.args(words), "/dev/null"];
  assertEquals((await callMain(args)).code, 0);
  const { files, root } = await sealOf(archives, "new.seal.json");
  assertEquals(files.map(({ name }) => name), ["new.digest"]);
  assertEquals(root, rootOf(GENERATIONS[0]));
});

Deno.test("outputs in several folders have a seal in each", async () => {
  using archives = new Archives();
  for (const folder of ["dumps", "rdiffs"]) Deno.mkdirSync(archives.file(folder));
  await archives.done(DIFF.replace("new.dump", "dumps/new.dump").replace("old.rdiff", "rdiffs/old.rdiff"));
  const names = async (seal: string) => (await sealOf(archives, seal)).files.map(({ name }) => name);
  assertEquals(await names("dumps/new.seal.json"), ["new.dump"]);
  assertEquals(await names("new.seal.json"), ["new.digest"]);
  assertEquals(await names("rdiffs/old.seal.json"), ["old.rdiff"]);
});

Deno.test("seal makes the seal of archives that have none", async () => {
  using archives = new Archives();
  await archives.done("seal g2.dump g2.digest g1.rdiff g0.rdiff");
  const seal = await sealOf(archives, "g2.seal.json");
  assertEquals(seal.root, rootOf(GENERATIONS[2]));
  assertEquals(seal.files.map(({ name, dataRecords, zeroRecords }) => [name, dataRecords, zeroRecords]), [
    ["g2.dump", 6, 0],
    ["g2.digest", 6, 0],
    ["g1.rdiff", 1, 2],
    ["g0.rdiff", 3, 1],
  ]);
  const [, , first, second] = seal.files;
  assertEquals(first.from, { time: seal.time, root: seal.root });
  assertEquals(second.from, first.to);
  await archives.done("check g2.dump");
  await archives.refused("seal g2.dump g1.digest", { code: 3, says: ["different generations"] });
  await archives.refused("seal g1.dump g2.dump", { code: 2, says: ["g2.dump", "second dump"] });
  await archives.refused("seal g2.dump g1.rdiff g1.rdiff", { code: 3, says: ["not older"] });
  await archives.refused("seal g2.digest", { code: 2, says: ["its generation is needed"] });
  await archives.refused("seal -", { code: 2, says: ["beside a file"] });
});

Deno.test("seal refuses a dump that does not have the MD5s of its digest", async () => {
  const bad = { ...GENERATIONS[2], blocks: GENERATIONS[0].blocks };
  using archives = new Archives({ "g2.dump": concat(dump(bad)) });
  await archives.refused("seal g2.dump g2.digest", { code: 3, says: ["block 1", "g2.digest"] });
});

Deno.test("a plain rdiff that was cut between two records is found before anything is made of it", async () => {
  using archives = new Archives();
  await archives.done("seal g2.dump g2.digest g1.rdiff");
  const rdiff = archives.read("g1.rdiff");
  // Its last record is that of block 5: "5", 0, 512 and the block.
  const cut = rdiff.subarray(0, rdiff.length - (2 + 2 + 4 + 512));
  archives.file("g1.rdiff", cut);
  const says = ["g1.rdiff", "g2.seal.json", `${rdiff.length} is expected, ${cut.length} is found`];
  for (
    const line of [
      "restore --create --local new.raw g2.dump g1.rdiff",
      "restore --local d2.raw g2.dump g1.rdiff",
      "merge --dumpout new.dump g2.dump g1.rdiff",
      "check g2.dump g1.rdiff",
      "check --quick g2.dump g1.rdiff",
    ]
  ) await archives.refused(line, { code: 3, says });
});

Deno.test("archives that were exchanged, and a chain with one left out, are found", async () => {
  using archives = new Archives();
  for (const line of ["g2.dump g2.digest g1.rdiff", "g1.digest g0.rdiff"]) {
    await archives.done(`seal ${line}`);
  }
  await archives.refused("restore --create --local new.raw g2.dump g0.rdiff", {
    code: 3,
    says: ["g0.rdiff", "leads back from the generation of", "12:00:02", "is missing"],
  });
  await archives.done("restore --create --local new.raw g2.dump g1.rdiff g0.rdiff");
  assertEquals(archives.read("new.raw"), archives.read("d0.raw"));
  // Another dump of the same length under its name.
  archives.file("g2.dump", concat(dump({ ...GENERATIONS[1], second: 4, blocks: GENERATIONS[2].blocks })));
  await archives.refused("restore --create --local x.raw g2.dump g1.rdiff", {
    code: 3,
    says: ["g2.dump", "the time", "12:00:03", "12:00:04"],
  });
});

Deno.test("a block that changed in place is found by the root: nothing is restored, merged or digested", async () => {
  using archives = new Archives();
  await archives.done("seal g2.dump g2.digest g1.rdiff");
  await archives.done("seal g1.digest g0.rdiff");
  const rdiff = archives.read("g0.rdiff");
  rdiff[rdiff.length - 1] ^= 1;
  archives.file("g0.rdiff", rdiff);
  await archives.done("seal g0.digest g0.dump");
  Deno.removeSync(archives.file("g0.dump"));
  // The seal of the rdiff does not know the root of the generation that it leads to; that of the generation does.
  for (
    const line of [
      "restore --create --local new.raw g2.dump g1.rdiff g0.rdiff",
      "restore --local d2.raw g2.dump g1.rdiff g0.rdiff",
      "merge --dumpout new.dump g2.dump g1.rdiff g0.rdiff",
    ]
  ) await archives.refused(line, { code: 3, says: ["g0.rdiff", "the root", rootOf(GENERATIONS[0])] });
  const dump2 = archives.read("g2.dump");
  dump2[dump2.length - 1] ^= 1;
  archives.file("g2.dump", dump2);
  for (
    const line of [
      "restore --create --local x.raw g2.dump",
      "restore --local d2.raw g2.dump",
      "digest --dumpin g2.dump --digestout x.digest",
      "check g2.dump",
    ]
  ) {
    const { code, stdout, stderr } = await archives.run(line);
    assertEquals(code, 3, line);
    assertStringIncludes(stdout + stderr, "root", line);
  }
});

Deno.test("a seal of the same generation takes in what is made again; others are not replaced", async () => {
  using archives = new Archives();
  await archives.done("seal g0.dump g0.digest");
  const before = await sealOf(archives, "g0.seal.json");
  Deno.removeSync(archives.file("g0.dump"));
  await archives.done("merge --dumpout g0.dump g2.dump g1.rdiff g0.rdiff");
  assertEquals(await sealOf(archives, "g0.seal.json"), before);
  // Of another generation, whose digest is there: the seal takes the whole name.
  await archives.done("rdiff g1.dump g2.dump --rdiffout g0.rdiff --force");
  assertEquals((await sealOf(archives, "g0.rdiff.seal.json")).files.map(({ name }) => name), ["g0.rdiff"]);
  assertEquals(await sealOf(archives, "g0.seal.json"), before);
  // All of its files are gone, and none was renamed: it may go, too.
  await archives.done("seal g1.dump g1.digest");
  for (const name of ["g0.dump", "g0.digest"]) Deno.removeSync(archives.file(name));
  await archives.done("digest --dumpin g1.dump --digestout g0.digest");
  // Its files are gone, but rdiffs may lead to it still.
  assertEquals((await sealOf(archives, "g0.seal.json")).root, rootOf(GENERATIONS[0]));
  assertEquals((await sealOf(archives, "g0.digest.seal.json")).root, rootOf(GENERATIONS[1]));
  await archives.done("digest --dumpin g1.dump --digestout g0.digest --force");
  assertEquals((await sealOf(archives, "g0.seal.json")).root, rootOf(GENERATIONS[1]));
});

Deno.test("a digest that is made again must be of the blocks that were sealed", async () => {
  using archives = new Archives();
  await archives.done("seal g0.dump");
  Deno.removeSync(archives.file("g0.digest"));
  const bad = { ...GENERATIONS[0], blocks: GENERATIONS[1].blocks };
  archives.file("other.dump", concat(dump(bad)));
  await archives.refused("digest --dumpin other.dump --digestout g0.digest", {
    code: 3,
    says: ["other.dump", "g0.seal.json", "the root"],
  });
});

Deno.test("a seal that is damaged stops every command whose input it may prove, unless --without-seal is given", async () => {
  using archives = new Archives();
  await archives.done("seal g0.dump g0.digest");
  const seal = archives.read("g0.seal.json");
  seal[100] ^= 1;
  archives.file("g0.seal.json", seal);
  const said = `Cannot read seal "${archives.file("g0.seal.json")}"`;
  const { code, stdout } = await archives.run("check --digestin g0.digest g0.dump");
  assertEquals(code, 3);
  assertStringIncludes(stdout, `wrong: ${said}`);
  for (
    const line of [
      "restore --create --local new.raw g0.dump",
      "restore --local d2.raw g0.dump",
      "merge --dumpout new.dump g1.dump g0.rdiff",
      "digest --dumpin g0.dump --digestout new.digest",
      "rdiff g0.dump g1.dump --rdiffout new.rdiff",
      "dump --mode diff --local d1.raw --dumpin g0.dump --digestin g0.digest --dumpout new.dump " +
      "--digestout new.digest --rdiffout new.rdiff",
    ]
  ) {
    await archives.refused(line, { code: 3, says: [said, "--without-seal goes by no seal"] });
  }
  const { stdout: report } = await archives.done("restore --create --local new.raw --without-seal g0.dump");
  assertStringIncludes(report, "NOT PROVED");
  await archives.refused("seal g0.dump g0.digest", { code: 3, says: ["g0.seal.json"] });
  await archives.done("seal --force g0.dump g0.digest");
  await archives.done("check g0.dump");
});

Deno.test("seals have names that the file system takes, however long the names of the files are", async () => {
  using archives = new Archives();
  for (const stem of ["n".repeat(195), "n".repeat(248), "ä".repeat(124)]) {
    const outs = `--dumpout ${stem}.dump --digestout ${stem}.digest`;
    await archives.done(`dump --mode full --local d0.raw ${outs}`);
    const { stdout } = await archives.done(`check --json ${stem}.dump`);
    assertEquals(JSON.parse(stdout).unsealed, []);
    for (const entry of [...Deno.readDirSync(archives.path)]) {
      if (entry.name.startsWith(stem[0])) Deno.removeSync(archives.file(entry.name));
    }
  }
});

Deno.test("of two commands that add to one seal at once, none loses what the other has added", async () => {
  using archives = new Archives();
  await archives.done("seal g1.dump g1.digest");
  for (let round = 0; round < 4; round++) {
    const names = ["gz", "zst"].map((suffix) => `${round}.digest.${suffix}`);
    const results = await Promise.all(
      names.map((name) => runCli(archives.args(`digest --dumpin g1.dump --digestout ${name}`))),
    );
    for (const { code, stderr } of results) {
      assertEquals(code === 0 || stderr.includes("another process"), true, stderr);
    }
    const made = names.filter((_, i) => results[i].code === 0);
    assertEquals((await sealOf(archives, `${round}.seal.json`)).files.map(({ name }) => name).sort(), made);
  }
});

Deno.test("a digest of the same blocks but another series is not the one that was sealed", async () => {
  using archives = new Archives();
  await archives.done("seal g0.dump g0.digest");
  archives.file("g0.digest", concat(digest({ ...GENERATIONS[0], series: 7 })));
  await archives.refused("check --quick --digestin g0.digest g0.dump", { code: 3, says: ["g0.digest"] });
});

function concat(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

Deno.test("restore, merge and check say of archives without a seal what cannot be seen", async () => {
  using archives = new Archives();
  await archives.done("seal g1.dump");
  const said = `no seal: ${archives.file("g0.rdiff")}`;
  for (
    const line of [
      "restore --create --local new.raw g1.dump g0.rdiff",
      "restore --local d2.raw g1.dump g0.rdiff",
      "merge --dumpout new.dump g1.dump g0.rdiff",
      "check --digestin g0.digest g1.dump g0.rdiff",
    ]
  ) assertStringIncludes((await archives.done(line)).stdout, said, line);
  await archives.done("seal g2.dump g1.rdiff");
  const { stdout } = await archives.done("restore --create --local x.raw g2.dump g1.rdiff");
  assertEquals(stdout.includes("no seal"), false);
});

Deno.test("a seal of the same generation is not replaced by one of other blocks", async () => {
  using archives = new Archives();
  await archives.done("seal g1.dump g1.digest");
  Deno.removeSync(archives.file("g1.digest"));
  const bytes = archives.read("g1.dump");
  bytes[bytes.length - 1] ^= 1;
  archives.file("g1.dump", bytes);
  await archives.refused("seal g1.dump", { code: 3, says: ["g1.seal.json", "the root"] });
  assertEquals((await archives.run("check g1.dump")).code, 3);
});

Deno.test("files that take turns under the same names keep their seals", async () => {
  using archives = new Archives();
  const night = async (from: string, to: string, disk: number, rdiff: number) =>
    await archives.done(
      `dump --mode diff --force --local d${disk}.raw --dumpin ${from}.dump --digestin ${from}.digest ` +
        `--dumpout ${to}.dump --digestout ${to}.digest --rdiffout r${rdiff}.rdiff`,
    );
  await archives.done(
    "dump --mode full --blocksize 512 --local d0.raw --dumpout a.dump --digestout a.digest",
  );
  for (let n = 1; n < 7; n++) {
    await night(n % 2 === 1 ? "./a" : "./b", n % 2 === 1 ? "./b" : "./a", n % 3, n);
    const newest = n % 2 === 1 ? "b" : "a";
    await archives.done(`check --digestin ${newest}.digest ${newest}.dump`);
    await archives.done(`restore --create --local new${n}.raw ${newest}.dump`);
  }
});

Deno.test("a nightly script that renames its files goes on for ever", async () => {
  using archives = new Archives();
  await archives.done(
    "dump --mode full --blocksize 512 --local d0.raw --dumpout cur.dump --digestout cur.digest",
  );
  const rdiffs: string[] = [];
  for (let n = 1; n < 6; n++) {
    await archives.done(
      `dump --mode diff --local d${n % 3}.raw --dumpin cur.dump --digestin cur.digest ` +
        `--dumpout new.dump --digestout new.digest --rdiffout r${n}.rdiff`,
    );
    for (const kind of ["dump", "digest"]) {
      Deno.renameSync(archives.file(`new.${kind}`), archives.file(`cur.${kind}`));
    }
    rdiffs.unshift(`r${n}.rdiff`);
    const { stdout } = await archives.done(`check cur.dump ${rdiffs.join(" ")}`);
    assertEquals(stdout.includes("no seal"), false, stdout);
  }
});

Deno.test("outputs are sealed where they lie, whatever way leads there", async () => {
  using archives = new Archives();
  Deno.mkdirSync(archives.file("real"));
  Deno.symlinkSync("real", archives.file("link"));
  await archives.done(
    "dump --mode full --blocksize 512 --local d0.raw --dumpout link/m.dump --digestout real/m.digest",
  );
  assertEquals((await sealOf(archives, "real/m.seal.json")).files.map(({ name }) => name), [
    "m.dump",
    "m.digest",
  ]);
  Deno.symlinkSync("real/m.dump", archives.file("cur.dump"));
  await archives.done("check cur.dump");
});

Deno.test("a sealed rdiff that was damaged is found where no root is known", async () => {
  using archives = new Archives();
  await archives.done("seal g2.digest g1.rdiff");
  await archives.done("seal g1.digest g0.rdiff");
  const names = [...Deno.readDirSync(archives.path)].map(({ name }) => name);
  // The roots are known from the seals of the digests: without those only the files are.
  for (const name of ["g0.dump", "g1.dump", "g0.digest"]) Deno.removeSync(archives.file(name));
  assertEquals(names.includes("g1.seal.json"), true);
  await archives.done("seal g2.dump g2.digest g1.rdiff");
  const rdiff = archives.read("g0.rdiff");
  rdiff[rdiff.length - 1] ^= 1;
  archives.file("g0.rdiff", rdiff);
  const says = ["g0.rdiff", "SHA-256", "g1.seal.json"];
  for (
    const line of [
      "restore --create --local new.raw g2.dump g1.rdiff g0.rdiff",
      "restore --local d2.raw g2.dump g1.rdiff g0.rdiff",
      "merge --dumpout new.dump g2.dump g1.rdiff g0.rdiff",
      "merge --rdiffout new.rdiff g1.rdiff g0.rdiff",
    ]
  ) await archives.refused(line, { code: 3, says });
  const { code, stdout } = await archives.run("check g2.dump g1.rdiff g0.rdiff");
  assertEquals([code, stdout.endsWith("Check: WRONG\n")], [3, true]);
});

Deno.test("rdiff does not vouch for a sealed dump that was damaged", async () => {
  using archives = new Archives();
  await archives.done("seal g1.dump g1.digest");
  const bytes = archives.read("g1.dump");
  bytes[bytes.length - 1] ^= 1;
  archives.file("g1.dump", bytes);
  await archives.refused("rdiff g1.dump g2.dump --rdiffout new.rdiff", {
    code: 3,
    says: ["g1.dump", "SHA-256"],
  });
});

Deno.test("rdiff refuses a dump whose seal cannot be read, also if another seal knows the root of its generation", async () => {
  using archives = new Archives();
  await archives.done("seal g1.dump g1.digest");
  await archives.done(DIFF);
  archives.file("g1.seal.json", archives.read("g1.seal.json").subarray(1));
  // The root is computed by no rdiff: it proves nothing here.
  const line = "rdiff g1.dump new.dump --rdiffout new.rdiff";
  await archives.refused(line, { code: 3, says: ["g1.seal.json", "--without-seal goes by no seal"] });
  assertStringIncludes((await archives.done(`${line} --without-seal`)).stdout, "NOT PROVED");
});

Deno.test("check --junit replaces its own report and nothing else", async () => {
  using archives = new Archives();
  await archives.done("check --digestin g0.digest g0.dump --junit j.xml");
  await archives.done("check --digestin g0.digest g0.dump --junit j.xml");
  await archives.refused("check --digestin g0.digest g0.dump --junit d0.raw", {
    code: 2,
    says: ["d0.raw", "exists"],
  });
  await archives.refused("check --digestin g0.digest g0.dump --junit g1.digest", {
    code: 2,
    says: ["g1.digest"],
  });
});
