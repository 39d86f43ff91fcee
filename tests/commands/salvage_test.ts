import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { assertSameBytes, Folder, noise } from "../disks/helpers.ts";
import { concat, digest, digestRecord, GENERATIONS, seriesFiles } from "../refusals/material.ts";
import { Archives, EXIT } from "../refusals/refusal.ts";
import { callMain } from "../support/run_cli.ts";

const OLD_GOLDEN = new URL("../golden/", import.meta.url).pathname;
const GOLDEN = new URL("../../../shared/golden/", import.meta.url).pathname;

/** Generation 0 holds `A B . C . D`; here a part of B is gone, the record behind it, and the header of the one of C. */
function damagedSeries(): Archives {
  const dump = seriesFiles()["g0.dump"];
  const second = dump.length - 2 * (512 + 8) - 8 - 512;
  return new Archives({ "damaged.dump": dump.slice().fill(0x55, second + 100, second + 520) });
}

Deno.test("salvage brings a damaged dump back with another generation and its rdiff, to the byte", async () => {
  using archives = damagedSeries();
  const line = "salvage --digestin g0.digest --dumpout saved.dump damaged.dump g1.dump g0.rdiff";
  const { stdout } = await archives.done(line);
  assertStringIncludes(stdout, "Salvage: COMPLETE");
  assertStringIncludes(stdout, "damage: ");
  assertSameBytes(archives.read("saved.dump"), archives.read("g0.dump"), "saved.dump");
});

Deno.test("salvage lists what is lost, on every way out, and ends with exit code 3", async () => {
  using archives = damagedSeries();
  const out = "--dumpout saved.dump.gz --lostout lost.txt --bmpout lost.bmp";
  const { code, stdout } = await archives.run(`salvage --digestin g0.digest ${out} damaged.dump`);
  assertEquals(code, EXIT.corrupt);
  assertStringIncludes(stdout, "lost: block 1\nSalvage: 1 BLOCKS LOST");
  const lines = new TextDecoder().decode(archives.read("lost.txt")).trim().split("\n");
  assertEquals(lines, ["# first-block last-block offset-bytes length-bytes", "1 1 512 512"]);
  const bitmap = await archives.done("print-bmp --json lost.bmp");
  assertEquals(JSON.parse(bitmap.stdout).setBlocks, 1);
  // Where the lost block should be the dump has zeros, and it is no longer what its digest says.
  const check = await archives.run("check --json --digestin g0.digest saved.dump.gz");
  assertEquals(JSON.parse(check.stdout).badRuns, [{ start: 1, end: 2 }]);
});

Deno.test("salvage --json has the lost runs, the counts and the damage", async () => {
  using archives = damagedSeries();
  const line = "salvage --json --digestin g0.digest --dumpout saved.dump damaged.dump";
  const { code, stdout } = await archives.run(line);
  assertEquals(code, EXIT.corrupt);
  const { ok, proved, lostRuns, lostBlocks, intactBlocks, zeroBlocks, foundBlocks, faults } = JSON.parse(
    stdout,
  );
  assertEquals({ ok, proved, lostRuns, lostBlocks, intactBlocks, zeroBlocks, foundBlocks }, {
    ok: false,
    proved: true,
    lostRuns: [{ start: 1, end: 2 }],
    lostBlocks: 1,
    intactBlocks: 2,
    zeroBlocks: 2,
    // The header of its record is damaged.
    foundBlocks: 1,
  });
  assert(faults.every(({ path }: { path: string }) => path.endsWith("damaged.dump")));
});

Deno.test("salvage lets lost blocks be read again from the disk", async () => {
  using archives = damagedSeries();
  await archives.run("salvage --digestin g0.digest --dumpout saved.dump --bmpout lost.bmp damaged.dump");
  await archives.done("digest --dumpin saved.dump --digestout saved.digest");
  const inputs = "--dumpin saved.dump --digestin saved.digest --bmpin lost.bmp";
  const outputs = "--dumpout new.dump --digestout new.digest --rdiffout new.rdiff";
  await archives.done(`dump --mode incr --local d0.raw ${inputs} ${outputs}`);
  await archives.done("restore --create --local restored.raw new.dump");
  assertSameBytes(archives.read("restored.raw"), archives.read("d0.raw"), "restored.raw");
});

