/** What counts as a proof of a result, and what does not. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { noise } from "../disks/helpers.ts";
import { Archives } from "../refusals/refusal.ts";

const NOT_PROVED = "NOT PROVED";

/** Runs a command line that must succeed, as text and as JSON; `before` is called in front of each. */
async function proofOf(archives: Archives, line: string, before: () => void = () => {}) {
  before();
  const { stdout: text } = await archives.done(line);
  before();
  const { stdout } = await archives.done(`${line} --json`);
  return { text, proof: JSON.parse(stdout).proof as string };
}

Deno.test("restore of rdiffs alone says that nothing proves what the disk held before", async () => {
  using archives = new Archives();
  await archives.done("seal g2.dump g2.digest g1.rdiff");
  await archives.done("seal g1.dump g1.digest g0.rdiff");
  const line = "restore --local new.raw g1.rdiff";
  for (const disk of ["d2.raw", "d0.raw"]) {
    const copy = () => void archives.file("new.raw", archives.read(disk));
    const { text, proof } = await proofOf(archives, line, copy);
    assertEquals(proof, "nothing", disk);
    assertStringIncludes(
      text,
      `${NOT_PROVED}: nothing tells that "${archives.file("new.raw")}" was at the newer`,
    );
    assertEquals((await proofOf(archives, `${line} --verify`, copy)).proof, "nothing");
  }
  const verified = `${line} --verify --digestin g1.digest`;
  archives.file("new.raw", archives.read("d0.raw"));
  assertEquals((await archives.run(verified)).code, 3);
  const { text, proof } = await proofOf(archives, verified, () => {
    archives.file("new.raw", archives.read("d2.raw"));
  });
  assertEquals([proof, text.includes(NOT_PROVED)], ["digest", false]);
  assertEquals(archives.read("new.raw"), archives.read("d1.raw"));
});

Deno.test("a digest that was made of a dump which nothing proves is no proof of it", async () => {
  using archives = new Archives();
  const line = (digest: string) =>
    `restore --create --force --local new.raw --verify --digestin ${digest} g0.dump`;
  await archives.done("digest --dumpin g0.dump --digestout own.digest");
  const { text, proof } = await proofOf(archives, line("own.digest"));
  assertEquals([proof, text.includes(NOT_PROVED)], ["nothing", true]);
  // Neither that of the backup nor one that a proved dump gave is such a digest.
  assertEquals((await proofOf(archives, line("g0.digest"))).proof, "digest");
  await archives.done("seal g1.dump g1.digest");
  await archives.done("digest --dumpin g1.dump --digestout proved.digest");
  const proved = line("proved.digest").replace("g0.dump", "g1.dump");
  assertEquals((await proofOf(archives, proved)).proof, "digest");
});

Deno.test("a merged rdiff that nothing proves proves no other one that leads to the same blocks", async () => {
  using archives = new Archives();
  // All of it is sealed as it is found, with a block that was changed.
  const rdiff = archives.read("g0.rdiff");
  rdiff[rdiff.length - 1] ^= 1;
  archives.file("g0.rdiff", rdiff);
  for (const name of ["g0.dump", "g0.digest", "g1.digest", "g2.digest"]) Deno.removeSync(archives.file(name));
  const results = ["restore --create --force --local new.raw g1.dump g0.rdiff"];
  for (
    const line of [
      "seal g1.dump g0.rdiff",
      "merge --rdiffout merged.rdiff g1.rdiff g0.rdiff",
      "merge --dumpout merged.dump g1.dump g0.rdiff",
      "rdiff merged.dump g2.dump --rdiffout between.rdiff",
      "digest --dumpin merged.dump --digestout made.digest",
    ]
  ) {
    await archives.done(line);
    if (line.startsWith("merge --dumpout")) {
      results.push("restore --create --force --local new.raw merged.dump");
    }
    for (const result of results) assertEquals((await proofOf(archives, result)).proof, "nothing", line);
    const { code, stdout } = await archives.run(`check --json ./`);
    assertEquals(code, 6, line);
    for (const { time, archives: list, proved } of JSON.parse(stdout).series[0].generations) {
      if (/:01 /.test(time)) assertEquals(proved, false, `${line}: ${time} by ${list}`);
    }
  }
});

