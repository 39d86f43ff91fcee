/** Folders that are full or take nothing, and disks that disappear: afterwards the same command succeeds. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Archives, EXIT } from "../refusals/refusal.ts";
import { denoArgs } from "../support/run_cli.ts";
import { SmallFileSystem } from "../support/small_file_system.ts";
import { FaultyFiles } from "./faulty_files.ts";

const LINES = [
  "dump --mode full --blocksize 512 --local d0.raw --dumpout small/n.dump --digestout small/n.digest",
  "dump --mode diff --local d1.raw --dumpin g0.dump --digestin g0.digest " +
  "--dumpout n.dump.zst --digestout small/n.digest --rdiffout n.rdiff",
  "merge --dumpout small/n.dump.gz g1.dump g0.rdiff",
  "restore --create --local small/n.vmdk g0.dump",
];

/** To mount is a right that not everybody has; `fault_test.ts` needs none. */
const canMount = SmallFileSystem.canBeMade();
function testMounted(name: string, fn: () => Promise<void>): void {
  const skipped = canMount ? "" : " (skipped: a small file system cannot be mounted here)";
  Deno.test({ name: name + skipped, ignore: !canMount, fn });
}

testMounted("a command that found no room succeeds when there is room", async () => {
  for (const line of LINES) {
    using archives = new Archives();
    using room = new SmallFileSystem(join(archives.path, "small"));
    room.fill();
    await archives.refused(line, { code: EXIT.environment, says: ["No space left"] });
    room.empty();
    await archives.done(line);
    assertEquals(hiddenIn(archives), []);
  }
});

testMounted("a command that may not write a folder succeeds when it may", async () => {
  for (const line of LINES) {
    using archives = new Archives();
    using room = new SmallFileSystem(join(archives.path, "small"));
    room.setReadOnly(true);
    await archives.refused(line, { code: EXIT.environment, says: ["Cannot write", "Read-only file system"] });
    room.setReadOnly(false);
    await archives.done(line);
    assertEquals(hiddenIn(archives), []);
  }
});

testMounted(
  "a commit that was not finished is read around, and undone by the next run that may write",
  async () => {
    using archives = new Archives();
    using room = new SmallFileSystem(join(archives.path, "small"));
    const old = { dump: archives.read("g1.dump"), digest: archives.read("g1.digest") };
    Deno.writeFileSync(join(archives.path, "small/n.dump"), old.dump);
    Deno.writeFileSync(join(archives.path, "small/n.digest"), old.digest);
    await dieAtTheLastRename(archives, `${LINES[0]} --force`);
    room.setReadOnly(true);
    const { stderr } = await archives.done("check --digestin small/n.digest small/n.dump");
    assert(stderr.includes("was killed while it wrote"), stderr);
    await archives.refused(LINES[0], { code: EXIT.environment, says: ["Read-only file system"] });
    room.setReadOnly(false);
    const next = await archives.run(LINES[0]);
    assert(next.code === EXIT.usage && next.stderr.includes("it exists already"), next.stderr);
    assertEquals(archives.read("small/n.dump"), old.dump);
    assertEquals(archives.read("small/n.digest"), old.digest);
  },
);

testMounted("archives are read where nothing can be written", async () => {
  using archives = new Archives();
  using room = new SmallFileSystem(join(archives.path, "small"));
  await archives.done(LINES[0]);
  room.setReadOnly(true);
  await archives.done("check --digestin small/n.digest small/n.dump");
});

Deno.test("a disk that is cut while it is dumped ends the dump, and the next one succeeds", async () => {
  using archives = new Archives();
  const line = "dump --mode diff --local d1.raw --dumpin g0.dump --digestin - --dumpout n.dump " +
    "--digestout n.digest --rdiffout n.rdiff";
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(), ...archives.args(line)],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const digest = archives.read("g0.digest");
  const disk = archives.read("d1.raw");
  const writer = child.stdin.getWriter();
  await writer.write(digest.subarray(0, 20));
  // It has opened the disk, in which nothing shows it, when it waits for the rest.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  Deno.truncateSync(join(archives.path, "d1.raw"), 600);
  await writer.write(digest.subarray(20));
  await writer.close();
  const { code, stderr } = await child.output();
  assert(code !== 0, "the dump of a disk that was cut");
  assert(new TextDecoder().decode(stderr).includes("d1.raw"), new TextDecoder().decode(stderr));
  assertEquals([...hiddenIn(archives), ...visible(archives)], []);
  archives.file("d1.raw", disk);
  await archives.done(line.replace("--digestin -", "--digestin g0.digest"));
  await archives.done("check --digestin n.digest n.dump");
});

/** The process dies when some outputs have their names, and one does not. */
async function dieAtTheLastRename(archives: Archives, line: string): Promise<void> {
  let last: number;
  {
    const trials = ["dump", "digest"].map((kind) => join(archives.path, `small/trial.${kind}`));
    for (const path of trials) Deno.writeTextFileSync(path, "old");
    using files = new FaultyFiles();
    await archives.done(line.replaceAll("small/n.", "small/trial."));
    last = files.operations.findLastIndex(({ kind }) => kind === "rename") + 1;
    for (const path of trials) Deno.removeSync(path);
  }
  using _files = new FaultyFiles({ at: last });
  await archives.run(line);
}

function hiddenIn(archives: Archives): string[] {
  return Object.keys(archives.snapshot()).filter((name) => /(^|\/)\./.test(name));
}

function visible(archives: Archives): string[] {
  return Object.keys(archives.snapshot()).filter((name) => /(^|\/)n\./.test(name));
}