Deno.test("salvage --unproved saves what looks intact, and says that nothing is proved", async () => {
  using archives = damagedSeries();
  const { stdout } = await archives.done("salvage --unproved --dumpout saved.dump g1.dump g0.rdiff");
  assertStringIncludes(stdout, "Nothing of this is proved");
  assertSameBytes(archives.read("saved.dump"), archives.read("g0.dump"), "saved.dump");
  const damaged = await archives.run("salvage --unproved --dumpout again.dump damaged.dump");
  assertEquals(damaged.code, EXIT.corrupt);
});

Deno.test("salvage refuses what it cannot mean, and leaves nothing", async () => {
  using archives = damagedSeries();
  const usage = (line: string, ...says: string[]) => archives.refused(line, { code: EXIT.usage, says });
  await usage("salvage --dumpout saved.dump damaged.dump", "--digestin", "--unproved");
  await usage("salvage --unproved --digestin g0.digest --dumpout saved.dump damaged.dump", "one of");
  await usage("salvage --digestin g0.digest --dumpout saved.dump -", "a regular file is needed");
  await usage("salvage --digestin g0.digest damaged.dump", "--dumpout");
  await usage("salvage --digestin g0.digest --dumpout damaged.dump --force damaged.dump", "damaged.dump");
  await usage("salvage --unproved --dumpout saved.dump g0.rdiff", "g0.rdiff", "must be a dump");
  await usage("salvage --digestin g0.digest --dumpout g1.dump damaged.dump", "--force");
  const corrupt = (line: string, ...says: string[]) => archives.refused(line, { code: EXIT.corrupt, says });
  await corrupt("salvage --unproved --dumpout saved.dump d0.raw", "none of the headers");
  await archives.refused("salvage --digestin g0.digest --dumpout saved.dump missing.dump", {
    code: EXIT.environment,
    says: ["missing.dump"],
  });
});

Deno.test("salvage of archives that hold nothing of the generation leaves no dump", async () => {
  using archives = damagedSeries();
  archives.file("empty.dump", new Uint8Array(0));
  archives.file("rubbish.dump", new Uint8Array(5000).fill(0x31));
  for (const name of ["empty.dump", "rubbish.dump"]) {
    const { code, stderr } = await archives.run(`salvage --digestin g0.digest --dumpout saved.dump ${name}`);
    assertEquals(code, EXIT.corrupt);
    assertStringIncludes(stderr, "none of the 4 blocks of data");
  }
  assertEquals([...Deno.readDirSync(archives.path)].filter(({ name }) => /saved/.test(name)), []);
});

/** The digest of generation 0, with a zero record for block 1, which has data. */
function falseZero(): Uint8Array {
  const parts = digest(GENERATIONS[0]);
  parts[2] = digestRecord(undefined);
  return concat(...parts);
}

Deno.test("salvage is not complete where a digest without seal calls data zero: the data are saved, in doubt", async () => {
  using archives = new Archives({ "g0.digest": falseZero() });
  const line = "salvage --digestin g0.digest --dumpout saved.dump g0.dump";
  const { code, stdout } = await archives.run(line);
  assertEquals(code, EXIT.corrupt, stdout);
  assertStringIncludes(stdout, "in doubt: block 1");
  assertStringIncludes(stdout, "Salvage: 1 BLOCKS IN DOUBT");
  assertSameBytes(archives.read("saved.dump"), archives.read("g0.dump"), "saved.dump");
  const { stdout: json } = await archives.run(line.replace("salvage", "salvage --json --force"));
  const { ok, doubtfulBlocks, doubtfulRuns, lostBlocks } = JSON.parse(json);
  assertEquals({ ok, doubtfulBlocks, doubtfulRuns, lostBlocks }, {
    ok: false,
    doubtfulBlocks: 1,
    doubtfulRuns: [{ start: 1, end: 2 }],
    lostBlocks: 0,
  });
});

Deno.test("salvage lists the one block whose flag was flipped in the digest", async () => {
  const parts = digest(GENERATIONS[0]);
  const bytes = concat(...parts);
  bytes[parts[0].length + parts[1].length] ^= 1;
  using archives = new Archives({ "g0.digest": bytes });
  const { code, stdout } = await archives.run("salvage --digestin g0.digest --dumpout saved.dump g0.dump");
  assertEquals(code, EXIT.corrupt);
  assertStringIncludes(stdout, "lost: block 1\nSalvage: 1 BLOCKS LOST");
});