/** Seals tell a proved root of a generation, and the dump that is there has another one, by a seal that nothing proved. */
async function withTwoRoots(archives: Archives): Promise<void> {
  await archives.done("seal g1.dump g1.digest");
  await archives.done("digest --dumpin g1.dump --digestout made.digest");
  for (
    const name of ["g1.seal.json", "g1.digest", "made.digest", "g0.rdiff", "g1.rdiff", "g0.dump", "g0.digest"]
  ) {
    Deno.removeSync(archives.file(name));
  }
  const dump = archives.read("g1.dump");
  dump[dump.length - 1] ^= 1;
  archives.file("g1.dump", dump);
  await archives.done("seal g1.dump");
}

Deno.test("a dump with an unproved root is not proved by another root of the same second", async () => {
  using archives = new Archives();
  await withTwoRoots(archives);
  for (const name of ["g1.dump", "copy.dump"]) {
    if (name === "copy.dump") Deno.copyFileSync(archives.file("g1.dump"), archives.file(name));
    const { proof } = await proofOf(archives, `restore --create --force --local new.raw ${name}`);
    assertEquals(proof, "nothing", name);
    const list = await archives.run(`check ${name}`);
    assertEquals(
      [list.code, list.stdout.endsWith("Check: NOT PROVED\n")],
      [6, true],
      list.stdout + list.stderr,
    );
    const { stdout } = await archives.run("check --json ./");
    const generations: { time: string; proved?: boolean }[] = JSON.parse(stdout).series[0].generations;
    assertEquals(generations.filter(({ time, proved }) => /:02 /.test(time) && proved), [], name);
  }
});

Deno.test("seal takes no digest for a proof that was made of the dump", async () => {
  using archives = new Archives();
  await archives.done("digest --dumpin g1.dump --digestout own.digest");
  for (const files of ["g1.dump own.digest", "g1.dump"]) {
    await archives.done(`seal ${files}`);
    const { code, stdout } = await archives.run("check g1.dump");
    assertEquals([code, stdout.endsWith("Check: NOT PROVED\n")], [6, true], files);
  }
  Deno.removeSync(archives.file("g1.seal.json"));
  Deno.removeSync(archives.file("own.seal.json"));
  await archives.done("seal g1.dump g1.digest");
  await archives.done("check g1.dump");
});

/** A disk that is no whole number of blocks, its dump and its digest, each in a folder of its own. */
async function unevenBackup(archives: Archives): Promise<void> {
  for (const name of ["dumps", "digests"]) Deno.mkdirSync(archives.file(name));
  const disk = noise(5 * 512 + 301, 9);
  disk.fill(0, 5 * 512 + 100);
  archives.file("uneven.raw", disk);
  await archives.done(
    "dump --mode full --blocksize 512 --local uneven.raw --dumpout dumps/u.dump --digestout digests/u.digest",
  );
}

/** Another capacity in the header of a plain dump, in which no block changes. */
function withCapacity(bytes: Uint8Array<ArrayBuffer>, capacity: string): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder("latin1").decode(bytes);
  const at = text.indexOf("vmdkbkp.capacityBytes\0") + "vmdkbkp.capacityBytes\0".length;
  bytes.set(new TextEncoder().encode(capacity), at);
  return bytes;
}

