/** Two writers of the same file. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Folder as OpenFolder } from "../../cli/files/folder.ts";
import { OutputLock } from "../../cli/files/output_lock.ts";
import { openingEnds, Outputs } from "../../cli/files/outputs.ts";
import { Folder } from "../disks/helpers.ts";
import { denoArgs, runCli } from "../support/run_cli.ts";
import { filesIn, lockPathOf, writeText } from "./folder_state.ts";

/** On Deno 2.4, the wait for a lock that is not granted is still in progress when the test ends. */
const WAITS = Deno.FsFile.prototype.tryLockSync === undefined;
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, fn, sanitizeOps: !WAITS, sanitizeResources: !WAITS });

test("open() refuses an output that another process writes, and names the process", async () => {
  using folder = new Folder();
  const path = folder.file("a");
  {
    using first = newOutputs();
    writeText(await first.open(path), "first");
    using second = newOutputs();
    await assertRejects(() => second.open(path), Error, `another process (${Deno.pid}) writes it`);
    // The second one cleans up only its own files.
    second[Symbol.dispose]();
    first.commit();
  }
  assertEquals(filesIn(folder), { a: "first" });
});

test("an output is free as soon as it is committed or disposed", async () => {
  using folder = new Folder();
  const path = folder.file("a");
  for (const end of ["commit", Symbol.dispose] as const) {
    using first = newOutputs({ force: true });
    await first.open(path);
    first[end]();
    using second = newOutputs({ force: true });
    await second.open(path);
  }
  assertEquals(filesIn(folder), { a: "" });
});

test("two sets of outputs with a common one are refused without waiting", async () => {
  using folder = new Folder();
  using first = newOutputs();
  using second = newOutputs();
  await first.open(folder.file("a"));
  await second.open(folder.file("b"));
  await assertRejects(() => first.open(folder.file("b")), Error, "another process");
  await assertRejects(() => second.open(folder.file("a")), Error, "another process");
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  assertEquals(filesIn(folder), {});
});

test("a lock does not affect other outputs of the same folder", async () => {
  using folder = new Folder();
  using first = newOutputs();
  using second = newOutputs();
  const [a, ab] = [await first.open(folder.file("a")), await second.open(folder.file("a.12345678"))];
  writeText(a, "a");
  writeText(ab, "ab");
  using third = newOutputs();
  await third.open(folder.file("12345678"));
  first.commit();
  second.commit();
  third.commit();
  assertEquals(filesIn(folder), { "12345678": "", "a": "a", "a.12345678": "ab" });
});

test("Outputs take a lock file that no process holds, with any content", async () => {
  for (const text of ["", "{", '{"pid":1}', '{"pid":1,"commit":{"id":7}}', "x".repeat(1000)]) {
    using folder = new Folder();
    const path = folder.file("a");
    Deno.writeTextFileSync(lockPathOf(path), text);
    using outputs = newOutputs();
    writeText(await outputs.open(path), "new");
    outputs.commit();
    assertEquals(filesIn(folder), { a: "new" });
  }
});

test("a symbolic link in the place of a lock file is not followed", async () => {
  using folder = new Folder();
  const precious = folder.file("precious", "precious");
  for (const target of [precious, "nowhere"]) {
    Deno.symlinkSync(target, lockPathOf(folder.file("a")));
    using outputs = newOutputs();
    await assertRejects(() => outputs.open(folder.file("a")), Error, "is not a regular file");
    Deno.removeSync(lockPathOf(folder.file("a")));
  }
  assertEquals(filesIn(folder), { precious: "precious" });
});

test("exactly one of many concurrent attempts takes a lock", async () => {
  using folder = new Folder();
  using open = await OpenFolder.open(folder.path);
  let held = 0;
  let taken = 0;
  const rounds = WAITS ? 1 : 50;
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let round = 0; round < rounds; round++) {
      const lock = await OutputLock.take(open, "a").catch(() => undefined);
      if (lock === undefined) continue;
      assertEquals(++held, 1);
      taken++;
      await Promise.resolve();
      held--;
      lock.release();
    }
  }));
  assert(taken > 0);
  if (!WAITS) assertEquals(filesIn(folder), {});
});