Deno.test("salvage decides with the sealed root what a damaged digest and the dump contradict each other in", async () => {
  using archives = new Archives();
  await archives.done("seal g0.dump g0.digest");
  archives.file("g0.digest", falseZero() as Uint8Array<ArrayBuffer>);
  const line = "salvage --digestin g0.digest --dumpout saved.dump g0.dump";
  const { stdout } = await archives.done(line);
  assertStringIncludes(stdout, "the digest is damaged");
  assertStringIncludes(stdout, "1 blocks that the digest did not prove are proved by the root");
  assertStringIncludes(stdout, "Salvage: COMPLETE");
  assertSameBytes(archives.read("saved.dump"), archives.read("g0.dump"), "saved.dump");

  // Where the dump has lost the block too, nothing shows that the zeros are false but the root.
  const dump = archives.read("g0.dump");
  archives.file(
    "g0.dump",
    dump.fill(0x55, dump.length - 2 * (512 + 8) - 8 - 512, dump.length - 2 * (512 + 8)),
  );
  const { code, stdout: told } = await archives.run(line + " --force");
  assertEquals(code, EXIT.corrupt, told);
  assertEquals(told.includes("COMPLETE"), false, told);
});

Deno.test("salvage takes the capacity from the seal where no header can be read", async () => {
  using archives = new Archives({ "odd.raw": noise(1500, 1) });
  await archives.done("dump --mode full --local odd.raw --dumpout odd.dump --digestout odd.digest");
  const dump = archives.read("odd.dump");
  archives.file("odd.dump", dump.fill(0xff, 0, 2));
  const { stderr } = await archives.done("salvage --digestin odd.digest --dumpout saved.dump odd.dump");
  assertStringIncludes(stderr, "odd.seal.json");
  await archives.done("restore --create --local restored.raw saved.dump");
  assertSameBytes(archives.read("restored.raw"), archives.read("odd.raw"), "restored.raw");
});

Deno.test("salvage brings back golden archives of each kind from which a piece is missing", async () => {
  const sets: [digest: string, dump: string, others: string[]][] = [];
  for (const suffix of ["", ".gz", ".zst"]) {
    sets.push([`${OLD_GOLDEN}0.digest`, `${OLD_GOLDEN}0.dump${suffix}`, [
      `${OLD_GOLDEN}1.dump${suffix}`,
      `${OLD_GOLDEN}0.rdiff${suffix}`,
    ]]);
  }
  sets.push([`${GOLDEN}a2-64k-plain/g0.digest`, `${GOLDEN}a2-64k-plain/g0.dump`, [
    `${GOLDEN}a2-64k-plain/g1.dump`,
    `${GOLDEN}a2-64k-plain/g0.rdiff`,
  ]]);
  sets.push([`${GOLDEN}a1-ext2-1m-gz/g0.digest.gz`, `${GOLDEN}a1-ext2-1m-gz/g0.dump.gz`, [
    `${GOLDEN}a1-ext2-1m-gz/g1.dump.gz`,
    `${GOLDEN}a1-ext2-1m-gz/g0.rdiff.gz`,
  ]]);
  for (const [digest, dump, others] of sets) {
    if (!dump.startsWith(OLD_GOLDEN) && !isThere(dump)) continue;
    using folder = new Folder();
    const bytes = Deno.readFileSync(dump);
    const at = Math.floor(bytes.length / 2);
    bytes.fill(0, at, Math.min(bytes.length, at + 4096));
    const name = dump.slice(dump.lastIndexOf("/") + 1);
    const damaged = folder.file(`damaged-${name}`, bytes);
    const saved = `${folder.path}/saved.dump`;
    const line = ["salvage", "--digestin", digest, "--dumpout", saved, damaged, ...others];
    const { code, stdout, stderr } = await callMain(line);
    assertEquals(code, EXIT.done, `${dump}: ${stdout}${stderr}`);
    const check = await callMain(["check", "--digestin", digest, saved]);
    assertEquals(check.code, EXIT.done, `${dump}: ${check.stdout}${check.stderr}`);
  }
});

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