Deno.test("diff and incr name the previous dump if it has no seal: the rdiff takes over its metadata", async () => {
  using archives = new Archives();
  const outs = "--dumpout n.dump --digestout n.digest --rdiffout n.rdiff --force";
  for (const mode of ["diff", "incr --bmpin all.bmp"]) {
    const line = `dump --mode ${mode} --local d2.raw --dumpin g1.dump --digestin g1.digest ${outs}`;
    const isSealed = [...Deno.readDirSync(archives.path)].some(({ name }) => name === "g1.seal.json");
    const { stdout: text } = await archives.done(line);
    const { stdout } = await archives.done(`${line} --json`);
    assertEquals(JSON.parse(stdout).unsealed, isSealed ? [] : [archives.file("g1.dump")]);
    assertEquals(
      text.includes(`no seal: ${archives.file("g1.dump")}: that their metadata changed`),
      !isSealed,
    );
    await archives.done("seal g1.dump g1.digest");
  }
  const full = "dump --mode full --blocksize 512 --local d0.raw --dumpout f.dump --digestout f.digest --json";
  assertEquals(JSON.parse((await archives.done(full)).stdout).unsealed, []);
});

/** The same dump with another adapter, in which no block changes. */
function withOtherAdapter(archives: Archives, name: string): Uint8Array<ArrayBuffer> {
  const bytes = archives.read(name);
  // Behind the magic bytes, the block count and the block size.
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 64));
  const at = /^[0-9]+\0[0-9]+\0/.exec(text)![0].length;
  bytes[at] = bytes[at] === 0x33 ? 0x32 : 0x33;
  return bytes;
}

Deno.test("diff and incr compare the previous dump and its digest with their seals: the rdiff takes over the metadata", async () => {
  using archives = new Archives();
  await archives.done("seal g1.dump g1.digest");
  const intact = archives.read("g1.dump");
  const says = ["g1.dump", "SHA-256", "g1.seal.json"];
  const outs = "--dumpout n.dump --digestout n.digest --rdiffout n.rdiff";
  for (const mode of ["diff", "incr --bmpin all.bmp"]) {
    const line = `dump --mode ${mode} --local d2.raw --dumpin g1.dump --digestin g1.digest ${outs}`;
    archives.file("g1.dump", withOtherAdapter(archives, "g1.dump"));
    await archives.refused(line, { code: 3, says });
    archives.file("g1.dump", intact);
  }
  await archives.done(`dump --mode diff --local d2.raw --dumpin g1.dump --digestin g1.digest ${outs}`);
});

Deno.test("seal refuses a file that differs from its entry in an earlier seal", async () => {
  for (const name of ["g1.dump", "renamed.dump"]) {
    using archives = new Archives();
    await archives.done("seal g1.dump g1.digest");
    const changed = withOtherAdapter(archives, "g1.dump");
    Deno.renameSync(archives.file("g1.dump"), archives.file(name));
    archives.file(name, changed);
    for (const vouch of ["", "--vouch "]) {
      const says = ["Cannot seal", name, "SHA-256", "g1.seal.json", "--force"];
      await archives.refused(`seal ${vouch}${name} g1.digest`, { code: 3, says });
    }
    await archives.done(`seal --force ${name} g1.digest`);
    await archives.done(`check ${name}`);
  }
});

Deno.test("a dump without a seal must have the capacity that other seals record for its series", async () => {
  using archives = new Archives();
  await unevenBackup(archives);
  // The digest has a seal here, the dump has none.
  Deno.renameSync(archives.file("dumps/u.dump"), archives.file("digests/u.dump"));
  const whole = archives.read("digests/u.dump");
  assertEquals(
    (await proofOf(archives, "restore --create --force --local new.raw digests/u.dump")).proof,
    "root",
  );
  archives.file("digests/u.dump", withCapacity(whole, "2859"));
  const says = ["u.dump", "capacity", "2861", "2859", "u.seal.json"];
  for (
    const line of [
      "restore --create --local x.raw digests/u.dump",
      "restore --local d0.raw digests/u.dump",
      "digest --dumpin digests/u.dump --digestout x.digest",
      "check digests/u.dump",
      "check --digestin digests/u.digest digests/u.dump",
    ]
  ) await archives.refused(line, { code: 3, says });
  const { code, stdout } = await archives.run("check ./digests");
  assertEquals(code, 3);
  for (const word of says) assertStringIncludes(stdout, word);
});
