import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path/posix/join";
import { UsageError } from "../../cli/errors.ts";
import { Outputs } from "../../cli/files/outputs.ts";
import { Folder } from "../disks/helpers.ts";
import { testWith } from "../support/skip.ts";
import { filesIn, writeText } from "./folder_state.ts";

Deno.test("Outputs have no final name before commit() and all after", async () => {
  using folder = new Folder();
  using outputs = newOutputs();
  for (const name of ["a.dump", "b.digest", "c.rdiff"]) {
    writeText(await outputs.open(folder.file(name)), name);
  }
  const before = Object.keys(filesIn(folder));
  assertEquals(before.length, 6);
  for (const name of before) {
    assertMatch(name, /^\.(a\.dump|b\.digest|c\.rdiff)\.([0-9a-f]{8}|lock)\.vmdkbkp$/);
  }
  outputs.commit();
  assertEquals(filesIn(folder), { "a.dump": "a.dump", "b.digest": "b.digest", "c.rdiff": "c.rdiff" });
});

Deno.test("Outputs keep what was committed when they are disposed", async () => {
  using folder = new Folder();
  {
    using outputs = newOutputs();
    writeText(await outputs.open(folder.file("a")), "new");
    outputs.commit();
  }
  assertEquals(filesIn(folder), { a: "new" });
});

Deno.test("Outputs that are disposed without commit() leave nothing", async () => {
  using folder = new Folder();
  folder.file("old", "old");
  {
    using outputs = newOutputs({ force: true });
    for (const name of ["a", "old"]) writeText(await outputs.open(folder.file(name)), "new");
  }
  assertEquals(filesIn(folder), { old: "old" });
});

Deno.test("Outputs can be disposed after their files were removed", async () => {
  using folder = new Folder();
  {
    using outputs = newOutputs();
    (await outputs.open(folder.file("closed"))).close();
    await outputs.open(folder.file("open"));
    const removed = Object.keys(filesIn(folder)).find((name) => name.startsWith(".open."))!;
    Deno.removeSync(join(folder.path, removed));
  }
  assertEquals(filesIn(folder), {});
});

Deno.test("empty outputs become files", async () => {
  using folder = new Folder();
  using outputs = newOutputs();
  await outputs.open(folder.file("empty"));
  outputs.commit();
  assertEquals(filesIn(folder), { empty: "" });
});

Deno.test("Outputs can be read and positioned while they are written", async () => {
  using folder = new Folder();
  using outputs = newOutputs();
  const file = await outputs.open(folder.file("disk.raw"));
  file.truncateSync(4);
  writeText(file, "ab");
  file.seekSync(1, Deno.SeekMode.Start);
  const back = new Uint8Array(3);
  assertEquals(file.readSync(back), 3);
  assertEquals(back, new Uint8Array([0x62, 0, 0]));
});

Deno.test("Outputs may lie in several folders", async () => {
  using folder = new Folder();
  using other = new Folder();
  using outputs = newOutputs();
  writeText(await outputs.open(folder.file("a")), "a");
  writeText(await outputs.open(other.file("b")), "b");
  outputs.commit();
  assertEquals([filesIn(folder), filesIn(other)], [{ a: "a" }, { b: "b" }]);
});

Deno.test("Outputs refuse a name that exists, and replace it with force", async () => {
  using folder = new Folder();
  const path = folder.file("a", "old");
  using careful = newOutputs();
  await assertRejects(() => careful.open(path), UsageError, "it exists already (--force replaces it)");
  assertEquals(filesIn(folder), { a: "old" });

  using forced = newOutputs({ force: true });
  writeText(await forced.open(path), "new");
  assertEquals(Deno.readTextFileSync(path), "old");
  forced.commit();
  assertEquals(filesIn(folder), { a: "new" });
});

Deno.test("Outputs refuse a folder, also with force", async () => {
  using folder = new Folder();
  const path = folder.file("sub");
  Deno.mkdirSync(path);
  using outputs = newOutputs({ force: true });
  await assertRejects(() => outputs.open(path), UsageError, "not a regular file");
});

Deno.test("Outputs in a folder that does not exist are refused", async () => {
  using folder = new Folder();
  using outputs = newOutputs();
  const error = await assertRejects(() => outputs.open(folder.file("missing/a")), Error, "cannot be used");
  assert(!(error instanceof UsageError), "the environment is at fault, not the command line");
});