test("Outputs do not change a file of which a lock file is a hard link", async () => {
  for (const text of ["precious", '{"pid":1}']) {
    using folder = new Folder();
    Deno.linkSync(folder.file("precious", text), lockPathOf(folder.file("a")));
    for (const commits of [false, true]) {
      using outputs = newOutputs();
      writeText(await outputs.open(folder.file("a")), "new");
      if (commits) outputs.commit();
    }
    assertEquals(filesIn(folder), { a: "new", precious: text });
  }
});

test("Outputs refuse a lock file of another user", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(lockPathOf(folder.file("a")), '{"pid":1}');
  try {
    Deno.chownSync(lockPathOf(folder.file("a")), 65534, 65534);
  } catch {
    // Only root can change the owner of a file.
    return;
  }
  using outputs = newOutputs();
  await assertRejects(() => outputs.open(folder.file("a")), Error, "belongs to another user");
  assertEquals(filesIn(folder), { ".a.lock.vmdkbkp": '{"pid":1}' });
});

test("two processes do not write the same dump", async () => {
  using folder = new Folder();
  const disk = folder.file("disk.raw", new Uint8Array(8 << 20).fill(7));
  const outs = ["--dumpout", folder.file("0.dump"), "--digestout", folder.file("0.digest")];
  // The first process waits for its input after it has opened its outputs.
  const args = ["digest", "--dumpin", "-", "--digestout", folder.file("0.digest")];
  const first = new Deno.Command(Deno.execPath(), {
    args: [...denoArgs(), ...args],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  try {
    const whole = await dumpOf(folder, disk);
    const writer = first.stdin.getWriter();
    await writer.write(whole.subarray(0, -1000));
    while (!hasTemporary(folder, "0.digest")) await new Promise((resolve) => setTimeout(resolve, 10));
    const second = await runCli(["dump", "--mode", "full", "--local", disk, ...outs, "--quiet"]);
    assertEquals(second.code, 1, second.stderr);
    assert(second.stderr.includes(`another process (${first.pid}) writes it`), second.stderr);
    await writer.write(whole.subarray(-1000));
    await writer.close();
    assertEquals((await first.status).code, 0);
  } finally {
    await first.stderr.cancel();
  }
  const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  assertEquals(names.filter((name) => !name.endsWith(".json")), [
    "0.digest",
    "disk.raw",
    "whole.digest",
    "whole.dump",
  ]);
});

function hasTemporary({ path }: Folder, name: string): boolean {
  return [...Deno.readDirSync(path)].some((entry) =>
    entry.name.startsWith(`.${name}.`) && !entry.name.includes(".lock.")
  );
}

async function dumpOf(folder: Folder, disk: string): Promise<Uint8Array<ArrayBuffer>> {
  const out = join(folder.path, "whole.dump");
  const digest = join(folder.path, "whole.digest");
  const args = [
    "dump",
    "--mode",
    "full",
    "--local",
    disk,
    "--dumpout",
    out,
    "--digestout",
    digest,
    "--quiet",
  ];
  assertEquals((await runCli(args)).code, 0);
  return Deno.readFileSync(out);
}

function newOutputs({ force = false } = {}): Outputs {
  return new Outputs({ force, inputs: [] });
}

test("an output that is disposed while its lock is taken leaves nothing after openingEnds()", async () => {
  using folder = new Folder();
  const outputs = newOutputs();
  const opened = outputs.open(folder.file("a"));
  opened.catch(() => {});
  outputs[Symbol.dispose]();
  await openingEnds();
  assertEquals(filesIn(folder), {});
  await assertRejects(() => opened, TypeError, "closed");
});
