/** What seals tell `salvage`: which metadata are right, which digest is one, and whether the blocks are those that were sealed. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { atTime } from "../support/clock.ts";
import { callMain } from "../support/run_cli.ts";
import { Archives } from "../refusals/refusal.ts";
import { concat, digest, GENERATIONS } from "../refusals/material.ts";
import { noise } from "../disks/helpers.ts";
import { damage, flipAt } from "./ten_generations.ts";
import { VmdkBackup, withOtherWord } from "./vmdk_backup.ts";

/** Salvages to a new file, as text and as JSON. */
async function salvage(
  at: (name: string) => string,
  { digestin, archives }: { digestin: string; archives: string[] },
) {
  const line = (
    name: string,
  ) => ["salvage", "--digestin", at(digestin), "--dumpout", at(name), ...archives.map((name) => at(name))];
  const { code, stdout: text, stderr } = await callMain(line("saved-1.dump"));
  const { stdout } = await callMain([...line("saved-2.dump"), "--json"]);
  const told = JSON.parse(stdout);
  const saved = Deno.readFileSync(at("saved-1.dump"));
  for (const n of [1, 2]) Deno.removeSync(at(`saved-${n}.dump`));
  return { code, text: text + stderr, told, saved };
}

const WORD = "vmwarelwd";
const hasWord = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes).includes(WORD);

Deno.test("salvage takes the metadata of the archive that a seal proves", async () => {
  using backup = await VmdkBackup.make("");
  const at = backup.file.bind(backup);
  Deno.copyFileSync(at("1.dump"), at("copy.dump"));
  damage(at("copy.dump"), withOtherWord);
  for (const archives of [["copy.dump", "1.dump"], ["1.dump", "copy.dump"]]) {
    const { code, text, told, saved } = await salvage(at, { digestin: "1.digest", archives });
    assertEquals([code, told.proof, told.headerProved, told.headerFrom], [0, "digest", true, at("1.dump")]);
    assertEquals([hasWord(saved), text.includes("NOT PROVED")], [true, false], text);
  }
});

Deno.test("salvage says of metadata that no seal proves that they are not proved", async () => {
  using backup = await VmdkBackup.make("");
  const at = backup.file.bind(backup);
  const archives = ["1.dump"];
  damage(at("1.dump"), withOtherWord);
  const changed = await salvage(at, { digestin: "1.digest", archives });
  assertEquals([changed.code, changed.told.headerProved, hasWord(changed.saved)], [0, false, false]);
  assertStringIncludes(
    changed.text,
    `NOT PROVED: no seal proves time and metadata of the dump; they are those of "${at("1.dump")}"`,
  );
  for (const name of ["0.seal.json", "1.seal.json"]) Deno.removeSync(at(name));
  const unsealed = await salvage(at, { digestin: "1.digest", archives });
  assertEquals([unsealed.code, unsealed.told.headerProved], [0, false]);
  assertEquals([changed.told.unsealed, unsealed.told.unsealed], [[], [at("1.digest")]]);
  assertStringIncludes(unsealed.text, `no seal: ${at("1.digest")}: that it is that of another generation`);
});

Deno.test("of two generations of one second salvage takes the metadata of the right one", async () => {
  using archives = new Archives();
  const descriptor = (comment: string) =>
    `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n` +
    `RW 4 FLAT "d-flat.vmdk" 0\nddb.adapterType = "ide"\nddb.comment = "${comment}"\n`;
  const dump = async (name: string, seed: number, more: string) => {
    archives.file("d.vmdk", descriptor(`this is ${name}`));
    archives.file("d-flat.vmdk", noise(2048, seed));
    const line = `dump --local d.vmdk --dumpout ${name}.dump --digestout ${name}.digest ${more}`;
    await atTime(new Date(2024, 1, 2), () => archives.done(line));
  };
  await dump("first", 1, "--mode full --blocksize 512");
  for (const [i, name] of ["a", "b"].entries()) {
    await dump(
      name,
      2 + i,
      `--mode diff --dumpin first.dump --digestin first.digest --rdiffout ${name}.rdiff`,
    );
  }
  const at = (name: string) => archives.file(name);
  for (const name of ["a", "b"]) {
    for (const list of [["a.dump", "b.dump"], ["b.dump", "a.dump"]]) {
      const { code, told, saved } = await salvage(at, { digestin: `${name}.digest`, archives: list });
      assertEquals([code, told.headerProved, told.headerFrom], [0, true, at(`${name}.dump`)]);
      assertStringIncludes(new TextDecoder("latin1").decode(saved), `this is ${name}`);
    }
  }
});