Deno.test("Outputs refuse one path that is given twice in different spellings", async () => {
  using folder = new Folder();
  Deno.mkdirSync(folder.file("sub"));
  Deno.symlinkSync(folder.path, folder.file("link"));
  using outputs = newOutputs();
  await outputs.open(folder.file("a"));
  for (const again of ["a", "./a", "sub/../a", "link/a"]) {
    await assertRejects(() => outputs.open(`${folder.path}/${again}`), UsageError, "named for two outputs");
  }
});

Deno.test("Outputs of one existing file under two symbolic names are refused", async () => {
  using folder = new Folder();
  const path = folder.file("a", "old");
  Deno.symlinkSync(path, folder.file("b"));
  using outputs = newOutputs({ force: true });
  await outputs.open(path);
  await assertRejects(() => outputs.open(folder.file("b")), UsageError, "named for two outputs");
});

Deno.test("Outputs refuse inputs by any name, also with force", async () => {
  using folder = new Folder();
  const input = folder.file("input", "precious");
  Deno.symlinkSync(input, folder.file("symbolic"));
  Deno.linkSync(input, folder.file("hard"));
  Deno.symlinkSync(folder.path, folder.file("around"));
  const names = ["input", "symbolic", "hard", "around/input"];
  for (const named of names) {
    using outputs = newOutputs({ force: true, inputs: ["-", folder.file("absent"), folder.file(named)] });
    for (const name of names) {
      await assertRejects(() => outputs.open(folder.file(name)), UsageError, "it is also an input");
    }
  }
  assertEquals(Deno.readTextFileSync(input), "precious");
});

Deno.test("Outputs with force replace one of two hard links and leave the other", async () => {
  using folder = new Folder();
  Deno.linkSync(folder.file("a", "old"), folder.file("b"));
  using outputs = newOutputs({ force: true });
  writeText(await outputs.open(folder.file("a")), "new");
  outputs.commit();
  assertEquals(filesIn(folder), { a: "new", b: "old" });
});

Deno.test("Outputs with force replace what a symbolic link points to, not the link", async () => {
  using folder = new Folder();
  const target = folder.file("target", "old");
  Deno.symlinkSync("target", folder.file("link"));
  using outputs = newOutputs({ force: true });
  writeText(await outputs.open(folder.file("link")), "new");
  outputs.commit();
  assert(Deno.lstatSync(folder.file("link")).isSymlink);
  assertEquals(Deno.readTextFileSync(target), "new");
});

Deno.test("Outputs never replace a symbolic link that leads nowhere", async () => {
  using folder = new Folder();
  const link = folder.file("link");
  Deno.symlinkSync("not mounted", link);
  using outputs = newOutputs();
  try {
    writeText(await outputs.open(link), "new");
    outputs.commit();
  } catch (error) {
    assert(error instanceof UsageError, String(error));
  }
  assert(Deno.lstatSync(link).isSymlink);
});

Deno.test("Outputs may have names as long as the file system accepts", async () => {
  using folder = new Folder();
  const names = ["a".repeat(255), "b".repeat(255), "é".repeat(127), "c".repeat(230)];
  using outputs = newOutputs();
  for (const name of names) writeText(await outputs.open(folder.file(name)), "long");
  outputs.commit();
  assertEquals(Object.keys(filesIn(folder)), names.toSorted());
});

testWith(
  { missing: Deno.build.os === "windows" ? "Windows has no modes" : undefined },
  "Outputs are their owner's alone, but disks as the user gives new files, and files that are replaced keep their mode",
  async () => {
    using folder = new Folder();
    const ordinary = Deno.statSync(folder.file("ordinary", "")).mode;
    const replaced = folder.file("replaced", "old");
    Deno.chmodSync(replaced, 0o646);
    using outputs = newOutputs({ force: true });
    await outputs.open(folder.file("archive"));
    await outputs.open(folder.file("disk"), { mode: 0o666 });
    await outputs.open(replaced);
    outputs.commit();
    assertEquals(Deno.statSync(folder.file("archive")).mode! & 0o777, 0o600);
    assertEquals(Deno.statSync(folder.file("disk")).mode, ordinary);
    assertEquals(Deno.statSync(replaced).mode! & 0o777, 0o646);
  },
);

function newOutputs({ force = false, inputs = [] }: { force?: boolean; inputs?: string[] } = {}): Outputs {
  return new Outputs({ force, inputs });
}
