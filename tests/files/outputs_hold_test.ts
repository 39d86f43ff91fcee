/** Files that are changed in place while other processes want to write or read them. */

import { assertEquals, assertRejects } from "@std/assert";
import { Outputs } from "../../cli/files/outputs.ts";
import { Folder } from "../disks/helpers.ts";
import { Archives, EXIT } from "../refusals/refusal.ts";
import { filesIn } from "./folder_state.ts";

/** On Deno 2.4, the wait for a lock that is not granted is still in progress when the test ends. */
const WAITS = Deno.FsFile.prototype.tryLockSync === undefined;
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, fn, sanitizeOps: !WAITS, sanitizeResources: !WAITS });

test("hold() excludes others from a file, for writing in place and as an output", async () => {
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

test("hold() takes no lock for devices and missing files", async () => {
  using folder = new Folder();
  using outputs = newOutputs();
  await outputs.hold("/dev/null");
  await outputs.hold(folder.file("missing"));
  assertEquals(filesIn(folder), {});
});

test("two processes cannot restore one disk in place at the same time", async () => {
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

function newOutputs(): Outputs {
  return new Outputs({ force: true, inputs: [] });
}