Deno.test("salvage knows a renamed digest by what it is, and finds that its blocks are not those that were sealed", async () => {
  using archives = new Archives();
  await archives.done("seal g1.dump g1.digest");
  const at = (name: string) => archives.file(name);
  Deno.renameSync(at("g1.digest"), at("other.digest"));
  const { code, told } = await salvage(at, { digestin: "other.digest", archives: ["g1.dump"] });
  assertEquals([code, told.hasRoot, told.isDigestChanged], [0, true, false]);
  // The MD5s of another generation, in a file that no seal names.
  Deno.renameSync(at("g1.dump"), at("elsewhere.dump"));
  Deno.removeSync(at("other.digest"));
  archives.file(
    "made.digest",
    concat(...digest({ ...GENERATIONS[1], blocks: GENERATIONS[2].blocks })) as Uint8Array<ArrayBuffer>,
  );
  const wrong = await salvage(at, { digestin: "made.digest", archives: ["g2.dump"] });
  assertEquals([wrong.code, wrong.told.hasRoot], [3, false]);
  assertStringIncludes(wrong.text, "IN DOUBT");
});

Deno.test("a salvaged dump is proved by the root, though the seal tells another length of the dump that is gone", async () => {
  using archives = new Archives();
  const outs = "--dumpout n.dump.gz --digestout n.digest";
  await archives.done(`dump --mode full --blocksize 512 --level 9 --local d0.raw ${outs}`);
  const before = archives.read("n.dump.gz");
  await archives.done("salvage --digestin n.digest --level 1 --dumpout saved.dump.gz n.dump.gz");
  Deno.removeSync(archives.file("n.dump.gz"));
  assertEquals(archives.read("saved.dump.gz").length === before.length, false, "both have one length");
  const { stdout } = await archives.done("restore --create --local new.raw saved.dump.gz --json");
  assertEquals(JSON.parse(stdout).proof, "root");
  await archives.done("check saved.dump.gz");
  Deno.mkdirSync(archives.file("backup"));
  for (const name of ["saved.dump.gz", "n.digest", "n.seal.json"]) {
    Deno.renameSync(archives.file(name), archives.file(`backup/${name}`));
  }
  await archives.done("check ./backup");
});

Deno.test("salvage says that a digest which was made of an unproved dump proves nothing", async () => {
  using archives = new Archives();
  damage(archives.file("g1.dump"), flipAt(0.99));
  await archives.done("digest --dumpin g1.dump --digestout own.digest");
  const at = (name: string) => archives.file(name);
  const { code, text, told } = await salvage(at, { digestin: "own.digest", archives: ["g1.dump"] });
  assertEquals([code, told.proof, told.headerProved], [0, "nothing", false]);
  assertStringIncludes(text, `NOT PROVED: "${at("own.digest")}" was made of a dump that nothing proved`);
});

Deno.test("salvage does not hold the root of an unproved dump against a digest", async () => {
  using archives = new Archives();
  const [at, intact] = [(name: string) => archives.file(name), archives.read("g1.dump")];
  damage(at("g1.dump"), flipAt(0.99));
  await archives.done("seal g1.dump");
  archives.file("whole.dump", intact);
  for (const list of [["g1.dump", "whole.dump"], ["whole.dump"]]) {
    const { code, told } = await salvage(at, { digestin: "g1.digest", archives: list });
    assertEquals([code, told.lostBlocks, told.unsealed], [0, 0, [at("g1.digest")]], list.join(" "));
  }
});
