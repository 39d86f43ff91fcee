/** Files that are changed in place, and files that are read, while others write them or after others were killed. */

import { assertEquals, assertRejects } from "@std/assert";
import { lockName } from "../../cli/files/hidden_names.ts";
import { Outputs, settleFile } from "../../cli/files/outputs.ts";
import { FaultyFiles } from "../crash/faulty_files.ts";
import { Folder } from "../disks/helpers.ts";
import { Archives, EXIT } from "../refusals/refusal.ts";
import { filesIn, writeText } from "./folder_state.ts";

/** On Deno 2.4 a lock that does not come is still waited for when the test ends. */
const WAITS = Deno.FsFile.prototype.tryLockSync === undefined;
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, fn, sanitizeOps: !WAITS, sanitizeResources: !WAITS });

test("a file that is held is refused to others, for writing in place and as an output", async () => {
  using folder = new Folder();
  const path = folder.file("disk.raw", "old");
  folder.file(".disk.raw.12345678.vmdkbkp", "left by a killed run");
  using first = newOutputs();
  await first.hold(path);
  using second = newOutputs();
  await assertRejects(() => second.hold(path), Error, "another process");
  await assertRejects(() => second.open(path), Error, "another process");
  first.commit();
  await second.hold(path);
  second[Symbol.dispose]();
  assertEquals(filesIn(folder), { "disk.raw": "old" });
});

test("devices and files that are not there are held without a lock", async () => {
  using folder = new Folder();
  using outputs = newOutputs();
  await outputs.hold("/dev/null");
  await outputs.hold(folder.file("missing"));
  assertEquals(filesIn(folder), {});
});

test("a disk is not restored in place by two at once", async () => {
  using archives = new Archives();
  using outputs = newOutputs();
  await outputs.hold(archives.file("d1.raw"));
  const { code, stderr } = await archives.run("restore --local d1.raw g0.dump");
  assertEquals(code, EXIT.environment);
  assertEquals(/Cannot write ".*d1\.raw": another process \(\d+\) writes it/.test(stderr), true, stderr);
  outputs[Symbol.dispose]();
  await archives.done("restore --local d1.raw g0.dump");
  assertEquals(archives.read("d1.raw"), archives.read("d0.raw"));
});

test("a file that a killed run had replaced is the old one for whoever reads it, under each of the names", async () => {
  for (const read of ["a", "b"]) {
    using folder = new Folder();
    await dieBetweenRenames(folder);
    assertEquals([text(folder, "a"), text(folder, "b")], ["new a", "old b"]);
    await settleFile(folder.file(read));
    assertEquals([text(folder, "a"), text(folder, "b")], ["old a", "old b"]);
  }
});

test("a commit that is under way is nobody's to undo", async () => {
  using folder = new Folder();
  await dieBetweenRenames(folder);
  using file = Deno.openSync(lockName(folder.file("a")), { read: true, write: true });
  file.lockSync(true);
  await settleFile(folder.file("a"));
  await settleFile(folder.file("b"));
  assertEquals([text(folder, "a"), text(folder, "b")], ["new a", "old b"]);
});

test("the note of another user is not believed", async () => {
  using folder = new Folder();
  await dieBetweenRenames(folder);
  const lock = lockName(folder.file("a"));
  try {
    Deno.chownSync(lock, 65534, 65534);
  } catch {
    // Only root gives files away; the other tests need no root.
    return;
  }
  await assertRejects(() => settleFile(folder.file("a")), Error, "of another user");
  assertEquals([text(folder, "a"), text(folder, "b")], ["new a", "old b"]);
});

/** Two files are to be replaced, and one is. */
async function dieBetweenRenames(folder: Folder): Promise<void> {
  const names = ["a", "b"];
  for (const name of names) folder.file(name, `old ${name}`);
  const replace = async () => {
    using outputs = newOutputs();
    for (const name of names) writeText(await outputs.open(folder.file(name)), `new ${name}`);
    outputs.commit();
  };
  let renames: number;
  {
    using files = new FaultyFiles();
    await replace();
    renames = files.operations.findLastIndex(({ kind }) => kind === "rename") + 1;
  }
  for (const name of names) folder.file(name, `old ${name}`);
  using _files = new FaultyFiles({ at: renames, fault: "die" });
  await assertRejects(replace);
}

function text(folder: Folder, name: string): string {
  return Deno.readTextFileSync(folder.file(name));
}

function newOutputs(): Outputs {
  return new Outputs({ force: true, inputs: [] });
}
