import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path/posix/join";
import { Outputs } from "../../cli/files/outputs.ts";
import { Folder } from "../disks/helpers.ts";
import { filesIn, writeText } from "./folder_state.ts";

const NAMES = ["a", "b", "c"];

Deno.test("commit() leaves nothing if a folder was removed meanwhile", async () => {
  using folder = new Folder();
  const sub = folder.file("sub");
  Deno.mkdirSync(sub);
  await failing(["a", "sub/b", "c"], {
    folder,
    force: false,
    meanwhile: () => Deno.removeSync(sub, { recursive: true }),
  });
  assertEquals(filesIn(folder), {});
});

Deno.test("commit() leaves nothing if a temporary file was removed meanwhile", async () => {
  using folder = new Folder();
  await failing(NAMES, { folder, force: false, meanwhile: () => removeTemporary(folder, "b") });
  assertEquals(filesIn(folder), {});
});

Deno.test("commit() replaces no file that appeared meanwhile", async () => {
  for (const appeared of NAMES) {
    using folder = new Folder();
    await failing(NAMES, { folder, force: false, meanwhile: () => folder.file(appeared, "somebody's") });
    assertEquals(filesIn(folder), { [appeared]: "somebody's" });
  }
});

Deno.test("commit() replaces no folder that appeared meanwhile, also not with force", async () => {
  for (const force of [false, true]) {
    using folder = new Folder();
    await failing(NAMES, { folder, force, meanwhile: () => Deno.mkdirSync(folder.file("b")) });
    assertEquals(filesIn(folder), { b: "/" });
  }
});

Deno.test("commit() keeps the contents of a folder that appeared meanwhile, also with force", async () => {
  using folder = new Folder();
  const inside = folder.file("b/precious");
  await failing(NAMES, {
    folder,
    force: true,
    meanwhile() {
      Deno.mkdirSync(folder.file("b"));
      Deno.writeTextFileSync(inside, "somebody's");
    },
  });
  assertEquals(Deno.readTextFileSync(inside), "somebody's");
});

Deno.test("commit() with force restores every file that it had replaced before a failure", async () => {
  using folder = new Folder();
  for (const name of NAMES) folder.file(name, `old ${name}`);
  const { ino } = Deno.statSync(folder.file("a"));
  await failing(NAMES, { folder, force: true, meanwhile: () => removeTemporary(folder, "c") });
  assertEquals(filesIn(folder), { a: "old a", b: "old b", c: "old c" });
  assertEquals(Deno.statSync(folder.file("a")).ino, ino);
});

Deno.test("commit() with force restores old files and removes new ones after a failure", async () => {
  using folder = new Folder();
  folder.file("b", "old b");
  await failing(NAMES, { folder, force: true, meanwhile: () => removeTemporary(folder, "c") });
  assertEquals(filesIn(folder), { b: "old b" });
});

Deno.test("commit() with force replaces files that appeared meanwhile and leaves no hidden file", async () => {
  using folder = new Folder();
  using outputs = new Outputs({ force: true, inputs: [] });
  for (const name of NAMES) writeText(await outputs.open(folder.file(name)), `new ${name}`);
  folder.file("b", "somebody's");
  outputs.commit();
  assertEquals(filesIn(folder), { a: "new a", b: "new b", c: "new c" });
});

/** Opens outputs, runs an action that makes commit() fail, calls commit(), and cleans up. */
async function failing(
  names: string[],
  { folder, force, meanwhile }: { folder: Folder; force: boolean; meanwhile: () => void },
): Promise<void> {
  using outputs = new Outputs({ force, inputs: [] });
  for (const name of names) writeText(await outputs.open(folder.file(name)), `new ${name}`);
  meanwhile();
  assertThrows(() => outputs.commit());
}

function removeTemporary(folder: Folder, name: string): void {
  const found = Object.keys(filesIn(folder)).find((file) => file.startsWith(`.${name}.`));
  assert(found !== undefined, `"${name}" has a temporary file`);
  Deno.removeSync(join(folder.path, found));
}
